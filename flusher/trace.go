package flusher

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"chat-system/internal/queue"
)

// maxLinks of a batch's span: as many as OpenTelemetry keeps by default.
const maxLinks = 128

// batchSpan is the span of one batch of a sink. It has no parent, since it has many; it links to the sampled entries of the
// batch, and each of those gets a span in its own trace that links to it. A nil one does nothing.
type batchSpan struct {
	trace.Span
	tracer trace.Tracer
	begun  time.Time
}

// traced gives the traces of the entries that are sampled.
func (f *Flusher) traced(es []queue.Entry) (of []queue.TraceContext) {
	if f.Tracer == nil {
		return nil
	}
	for i := range es {
		if es[i].Trace.Sampled() {
			of = append(of, es[i].Trace)
		}
	}
	return of
}

// batchSpan begins one; nil where no entry is sampled.
func (f *Flusher) batchSpan(ctx context.Context, name string, of []queue.TraceContext, attributes ...attribute.KeyValue) (context.Context, *batchSpan) {
	if len(of) == 0 {
		return ctx, nil
	}
	links := make([]trace.Link, min(len(of), maxLinks))
	for i := range links {
		links[i].SpanContext = of[i].SpanContext()
	}
	b := &batchSpan{tracer: f.Tracer, begun: time.Now()}
	ctx, b.Span = f.Tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(b.begun),
		trace.WithLinks(links...), trace.WithAttributes(attributes...), trace.WithAttributes(attribute.Int("chat.sampled", len(of))))
	return ctx, b
}

// end tells what came of the batch. An error's text is for the log, which has the trace's id: it is given back with it.
func (b *batchSpan) end(err error, rows, dead int) error {
	if b == nil {
		return err
	}
	switch {
	case err == nil:
		b.SetAttributes(attribute.Int("chat.rows", rows), attribute.Int("chat.dead_letters", dead))
	case errors.Is(err, errMoved):
		b.SetAttributes(attribute.Bool("chat.moved", true)) // another flusher was here first
	default:
		b.SetStatus(codes.Error, "it is tried again")
	}
	b.End()
	if err != nil {
		return tracedError{err, b.SpanContext().TraceID()}
	}
	return nil
}

// entry leaves a span in the trace of an entry, which lasts as long as the batch took.
func (b *batchSpan) entry(ctx context.Context, name string, of queue.TraceContext, dead bool, attributes ...attribute.KeyValue) {
	if b == nil || !of.Sampled() {
		return
	}
	_, span := b.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, of.SpanContext()), name, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithTimestamp(b.begun), trace.WithLinks(trace.Link{SpanContext: b.SpanContext()}), trace.WithAttributes(attributes...))
	if dead {
		span.SetStatus(codes.Error, "it became a dead letter")
	}
	span.End()
}

// tracedError carries the trace of a batch that failed to where that is logged.
type tracedError struct {
	error
	id trace.TraceID
}

func (t tracedError) Unwrap() error { return t.error }

// withTrace adds the trace of the batch that failed with err.
func withTrace(log *slog.Logger, err error) *slog.Logger {
	if t := (tracedError{}); errors.As(err, &t) {
		return log.With("trace_id", t.id.String())
	}
	return log
}

// ofEntry adds the trace of an entry.
func ofEntry(log *slog.Logger, of queue.TraceContext) *slog.Logger {
	if of.Sampled() {
		return log.With("trace_id", of.SpanContext().TraceID().String())
	}
	return log
}

// brief is what a log line says of a dead letter's reason: the engines' own texts may quote what was written.
func brief(reason string) string {
	head, _, _ := strings.Cut(reason, ":")
	return head
}
