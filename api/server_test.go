package api_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-system/api"
	"chat-system/api/apitest"
)

// bundle is a server on a fake store.
type bundle struct {
	*api.Server
	store    *fake
	health   *api.Health
	registry *prometheus.Registry
	logs     *logs
	url      string
	addr     string
	served   chan error
}

// setup starts a server that stops with the test; change may adjust what it is made of.
func setup(t *testing.T, change func(*api.Config)) *bundle {
	t.Helper()
	b := &bundle{store: newFake(), health: api.NewHealth(nil), registry: prometheus.NewRegistry(), logs: &logs{t: t}, served: make(chan error, 1)}
	config := api.Config{Store: b.store, Health: b.health, Metrics: b.registry, Log: slog.New(slog.NewTextHandler(b.logs, nil))}
	if change != nil {
		change(&config)
	}
	b.Server = api.New(config)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = ln.Addr().String()
	b.url = "http://" + b.addr
	go func() { b.served <- b.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = b.Drain(ctx) // a test may have left connections open
	})
	return b
}

func TestContract(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.ClientTimeout = 2 * time.Second })
	apitest.Run(t, apitest.Target{URL: b.url, Search: true, ClientTimeout: 2 * time.Second})
}

func TestContractWithAdminToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.AdminToken = "an administrator's token" })
	apitest.Run(t, apitest.Target{URL: b.url, Search: true, AdminToken: "an administrator's token"})
}
