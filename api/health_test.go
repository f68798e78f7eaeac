package api_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"chat-system/api"
)

type checks struct {
	answer []api.Check
	asked  atomic.Int32
}

func (c *checks) Check(ctx context.Context) []api.Check {
	if _, ok := ctx.Deadline(); !ok {
		panic("no deadline")
	}
	c.asked.Add(1)
	return c.answer
}

// Both ports answer alike.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status api.CheckStatus
		drain  bool
		want   int
	}{{api.OK, false, 200}, {api.Warning, false, 200}, {api.Failed, false, 503}, {api.OK, true, 503}} {
		readiness := &checks{answer: []api.Check{{"database", api.OK, ""}, {"redis", c.status, `a "detail"`}}}
		health := api.NewHealth(readiness)
		b := setup(t, func(config *api.Config) { config.Health = health })
		ops := httptest.NewServer(serveOps(t, health, false))
		if ready := testutil.ToFloat64(health.Collector()); ready != 0 {
			t.Errorf("chat_ready is %v before anybody asked", ready)
		}
		if c.drain {
			health.Drain()
		}
		begun := time.Now()
		for _, url := range []string{b.url, ops.URL} {
			r, body := ask(t, "GET", url+"/readyz", "")
			var got struct {
				Type   string
				Checks []struct{ Name, Status, Detail string }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			named := false
			for _, check := range got.Checks {
				named = named || check.Name == "redis" && check.Status == string(c.status) && check.Detail == `a "detail"`
			}
			if r.StatusCode != c.want || !named || (c.want == 503) != (got.Type == "/docs#not-ready") || (c.want == 503) != (r.Header.Get("Retry-After") == "1") {
				t.Errorf("%s, draining %v: %d %s", c.status, c.drain, r.StatusCode, body)
			}
			if r, body := ask(t, "GET", url+"/healthz", ""); r.StatusCode != http.StatusOK || body != `{"status":"ok"}` {
				t.Errorf("/healthz: %d %s", r.StatusCode, body)
			}
		}
		if ready := testutil.ToFloat64(health.Collector()); (ready == 1) != (c.want == 200) {
			t.Errorf("%s, draining %v: chat_ready is %v", c.status, c.drain, ready)
		}
		if n := readiness.asked.Load(); n < 1 || n > 1 && time.Since(begun) < time.Second {
			t.Errorf("looked %d times within a second", n)
		}
		ops.Close()
	}
}

// The operators' port is open before the service can serve, and says so.
func TestNobodyIsReadyBeforeTheServerServes(t *testing.T) {
	t.Parallel()
	health := api.NewHealth(nil)
	health.Starting()
	ops := httptest.NewServer(serveOps(t, health, false))
	defer ops.Close()
	if r, body := ask(t, "GET", ops.URL+"/readyz", ""); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"starting"`) {
		t.Errorf("before it serves: %d %s", r.StatusCode, body)
	}
	b := setup(t, func(config *api.Config) { config.Health = health })
	for _, url := range []string{b.url, ops.URL} {
		if r, body := ask(t, "GET", url+"/readyz", ""); r.StatusCode != http.StatusOK {
			t.Errorf("while it serves: %d %s", r.StatusCode, body)
		}
	}
}

// serveOps serves the operators' port behind a handler, through a real listener.
func serveOps(t *testing.T, health *api.Health, debug bool) http.HandlerFunc {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ops := api.NewOps(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "chat_x 1\n") }), health, debug)
	served := make(chan error, 1)
	go func() { served <- ops.Serve(ln) }()
	t.Cleanup(func() {
		if err := ops.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func(w http.ResponseWriter, r *http.Request) {
		response, body := ask(t, r.Method, "http://"+ln.Addr().String()+r.URL.Path, "", "X-Request-Id", "the-id")
		maps.Copy(w.Header(), response.Header)
		w.WriteHeader(response.StatusCode)
		_, _ = io.WriteString(w, body)
	}
}

func TestOps(t *testing.T) {
	t.Parallel()
	for _, debug := range []bool{false, true} {
		handler := serveOps(t, api.NewHealth(nil), debug)
		for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 404, "/applications": 404, "/debug/pprof/": map[bool]int{false: 404, true: 200}[debug]} {
			w := httptest.NewRecorder()
			handler(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want || (want == 404) != (w.Header().Get("Content-Type") == "application/problem+json") {
				t.Errorf("debug %v: %s: %d %s", debug, path, w.Code, w.Body)
			}
			if w.Header().Get("X-Request-Id") != "the-id" {
				t.Errorf("%s: X-Request-Id: %q", path, w.Header().Get("X-Request-Id"))
			}
			if path == "/metrics" && !strings.Contains(w.Body.String(), "chat_x 1") {
				t.Errorf("/metrics: %s", w.Body)
			}
		}
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			w := httptest.NewRecorder()
			handler(w, httptest.NewRequest(http.MethodPost, path, nil))
			if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" || !strings.Contains(w.Body.String(), "/docs#method-not-allowed") {
				t.Errorf("POST %s: %d %v %s", path, w.Code, w.Header(), w.Body)
			}
		}
	}
}
