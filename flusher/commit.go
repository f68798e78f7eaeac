package flusher

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// commit stores the entries in one transaction. Its first statement moves the cursor from where the entries follow on;
// where that moves nothing, somebody else was here and nothing is done.
func (f *Flusher) commit(ctx context.Context, p int, cur queue.Cursor, es []queue.Entry) error {
	failpoint.Hit(f.queue, "flush.begin")
	b := &batch{f: f, p: p}
	ctx, span := f.batchSpan(ctx, "store", f.traced(es), attribute.String("chat.sink", db.SinkDatabase), attribute.Int("chat.partition", p),
		attribute.Int("chat.entries", len(es)))
	err := f.db.WithTx(ctx, func(q *db.Queries) error {
		*b = batch{f: f, p: p, q: q}
		last := es[len(es)-1]
		moved, err := q.AdvanceCursor(ctx, db.AdvanceCursorParams{
			Position: int64(last.Version), PositionGen: last.Generation,
			PartitionID: int32(p), OldPosition: int64(cur.Position.Version), Gen: cur.Generation, //nolint:gosec // p < 1024
		})
		if err != nil {
			return err
		}
		if moved == 0 {
			return errMoved
		}
		failpoint.Hit(f.queue, "flush.moved")
		if err := b.store(ctx, es); err != nil {
			return err
		}
		failpoint.Hit(f.queue, "flush.commit")
		return nil
	})
	if err = span.end(err, len(es)-len(b.dead), len(b.dead)); err != nil {
		return err
	}
	b.report(es)
	if span != nil {
		b.leave(ctx, span, es)
	}
	return nil
}

// leave leaves the spans of the entries behind.
func (b *batch) leave(ctx context.Context, span *batchSpan, es []queue.Entry) {
	dead := map[chat.Version]bool{}
	for i := range b.dead {
		dead[b.dead[i].Version] = true
	}
	for i := range es {
		span.entry(ctx, "stored", es[i].Trace, dead[es[i].Version], attribute.String("chat.sink", db.SinkDatabase), attribute.Int("chat.partition", b.p))
	}
}

// batch is what one transaction stores.
type batch struct {
	f    *Flusher
	p    int
	q    *db.Queries
	dead []deadEntry
	// keys that were stored for another write within their life: two writes were accepted under one key
	doubled []db.InsertIdempotencyKeysRow
}

type deadEntry struct {
	queue.Entry
	reason string
	why    string // the kind of reason
}

// store brings the entries into their tables. The order matters: a new chat takes the count of the messages that were
// committed before it; messages that are stored later, or at the same time, find its row or hold off its insertion by
// the gap that they lock, and raise the count themselves.
func (b *batch) store(ctx context.Context, es []queue.Entry) error {
	var chats, messages, edits []*queue.Entry
	for i := range es {
		e := &es[i]
		switch e.Kind {
		case queue.ChatCreated:
			chats = append(chats, e)
		case queue.MessageCreated:
			messages = append(messages, e)
		case queue.MessageEdited:
			edits = append(edits, e)
		}
	}
	byKey := func(x, y *queue.Entry) int {
		return cmp.Or(cmp.Compare(x.Scope.Application, y.Scope.Application), cmp.Compare(x.Scope.Chat, y.Scope.Chat), cmp.Compare(x.Number, y.Number))
	}
	slices.SortFunc(chats, byKey)
	slices.SortFunc(messages, byKey)
	if err := b.insertChats(ctx, chats); err != nil {
		return err
	}
	b.step("flush.chats")
	if err := b.insertMessages(ctx, messages); err != nil {
		return err
	}
	b.step("flush.messages")
	for i := range edits {
		if err := b.edit(ctx, edits[i]); err != nil {
			return err
		}
	}
	b.step("flush.edits")
	if err := b.raiseCounts(ctx, chats, messages); err != nil {
		return err
	}
	b.step("flush.counts")
	if err := b.keys(ctx, es); err != nil {
		return err
	}
	b.step("flush.keys")
	return b.letters(ctx, db.SinkDatabase, b.dead)
}

func (b *batch) step(name string) { failpoint.Hit(b.f.queue, name) }

