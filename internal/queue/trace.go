package queue

import (
	"context"
	"encoding/hex"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"chat-system/internal/chat"
)

// TraceContext names the sampled span in which a write was accepted; the zero one: none. An entry takes it along as 32 and 16
// hex digits, the two words of a W3C traceparent that are not the same for all of them.
type TraceContext struct {
	trace trace.TraceID
	span  trace.SpanID
}

// Sampled says whether there is one.
func (t TraceContext) Sampled() bool { return t.trace.IsValid() && t.span.IsValid() }

// SpanContext for spans that follow on it.
func (t TraceContext) SpanContext() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t.trace, SpanID: t.span, TraceFlags: trace.FlagsSampled, Remote: true})
}

func (t TraceContext) hex() string {
	return hex.EncodeToString(t.trace[:]) + hex.EncodeToString(t.span[:])
}

// decodeTrace reads it; what is none is dropped, since an entry is worth more than its trace.
func decodeTrace(s string) (t TraceContext) {
	const digits = 2 * len(t.trace)
	if len(s) != digits+2*len(t.span) {
		return t
	}
	_, err := hex.Decode(t.trace[:], []byte(s[:digits]))
	_, err2 := hex.Decode(t.span[:], []byte(s[digits:]))
	if err != nil || err2 != nil || !t.Sampled() {
		return TraceContext{}
	}
	return t
}

// kindNames are what spans call what a write does.
var kindNames = map[Kind]string{ChatCreated: "chat", MessageCreated: "message", MessageEdited: "edit"}

// traced says whether a write gets a span. It is asked for every write.
func (q *Queue) traced(ctx context.Context, k Kind) bool {
	return q.Tracer != nil && k != question && trace.SpanContextFromContext(ctx).IsSampled()
}

// acceptTraced accepts a write in a span of its own, on which the flusher's follow.
func (q *Queue) acceptTraced(ctx context.Context, w Write) (Result, error) {
	ctx, span := q.Tracer.Start(ctx, "accept", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.Int("chat.partition", q.Partition(w.Scope)), attribute.String("chat.kind", kindNames[w.Kind])))
	defer span.End()
	s := span.SpanContext()
	w.trace = TraceContext{s.TraceID(), s.SpanID()}
	r, err := q.accept(ctx, w)
	var e *chat.Error
	if errors.As(err, &e) && (e.Code == chat.Unavailable || e.Code == chat.OutcomeUnknown) { // else the client is told what is wrong with it
		span.SetStatus(codes.Error, e.Message)
	}
	span.SetAttributes(attribute.Bool("chat.replayed", r.Replayed))
	return r, err
}
