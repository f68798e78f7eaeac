package flusher

import (
	"log/slog"
	"path/filepath"
	"testing"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/localredis"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

// What was written before its worker knew that the partition is open has rung the bell already, and waits for no other.
func TestAWorkerThatOpensAPartitionStoresWhatItHolds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, err := db.OpenSQLite(ctx, filepath.Join(t.TempDir(), "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(ctx, 1, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r, err := localredis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	client := queue.ConnectEmbedded(r.Dial)
	t.Cleanup(func() { _ = client.Close() })
	ledger := store.Ledger{DB: d}
	q := queue.New(queue.Config{Partitions: 1, MaxEntries: 1000, Log: slog.New(slog.DiscardHandler)}, client, ledger)
	f := New(Config{Partitions: 1, Log: slog.New(slog.DiscardHandler)}, d, q, ledger)
	w := f.workers[0]
	if next, err := w.step(ctx); err != nil || next != idle {
		t.Fatalf("nobody has written anything: it waits %v, %v", next, err)
	}

	s := store.New(d, q, nil, true)
	a, _, err := s.CreateApplication(ctx, "an application", chat.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreateChat(ctx, a.Token, chat.Idempotency{}); err != nil { // which opens it
		t.Fatal(err)
	}
	if _, err := w.step(ctx); err != nil {
		t.Fatal(err)
	}
	ds, err := q.Depths(ctx, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := ledger.Cursor(ctx, 0); err != nil || c.Position.Version != ds[0].Last || ds[0].Last == 0 {
		t.Errorf("one step later the cursor is at %v, the stream's end at %v: %v", c.Position.Version, ds[0].Last, err)
	}
}
