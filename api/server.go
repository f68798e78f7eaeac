package api

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"
)

// Config is what a Server needs. Store and Log must be set; a zero elsewhere has the meaning that its comment says.
type Config struct {
	Store          Store
	Log            *slog.Logger
	Health         *Health               // nil: always ready
	Limiter        Limiter               // nil: no limit
	TrustedProxies []netip.Prefix        // whose X-Forwarded-For is believed
	AdminToken     string                // "": applications are created and listed without one
	Metrics        prometheus.Registerer // nil: not registered
	Tracer         trace.Tracer          // nil: no spans; a client's traceparent still goes down with the context
	Monitor        Monitor               // nil: there is no monitoring page

	ClientTimeout  time.Duration // that a client has to send a request or to take an answer; 0: 30 s
	RequestTimeout time.Duration // the deadline of a request's context; 0: 15 s
	MaxConnections int           // 0: 4096
	DrainDelay     time.Duration // between failing readiness and closing the port
}

// Server serves the public port.
type Server struct {
	config  Config
	fiber   *fiber.App
	handler fasthttp.RequestHandler // Fiber's
	metrics *metrics
	nowhere *endpoint // of requests that never came to one
	stopped atomic.Bool
}

// New makes a Server.
func New(config Config) *Server {
	def(&config.ClientTimeout, 30*time.Second)
	def(&config.RequestTimeout, 15*time.Second)
	def(&config.MaxConnections, 4096)
	if config.Health == nil {
		config.Health = NewHealth(nil)
	}
	s := &Server{config: config, metrics: newMetrics(config.Metrics, config.MaxConnections)}
	s.nowhere = &endpoint{server: s, route: "none", method: "none", durations: s.metrics.durations("other", "other")}
	s.fiber = fiber.New(fiber.Config{
		CaseSensitive:                true,
		DisableStartupMessage:        true,
		DisablePreParseMultipartForm: true,
		DisableDefaultContentType:    true,
		BodyLimit:                    maxBody,
		ReadBufferSize:               maxHead,
		ReadTimeout:                  config.ClientTimeout,
		WriteTimeout:                 config.ClientTimeout,
		IdleTimeout:                  3 * config.ClientTimeout,  // above the minute after which many a load balancer closes
		Concurrency:                  2 * config.MaxConnections, // the listener's bound comes first
	})
	s.routes()
	s.handler = s.fiber.Handler()
	server := s.fiber.Server()
	server.Handler, server.ErrorHandler = s.serve, s.unread
	server.SecureErrorLogMessage = true
	return s
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Serve serves until Drain.
func (s *Server) Serve(ln net.Listener) error {
	s.config.Health.Started()
	return s.fiber.Listener(s.listener(ln))
}

// Drain stops: readiness fails first; after DrainDelay, in which the answers already tell clients to close their
// connections, the port is closed; what was accepted is answered. The context bounds all of that.
func (s *Server) Drain(ctx context.Context) error {
	s.config.Health.Drain()
	if s.config.DrainDelay > 0 {
		delay := time.NewTimer(s.config.DrainDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
	}
	s.stopped.Store(true)
	return s.fiber.ShutdownWithContext(ctx)
}
