package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"chat-system/internal/chat"
)

// exchange is one request and its answer. It is the request's context, too, which the Store gets; the rest of it is not to
// be used once the handler has returned, since Fiber uses its buffers again.
type exchange struct {
	lazyContext
	server   *Server
	endpoint *endpoint
	fiber    *fiber.Ctx // nil: refused before there was a handler
	http     *fasthttp.RequestCtx
	id       string // of the request
	start    time.Time
	span     trace.Span // nil: none
	err      error
}

func (s *Server) exchange(e *endpoint, h *fasthttp.RequestCtx, start time.Time) *exchange {
	x := &exchange{server: s, endpoint: e, http: h, start: start, id: requestID(h.Request.Header.PeekCanonical(keyRequestID))}
	x.Context, x.deadline = context.Background(), x.start.Add(s.config.RequestTimeout)
	header := &h.Response.Header
	header.SetCanonical(keyRequestID, []byte(x.id))
	header.SetCanonical(keyNosniff, valueNosniff)
	header.SetCanonical(keyCacheControl, valueNoStore)
	if len(h.Request.Header.PeekCanonical(keyTraceparent)) > 0 {
		x.Context = propagation.TraceContext{}.Extract(x.Context, carrier{&h.Request.Header})
	}
	if s.config.Tracer != nil {
		x.Context, x.span = s.config.Tracer.Start(x.Context, e.method+" "+e.route, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", e.method), attribute.String("http.route", e.route), attribute.String("chat.request_id", x.id)))
	}
	return x
}

// requestID takes over the client's, when it is 1 to 128 printable characters, or makes one.
func requestID(sent []byte) string {
	if len(sent) > 0 && len(sent) <= 128 && printable(sent) {
		return string(sent)
	}
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64()) //nolint:gosec // it is no secret
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64()) //nolint:gosec // as above
	return hex.EncodeToString(b[:])
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// carrier lets the propagator read a request's header fields.
type carrier struct{ *fasthttp.RequestHeader }

func (c carrier) Get(key string) string { return string(c.Peek(key)) }
func (c carrier) Set(string, string)    {}
func (c carrier) Keys() []string        { return nil }

// finish answers what went wrong and leaves the metrics, the log line of a fault and the span behind. It is deferred.
func (x *exchange) finish() {
	if r := recover(); r != nil {
		x.err = fmt.Errorf("api: panic: %v\n%s", r, debug.Stack())
	}
	if x.err != nil {
		x.fail(x.err)
	}
	if x.server.config.Health.Draining() {
		x.http.SetConnectionClose()
	}
	status := x.http.Response.StatusCode()
	x.end()
	x.endpoint.observe(status, time.Since(x.start))
	if x.span != nil {
		x.span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= 500 {
			x.span.SetStatus(codes.Error, "")
		}
		x.span.End()
	}
}

// fail answers with a problem document.
func (x *exchange) fail(err error) {
	p := asProblem(err)
	if p.allow != "" {
		x.set("Allow", p.allow)
	}
	if p.retry > 0 {
		x.set("Retry-After", decimal(p.retry))
	}
	if p.kind == kindUnauthorized {
		x.set("WWW-Authenticate", "Bearer")
	}
	x.http.Response.Header.SetCanonical(keyCacheControl, valueNoStore)
	x.send(p.status, []byte(problemType), p.render(x.id))
	if p.status >= 500 && p.status != 501 && p.kind != kindNotReady {
		x.log(p, err)
	}
}

// logger is for lines about the request.
func (x *exchange) logger() *slog.Logger {
	log := x.server.config.Log.With("request_id", x.id, "method", x.endpoint.method, "route", x.endpoint.route)
	if span := trace.SpanContextFromContext(x); span.IsValid() {
		log = log.With("trace_id", span.TraceID().String())
	}
	return log
}

// log writes the one line that a fault gets.
func (x *exchange) log(p *problem, err error) {
	log := x.logger().With("status", p.status)
	if p.status == 500 {
		log.Error("request failed", "error", err)
	} else {
		log.Warn("request turned away", "error", err)
	}
}

// send sends an answer, with a copy of the body.
func (x *exchange) send(status int, contentType, body []byte) {
	r := &x.http.Response
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(contentType)
	r.SetBody(body)
}

// accepted answers a POST: where the new thing is, and whether the answer is that to an earlier POST.
func (x *exchange) accepted(status int, p *place, replayed bool, body func([]byte) []byte) {
	var room [160]byte
	x.http.Response.Header.SetCanonical(keyLocation, p.append(room[:0]))
	if replayed {
		x.server.metrics.replayed.Inc()
		x.set("Idempotency-Replayed", "true")
	}
	x.render(status, body)
}

// text reads the request's body in a form. Its fault, if any, joins the others.
func (x *exchange) text(f form, faults *[]chat.Field) (string, error) {
	body := x.http.Request.Body()
	if err := x.mediaType(len(body)); err != nil {
		return "", err
	}
	text, fault, err := f.decode(body)
	if fault != nil {
		*faults = append(*faults, *fault)
	}
	return text, err
}

// query is the request's query string, still unread.
func (x *exchange) query() *query { return &query{raw: x.http.URI().QueryString()} }
