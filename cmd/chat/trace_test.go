package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The collector's address is the process' own: no other test runs meanwhile.
func TestTracesGoToTheCollector(t *testing.T) {
	sent := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		sent <- body
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10") // milliseconds
	addr := start(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "DATA_DIR=" + t.TempDir(), "LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0",
	}, "local", "ready")
	r, err := http.Get("http://" + addr + "/applications/nobody")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	select {
	case body := <-sent:
		if !bytes.Contains(body, []byte("GET /applications/:token")) || !bytes.Contains(body, []byte("chat-system")) {
			t.Errorf("%q", body)
		}
	case <-time.After(30 * time.Second):
		t.Error("no span within 30 s")
	}
}
