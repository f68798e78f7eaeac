//go:build failpoint

package flusher_test

import (
	"sync"
	"testing"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// A restore is paused until its closing is overdue; the partition is opened anew, and a number that it was about to store
// is given to a write that nobody has flushed yet.
func TestARestoreThatWakesTooLateIsFencedByTheGeneration(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.flush()
	b.post(app, c, "lost")
	kept := b.backup()
	b.lose()
	row, err := b.db.ApplicationByToken(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	p := b.queue.Partition(chat.Scope{Application: row.ID, Chat: c})
	stop := b.start()
	late := sync.OnceFunc(func() {
		stop()
		cur, err := b.ledger().Cursor(t.Context(), p)
		if err == nil {
			_, err = b.queue.Open(t.Context(), p, cur.Generation, queue.Stale{Replid: cur.Replid, Generation: cur.Generation, Opened: true})
		}
		if err != nil {
			t.Error(err)
		}
		if n := b.post(app, c, "new"); n != 1 {
			t.Errorf("message %d", n)
		}
	})
	t.Cleanup(failpoint.Set(b.queue, "restore.drained", late))
	closings := 0
	t.Cleanup(failpoint.Set(b.queue, "restore.closed", func() {
		if closings++; closings == 2 {
			stop = b.start()
		}
	}))
	got, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(t.Context(), kept, false)
	if err != nil || got.Stored != 0 || got.DeadLettered != 1 || closings != 2 {
		t.Errorf("%+v, %v; closed %d times", got, err, closings)
	}
	b.drained()
	stop()
	b.reads(app, c, "new")
	for _, l := range b.letters(flusher.StateOpen) {
		if l.Sink != db.SinkRestore {
			t.Errorf("dead letter %v", l)
		}
	}
}
