package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"chat-system/api"
	"chat-system/api/apitest"
	"chat-system/internal/enginetest"
)

// counting is a Limiter that lets every client ask twice.
type counting struct {
	mu   sync.Mutex
	seen map[string]int
	fail error
}

func (c *counting) Allow(_ context.Context, client string) (api.Allowance, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[client]++
	n := c.seen[client]
	return api.Allowance{
		Allowed: n <= 2, Limit: 2, Window: time.Minute, Remaining: max(0, 2-n), Reset: time.Duration(n) * 30 * time.Second, Retry: 1500 * time.Millisecond,
	}, c.fail
}

func TestLimit(t *testing.T) {
	t.Parallel()
	limiter := &counting{}
	b := setup(t, func(c *api.Config) { c.Limiter = limiter })
	for _, path := range []string{"/healthz", "/readyz", "/docs", "/docs/docs.css", "/openapi.yaml"} {
		if r, _ := ask(t, "GET", b.url+path, ""); r.StatusCode != http.StatusOK || r.Header.Get("RateLimit") != "" {
			t.Errorf("%s is limited: %d %v", path, r.StatusCode, r.Header)
		}
	}
	for i, want := range []struct {
		method, path string
		status       int
		limit, retry string
	}{
		{"GET", "/nowhere", 404, `"default";r=1;t=30`, ""},
		{"DELETE", "/applications", 405, `"default";r=0;t=60`, ""},
		{"GET", "/applications", 429, `"default";r=0;t=90`, "2"},
		{"OPTIONS", "/applications", 429, `"default";r=0;t=120`, "2"},
	} {
		r, body := ask(t, want.method, b.url+want.path, "")
		if r.StatusCode != want.status || r.Header.Get("RateLimit") != want.limit || r.Header.Get("RateLimit-Policy") != `"default";q=2;w=60` || r.Header.Get("Retry-After") != want.retry {
			t.Errorf("%d: %d %s %v", i, r.StatusCode, body, r.Header)
		}
	}
	limiter.fail = errors.New("away")
	if r, _ := ask(t, "GET", b.url+"/applications", ""); r.StatusCode != http.StatusOK || r.Header.Get("RateLimit") != "" {
		t.Errorf("without a limiter: %d %v", r.StatusCode, r.Header)
	}
	limiter.fail = api.ErrLimiterDown
	ask(t, "GET", b.url+"/applications", "")
	if n := counter(t, b.registry, "chat_http_rate_limiter_failures_total"); n != 2 {
		t.Errorf("%v failures counted", n)
	}
	if n := counter(t, b.registry, "chat_http_rate_limited_requests_total"); n != 2 {
		t.Errorf("%v limited requests counted", n)
	}
	if lines := b.logs.with("rate limiter"); len(lines) != 1 || !strings.Contains(lines[0], "request_id") {
		t.Errorf("logged %q", lines)
	}
}

// The limited answers, too, are what openapi.yaml says.
func TestContractWhileLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.Limiter = generous{} })
	apitest.Run(t, apitest.Target{URL: b.url, Search: true})
}

type generous struct{}

func (generous) Allow(context.Context, string) (api.Allowance, error) {
	return api.Allowance{Allowed: true, Limit: 100, Window: time.Minute, Remaining: 99, Reset: 600 * time.Millisecond}, nil
}

func TestClientsBehindProxies(t *testing.T) {
	t.Parallel()
	limiter := &counting{}
	b := setup(t, func(c *api.Config) {
		c.Limiter, c.TrustedProxies = limiter, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
	})
	ask(t, "GET", b.url+"/applications", "", "X-Forwarded-For", "198.51.100.1, 198.51.100.2", "X-Forwarded-For", "192.0.2.7")
	ask(t, "GET", b.url+"/applications", "", "X-Forwarded-For", "2001:db8:1:2:3:4:5:6")
	ask(t, "GET", b.url+"/applications", "")
	limiter.mu.Lock()
	defer limiter.mu.Unlock()
	for _, client := range []string{"198.51.100.2", "2001:db8:1:2::/64", "127.0.0.1"} {
		if limiter.seen[client] != 1 {
			t.Errorf("%s is not among %v", client, limiter.seen)
		}
	}
}

func TestRedisLimiter(t *testing.T) {
	t.Parallel()
	server := enginetest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	pods := []*api.RedisLimiter{api.NewRedisLimiter(client, 5), api.NewRedisLimiter(client, 5)}
	answers := func(client string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			a, err := pods[0].Allow(t.Context(), client)
			if err == nil && a.Allowed {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%+v, %v", a, err)
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	answers("192.0.2.9") // a first call connects and loads the script, for which it has no more time than any other
	for n := range 5 {
		a, err := pods[n%2].Allow(t.Context(), "192.0.2.1")
		if err != nil || !a.Allowed || a.Limit != 5 || a.Window != time.Minute || a.Remaining != 4-n || a.Reset <= 0 || a.Reset > time.Minute {
			t.Fatalf("request %d: %+v, %v", n, a, err)
		}
	}
	if a, err := pods[0].Allow(t.Context(), "192.0.2.1"); err != nil || a.Allowed || a.Retry <= 0 || a.Retry > 12*time.Second {
		t.Errorf("one too many: %+v, %v", a, err)
	}
	if a, err := pods[0].Allow(t.Context(), "192.0.2.2"); err != nil || !a.Allowed {
		t.Errorf("another client: %+v, %v", a, err)
	}
	server.Kill()
	if _, err := pods[0].Allow(t.Context(), "192.0.2.2"); err == nil || errors.Is(err, api.ErrLimiterDown) {
		t.Errorf("Redis away: %v", err)
	}
	if _, err := pods[0].Allow(t.Context(), "192.0.2.2"); !errors.Is(err, api.ErrLimiterDown) {
		t.Errorf("Redis was asked again at once: %v", err)
	}
	server.Start()
	answers("192.0.2.3")
	if _, err := pods[0].Allow(t.Context(), "192.0.2.3"); err != nil {
		t.Errorf("back, and then: %v", err)
	}
}

// counter reads a counter.
func counter(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	for _, m := range gather(t, registry, name) {
		return m.GetCounter().GetValue()
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func gather(t *testing.T, registry *prometheus.Registry, name string) []*dto.Metric {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}
