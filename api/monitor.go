package api

import (
	"context"

	"github.com/valyala/fasthttp"
)

// Monitor serves the monitoring page: /monitor, what lies below it, and /sidekiq. Its errors are faults, of which the client
// learns nothing; whom it answers is its own matter.
type Monitor interface {
	// Serve answers a request of a client, who is an IPv4 address or an IPv6 network.
	Serve(ctx context.Context, h *fasthttp.RequestCtx, client string) error
}

func getMonitor(x *exchange) error { return x.server.config.Monitor.Serve(x, x.http, x.client()) }