// raiseCounts adds what was created to the counts above it, dead letters too: a count counts numbers.
func (b *batch) raiseCounts(ctx context.Context, chats, messages []*queue.Entry) error {
	for _, group := range deltas(messages) {
		for _, part := range chunks(group.scopes, 500) {
			keys := make([]db.AddMessagesCountsRow, len(part))
			for i, s := range part {
				keys[i] = db.AddMessagesCountsRow{ApplicationID: s.Application, Number: s.Chat}
			}
			if _, err := b.q.AddMessagesCounts(ctx, group.by, keys); err != nil {
				return err
			}
		}
	}
	b.step("flush.raised")
	for _, group := range deltas(chats) {
		for _, s := range group.scopes {
			if err := b.q.AddChatsCount(ctx, db.AddChatsCountParams{Delta: group.by, ID: s.Application}); err != nil {
				return err
			}
		}
	}
	return nil
}

type delta struct {
	by     int64
	scopes []chat.Scope
}

// deltas groups scopes by how many entries they have; the entries are sorted by scope.
func deltas(es []*queue.Entry) []delta {
	by := map[int64][]chat.Scope{}
	for i := 0; i < len(es); {
		n := i
		for n < len(es) && es[n].Scope == es[i].Scope {
			n++
		}
		by[int64(n-i)] = append(by[int64(n-i)], es[i].Scope)
		i = n
	}
	out := make([]delta, 0, len(by))
	for n, scopes := range by {
		out = append(out, delta{n, scopes})
	}
	slices.SortFunc(out, func(x, y delta) int { return cmp.Compare(x.by, y.by) })
	return out
}

func (b *batch) keys(ctx context.Context, es []queue.Entry) error {
	var rows []db.InsertIdempotencyKeysRow
	for i := range es {
		if e := &es[i]; e.Idempotency.Given {
			rows = append(rows, db.InsertIdempotencyKeysRow{
				ApplicationID: e.Scope.Application, KeyHash: e.Idempotency.Key[:], PayloadHash: e.Idempotency.Payload[:],
				Answer: e.Number, CreatedAt: e.CreatedAt,
			})
		}
	}
	var known []db.InsertIdempotencyKeysRow
	insert := func(rows []db.InsertIdempotencyKeysRow) error { return b.q.InsertIdempotencyKeys(ctx, rows) }
	if err := bisect(rows, insert, func(i int, _ error) { known = append(known, rows[i]) }, 0); err != nil {
		return err
	}
	for _, r := range known {
		b.step("flush.known")
		n, err := b.q.RenewIdempotencyKey(ctx, db.RenewIdempotencyKeyParams{
			PayloadHash: r.PayloadHash, Answer: r.Answer, CreatedAt: r.CreatedAt,
			ApplicationID: r.ApplicationID, KeyHash: r.KeyHash, Before: r.CreatedAt.Add(-keyLife),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			b.doubled = append(b.doubled, r)
		}
	}
	return nil
}

// keyLife is a little less than how long Redis keeps a key: what is older here was rightly given anew.
const keyLife = 23 * time.Hour

func chunks[T any](all []T, size int) [][]T { return slices.Collect(slices.Chunk(all, size)) }

// report tells what was stored and what became a dead letter, after the commit.
func (b *batch) report(es []queue.Entry) {
	b.f.metrics.stored(es, b.dead)
	for _, r := range b.doubled {
		b.f.metrics.broken.Inc()
		b.f.Log.Error("an Idempotency-Key was accepted twice: a promise is broken", "partition", b.p, "application", r.ApplicationID, "number", r.Answer)
	}
	for i := range b.dead {
		d := &b.dead[i]
		b.f.metrics.lettered.WithLabelValues(db.SinkDatabase, d.why).Inc()
		log := ofEntry(b.f.Log, d.Trace).With("partition", b.p, "application", d.Scope.Application, "chat", d.Scope.Chat, "number", d.Number,
			"reason", brief(d.reason))
		if d.why == whyDuplicate {
			b.f.metrics.broken.Inc()
			log.Error("a number was to be stored twice: a promise is broken")
		} else {
			log.Warn("a write became a dead letter")
		}
	}
}
