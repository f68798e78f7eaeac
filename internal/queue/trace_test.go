package queue

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"chat-system/internal/chat"
)

// parent is a context as a client's traceparent makes it.
func parent(ctx context.Context, flags trace.TraceFlags) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}, TraceFlags: flags, Remote: true,
	}))
}

// A sampled write's entry names the span in which it was accepted, whatever else it has; no other entry has a field more
// than it had without traces.
func TestAnEntryTakesASampledTraceAlong(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		spans := tracetest.NewSpanRecorder()
		b.q.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("")
		chats, messages := chat.Scope{Application: app}, chat.Scope{Application: app, Chat: 1}
		key := chat.Idempotency{Given: true, Key: [16]byte{1}, Payload: [16]byte{2}}
		sampled, unsampled := parent(t.Context(), trace.FlagsSampled), parent(t.Context(), 0)
		for _, c := range []struct {
			name   string
			write  Write
			fields []string
		}{
			{"chat", newChat(app), []string{"h", "b"}},
			{"message", newMessage(app, 1, "text"), []string{"h", "b"}},
			{"message with a key", Write{Kind: MessageCreated, Scope: messages, Body: "text", Idempotency: key}, []string{"h", "b", "k"}},
			{"edit", Write{Kind: MessageEdited, Scope: messages, Number: 1, Body: "other"}, []string{"h", "b"}},
		} {
			c.write.CreatedAt = micros(1)
			for i, ctx := range []context.Context{unsampled, sampled} {
				if c.write.Idempotency.Given {
					c.write.Idempotency.Key[1] = byte(i)
				}
				begun := len(spans.Ended())
				r, err := b.q.Accept(ctx, c.write)
				if err != nil {
					t.Fatal(c.name, err)
				}
				p := b.q.Partition(c.write.Scope)
				last, err := b.q.rdb.XRevRangeN(t.Context(), streamKey(p), "+", "-", 1).Result()
				if err != nil {
					t.Fatal(err)
				}
				e, err := decodeMessage(last[0])
				if err != nil || e.Version != r.Version || e.Body != c.write.Body || e.Kind != c.write.Kind || e.Idempotency.Given != c.write.Idempotency.Given {
					t.Errorf("%s: %+v, %v", c.name, e, err)
				}
				var fields []string
				for f := range last[0].Values {
					fields = append(fields, f)
				}
				slices.Sort(fields)
				want := slices.Clone(c.fields)
				if ctx == sampled {
					want = append(want, "t")
				}
				slices.Sort(want)
				if !slices.Equal(fields, want) {
					t.Errorf("%s: fields %q, want %q", c.name, fields, want)
				}
				ended := spans.Ended()[begun:]
				if ctx == unsampled {
					if len(ended) != 0 || e.Trace.Sampled() {
						t.Errorf("%s: unsampled, and it has %v and %v", c.name, ended, e.Trace)
					}
					continue
				}
				if len(ended) != 1 || ended[0].Name() != "accept" || ended[0].SpanKind() != trace.SpanKindProducer ||
					ended[0].Parent().SpanID() != (trace.SpanID{7: 2}) || e.Trace.SpanContext().TraceID() != (trace.TraceID{15: 1}) ||
					e.Trace.SpanContext().SpanID() != ended[0].SpanContext().SpanID() || !e.Trace.SpanContext().IsSampled() {
					t.Errorf("%s: spans %v, entry %v", c.name, ended, e.Trace)
				}
			}
		}
		es := append(b.drain(t, chats), b.drain(t, messages)...) // the flusher's reader
		traced := 0
		for i := range es {
			if es[i].Trace.Sampled() {
				traced++
			}
		}
		if traced != 4 {
			t.Errorf("%d of %d entries have a trace, want 4", traced, len(es))
		}
	})
}

// A replay is told from an acceptance; a refusal is the client's, and Redis' absence is a fault.
func TestTheSpanOfAcceptance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		spans := tracetest.NewSpanRecorder()
		b.q.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("")
		ctx := parent(t.Context(), trace.FlagsSampled)
		b.must(t, newChat(app))
		w := newMessage(app, 1, "a secret text")
		w.Idempotency = chat.Idempotency{Given: true, Key: [16]byte{1}}
		for range 2 {
			if _, err := b.q.Accept(ctx, w); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.q.Accept(ctx, newMessage(app, 9, "x")); code(err) != chat.NotFound {
			t.Fatal(err)
		}
		b.q.MaxEntries = 0
		if _, err := b.q.Accept(ctx, newMessage(app, 1, "x")); code(err) != chat.Unavailable {
			t.Fatal(err)
		}
		want := []struct {
			replayed bool
			status   codes.Code
		}{{false, codes.Unset}, {true, codes.Unset}, {false, codes.Unset}, {false, codes.Error}}
		for i, s := range spans.Ended() {
			replayed := false
			for _, a := range s.Attributes() {
				if a.Key == "chat.replayed" {
					replayed = a.Value.AsBool()
				}
				if strings.Contains(a.Value.String(), "secret") {
					t.Errorf("attribute %v", a)
				}
			}
			if i >= len(want) || replayed != want[i].replayed || s.Status().Code != want[i].status {
				t.Errorf("span %d: replayed %v, %v", i, replayed, s.Status())
			}
		}
		if n := len(spans.Ended()); n != len(want) {
			t.Errorf("%d spans, want %d", n, len(want))
		}
	})
}

// What costs a trace never costs the entry; and what a newer program adds is left to it.
func TestABadTraceIsDropped(t *testing.T) {
	t.Parallel()
	const header = "m 5 7 1 42 1700000000000000 1700000000000000"
	good := strings.Repeat("0a", 16) + strings.Repeat("0b", 8)
	for text, sampled := range map[string]bool{
		good: true, "": false, "x": false, good + "0": false, good[1:]: false, strings.Repeat("z", 48): false, strings.Repeat("0", 48): false,
		good[:32] + strings.Repeat("0", 16): false, strings.Repeat("0", 32) + good[32:]: false,
	} {
		e, err := decodeEntry("1-1", []string{"h", header, "b", "text", "t", text, "y", "of another program"})
		if err != nil || e.Body != "text" || e.Number != 42 || e.Trace.Sampled() != sampled || (sampled && e.Trace.hex() != text) {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
}

func TestWithoutATraceNothingIsAllocated(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of the others
	ctx, q := t.Context(), &Queue{}
	if n := testing.AllocsPerRun(100, func() { _ = q.traced(ctx, MessageCreated) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	q.Tracer = sdk.NewTracerProvider().Tracer("")
	ctx = parent(ctx, 0)
	if n := testing.AllocsPerRun(100, func() { _ = q.traced(ctx, MessageCreated) }); n != 0 {
		t.Errorf("unsampled: %v allocations", n)
	}
}
