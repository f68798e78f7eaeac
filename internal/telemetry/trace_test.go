package telemetry

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What the collector wants to see is in either of two variables, of which the library reads one itself.
func TestTheCollectorGetsItsHeaders(t *testing.T) {
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		t.Run(variable, func(t *testing.T) {
			got := make(chan string, 1)
			collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path + " " + r.Header.Get("Authorization") }))
			defer collector.Close()
			c := TraceConfig{Service: "a-service", Endpoint: collector.URL, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
			if variable == "OTEL_EXPORTER_OTLP_HEADERS" {
				c.Headers = map[string]string{"Authorization": "Bearer a"}
			} else {
				t.Setenv(variable, "Authorization=Bearer a")
			}
			traces, err := NewTraces(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			_, span := traces.Sampled.Start(t.Context(), "a span")
			span.End()
			traces.Stop()
			select {
			case r := <-got:
				if r != "/v1/traces Bearer a" {
					t.Errorf("the collector gets %q", r)
				}
			case <-time.After(time.Minute):
				t.Error("the collector gets nothing")
			}
		})
	}
}
