package flusher_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"chat-system/internal/chat"
)

// kept keeps what is logged.
type kept struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (k *kept) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.Write(b)
}

func (k *kept) lines(with string) (found []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range strings.Lines(k.text.String()) {
		if strings.Contains(line, with) {
			found = append(found, line)
		}
	}
	return found
}

// traced lets the bundle record its spans, and keeps its log.
func (b *bundle) traced() (*tracetest.SpanRecorder, *kept) {
	spans, log := tracetest.NewSpanRecorder(), &kept{}
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("")
	b.queue.Tracer, b.config.Tracer, b.config.Log = tracer, tracer, slog.New(slog.NewTextHandler(log, nil))
	return spans, log
}

// postTraced posts in the trace with that number; 0: in none.
func (b *bundle) postTraced(n byte, app string, c int64, body string) {
	b.t.Helper()
	ctx := b.t.Context()
	if n > 0 {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{15: n}, SpanID: trace.SpanID{7: n}, TraceFlags: trace.FlagsSampled,
		}))
	}
	if _, _, err := b.store.CreateMessage(ctx, app, c, body, chat.Idempotency{}); err != nil {
		b.t.Fatal(err)
	}
}

func named(spans *tracetest.SpanRecorder, name string) (found []sdk.ReadOnlySpan) {
	for _, s := range spans.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	return found
}

func attributes(s sdk.ReadOnlySpan) map[string]any {
	all := map[string]any{}
	for _, a := range s.Attributes() {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

// A batch's span links to as many sampled entries as it may, and each of them has a span in its own trace; the others have
// none. A dead letter is told from a row, in its span and in its log line, which do not quote it.
func TestABatchLinksToItsSampledEntries(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		b.refuse()
		app := b.app()
		c := b.chat(app)
		b.flush() // the chat
		spans, log := b.traced()
		const sampled = 200
		for n := range sampled {
			body := "text"
			if n == 7 {
				body = "poison"
			}
			b.postTraced(byte(n+1), app, c, body)
			b.postTraced(0, app, c, "unsampled")
		}
		b.flush()
		batches := named(spans, "store")
		total := int64(0)
		for _, s := range batches {
			a := attributes(s)
			total += a["chat.sampled"].(int64) //nolint:forcetypeassert // it would fail
			if s.Parent().IsValid() || s.SpanKind() != trace.SpanKindConsumer || len(s.Links()) != min(int(a["chat.sampled"].(int64)), 128) ||
				a["chat.sink"] != "mysql" || a["chat.entries"] != a["chat.rows"].(int64)+a["chat.dead_letters"].(int64) {
				t.Errorf("store has %d links, %v, parent %v", len(s.Links()), a, s.Parent())
			}
		}
		stored := named(spans, "stored")
		if total != sampled || len(stored) != sampled || len(batches) >= sampled {
			t.Errorf("%d entries in %d batches, %d spans of entries", total, len(batches), len(stored))
		}
		accepts := map[trace.SpanID]trace.TraceID{}
		for _, s := range named(spans, "accept") {
			accepts[s.SpanContext().SpanID()] = s.SpanContext().TraceID()
		}
		for _, s := range stored {
			refused := s.SpanContext().TraceID() == (trace.TraceID{15: 8})
			if accepts[s.Parent().SpanID()] != s.SpanContext().TraceID() || len(s.Links()) != 1 || (s.Status().Code == codes.Error) != refused {
				t.Errorf("%v: %v %v %v", s.SpanContext().TraceID(), s.Parent(), s.Links(), s.Status())
			}
		}
		lines := log.lines("dead letter")
		if len(lines) != 1 || !strings.Contains(lines[0], "trace_id="+trace.TraceID{15: 8}.String()) || len(log.lines("body <>")) > 0 {
			t.Errorf("%q", lines)
		}
	})
}

// An attempt to fill search that fails is a span too, whose trace is in the log line; each document has its span once.
func TestSearchTellsWhatItBringsInAndWhatItCannot(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		spans, log := b.traced()
		i := openIndex(t)
		stop := b.startWithSearch(i, 1000)
		defer stop()
		app := b.app()
		c := b.chat(app)
		b.until("search follows the stream", func() bool {
			b.postTraced(99, app, c, "first")
			return len(named(spans, "indexed")) > 0
		})
		i.away.Store(true)
		for n := range byte(3) {
			b.postTraced(n+1, app, c, "text")
		}
		b.until("a try fails", func() bool { return len(log.lines("trace_id=")) > 0 })
		i.away.Store(false)
		b.until("all can be found", func() bool { return b.hits(i, app, c, "text") == 3 })
		of := func() (each map[trace.TraceID]int) {
			each = map[trace.TraceID]int{}
			for _, s := range named(spans, "indexed") {
				each[s.SpanContext().TraceID()]++
			}
			return each
		}
		b.until("each has its span", func() bool { return of()[trace.TraceID{15: 3}] > 0 })
		for n := range byte(3) {
			if got := of()[trace.TraceID{15: n + 1}]; got != 1 {
				t.Errorf("trace %d has %d spans", n+1, got)
			}
		}
		line := log.lines("trace_id=")[0]
		failed := false
		for _, s := range named(spans, "index") {
			failed = failed || (s.Status().Code == codes.Error && strings.Contains(line, s.SpanContext().TraceID().String()))
		}
		if !failed || !strings.Contains(line, "search is behind") {
			t.Errorf("no span failed in the trace of %s", line)
		}
	})
}
