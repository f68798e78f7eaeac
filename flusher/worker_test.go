package flusher

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/localredis"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

// emptyOne gives a flusher of one partition, a store that writes to it, and what cuts both off from Redis.
func emptyOne(t *testing.T) (f *Flusher, s *store.Store, away func()) {
	t.Helper()
	d, err := db.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	log := slog.New(slog.DiscardHandler)
	if err := d.Migrate(t.Context(), 1, log); err != nil {
		t.Fatal(err)
	}
	r, err := localredis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	client := queue.ConnectEmbedded(r.Dial)
	away = func() { _ = client.Close() }
	t.Cleanup(away)
	ledger := store.Ledger{DB: d}
	q := queue.New(queue.Config{Partitions: 1, MaxEntries: 1000, Log: log}, client, ledger)
	return New(Config{Partitions: 1, Log: log}, d, q, ledger), store.New(d, q, nil, true), away
}

// What was written before its worker knew that the partition is open has rung the bell already, and waits for no other.
func TestAWorkerThatOpensAPartitionStoresWhatItHolds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f, s, _ := emptyOne(t)
	w := f.workers[0]
	if next, err := w.step(ctx); err != nil || next != idle {
		t.Fatalf("nobody has written anything: it waits %v, %v", next, err)
	}
	a, _, err := s.CreateApplication(ctx, "an application", chat.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreateChat(ctx, a.Token, chat.Idempotency{}); err != nil { // which opens it
		t.Fatal(err)
	}
	for opened := true; opened; opened = w.cur.Position.Version == 0 {
		if next, err := w.step(ctx); err != nil || next == idle {
			t.Fatalf("it waits %v, %v", next, err)
		}
	}
	ds, err := f.queue.Depths(ctx, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := f.ledger.Cursor(ctx, 0); err != nil || c.Position.Version != ds[0].Last || ds[0].Last == 0 {
		t.Errorf("the cursor is at %v, the stream's end at %v: %v", c.Position.Version, ds[0].Last, err)
	}
}

// Where a node of Redis is away it is not known what is new on the others: their workers look for themselves.
func TestAWorkerLooksWhereTheStreamsCannotBeAsked(t *testing.T) {
	t.Parallel()
	f, _, away := emptyOne(t)
	f.workers[0].leads.Store(true)
	away()
	ctx, cancel := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() { f.watch(ctx, make(chan struct{}, 1)) })
	defer watch.Wait()
	defer cancel()
	select {
	case <-f.workers[0].bell:
	case <-time.After(time.Minute):
		t.Error("no bell within a minute")
	}
}
