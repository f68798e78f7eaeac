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

// openAnew opens a partition in a new generation.
func (b *restoring) openAnew(p int) {
	b.t.Helper()
	cur, err := b.ledger().Cursor(b.t.Context(), p)
	if err == nil {
		_, err = b.queue.Open(b.t.Context(), p, cur.Generation, queue.Stale{Replid: cur.Replid, Generation: cur.Generation, Opened: true})
	}
	if err != nil {
		b.t.Error(err)
	}
}

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
	stop, woke := b.start(), false
	late := sync.OnceFunc(func() {
		stop()
		b.openAnew(p)
		woke = true
		if n := b.post(app, c, "new"); n != 1 {
			t.Errorf("message %d", n)
		}
	})
	t.Cleanup(failpoint.Set(b.queue, "restore.drained", late))
	closings := 0
	t.Cleanup(failpoint.Set(b.queue, "restore.closed", func() {
		if !woke { // else a flusher had opened it at the same time
			return
		}
		if closings++; closings == 1 {
			stop = b.start()
		}
	}))
	got, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(t.Context(), kept, false)
	if err != nil || got.Stored != 0 || got.DeadLettered != 1 || closings != 1 {
		t.Errorf("%+v, %v; closed %d times after that", got, err, closings)
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

// More than one transaction takes, each of which builds on what the ones before it store; a dry run says the same. Somebody
// opens the partition between two of them: it is closed again for the others.
func TestARestoreOfMoreThanATransactionTakes(t *testing.T) {
	t.Parallel()
	const messages = 7000
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.flush()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range messages / 100 {
				if _, _, err := b.store.CreateMessage(t.Context(), app, c, "queued", chat.Idempotency{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, n := range []int64{2, 2, messages} {
		if _, err := b.store.EditMessage(t.Context(), app, c, n, "edited"); err != nil {
			t.Fatal(err)
		}
	}
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()
	dry, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(t.Context(), kept, true)
	if want := (flusher.Restored{DryRun: true, AlreadyStored: 1, Stored: messages + 3}); err != nil || dry != want {
		t.Errorf("a dry run says %+v, and not %+v: %v", dry, want, err)
	}
	row, err := b.db.ApplicationByToken(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	p := b.queue.Partition(chat.Scope{Application: row.ID, Chat: c})
	closings := 0
	t.Cleanup(failpoint.Set(b.queue, "restore.closed", func() { closings++ }))
	t.Cleanup(failpoint.Set(b.queue, "restore.stored", sync.OnceFunc(func() { b.openAnew(p) })))
	b.restore(kept, flusher.Restored{AlreadyStored: 1, Stored: messages + 3})
	if closings < 2 {
		t.Errorf("the partition was closed %d times", closings)
	}
	b.restore(kept, flusher.Restored{AlreadyStored: messages + 4})
	if n := b.post(app, c, "next"); n != messages+1 {
		t.Errorf("the next message is %d", n)
	}
	if l := b.letters(flusher.StateOpen); len(l) > 0 {
		t.Errorf("dead letters %v", l)
	}
}
