package api_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"chat-system/api"
)

// tracer notes which spans begin under which parents, and which end.
type tracer struct {
	noop.Tracer
	mu   sync.Mutex
	seen []string
}

type span struct {
	noop.Span
	tracer *tracer
	name   string
}

func (r *tracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, "start "+name+" "+trace.SpanContextFromContext(ctx).SpanID().String())
	return ctx, &span{tracer: r, name: name}
}

func (s *span) End(...trace.SpanEndOption) {
	s.tracer.mu.Lock()
	defer s.tracer.mu.Unlock()
	s.tracer.seen = append(s.tracer.seen, "end "+s.name)
}

func TestSpans(t *testing.T) {
	t.Parallel()
	r := &tracer{}
	b := setup(t, func(c *api.Config) { c.Tracer = r })
	b.store.fail = errors.New("no")
	ask(t, "GET", b.url+somewhere, "", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.mu.Lock()
	defer r.mu.Unlock()
	want := []string{"start GET /applications/:token 00f067aa0ba902b7", "end GET /applications/:token"}
	if len(r.seen) != 2 || r.seen[0] != want[0] || r.seen[1] != want[1] {
		t.Errorf("%q, want %q", r.seen, want)
	}
}
