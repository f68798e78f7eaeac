package flusher_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

func TestChatsWhoseCreationWasLostGetARowUnlessRedisStillHoldsThem(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		for _, c := range []int64{2, 4} {
			err := b.db.InsertMessage(t.Context(), db.InsertMessageParams{
				ApplicationID: row.ID, ChatNumber: c, Number: 1, Body: "x", Version: 1, CreatedAt: now, UpdatedAt: now,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		scope := chat.Scope{Application: row.ID}
		counts := func(pending int64) string {
			t.Helper()
			n, _, err := b.ledger().LastNumber(t.Context(), b.queue.Partition(scope), scope, pending)
			if err != nil || n != 4 {
				t.Fatalf("last number %d, %v", n, err)
			}
			rows, err := b.db.ChatsAfter(t.Context(), db.ChatsAfterParams{ApplicationID: row.ID, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, r := range rows {
				out = append(out, fmt.Sprintf("%d:%d", r.Number, r.MessagesCount))
			}
			return fmt.Sprint(out)
		}
		if got := counts(4); got != "[]" {
			t.Fatalf("Redis holds them, and yet: %s", got)
		}
		if got := counts(0); got != "[1:0 2:1 3:0 4:1]" {
			t.Fatalf("%s", got)
		}
		if got := counts(0); got != "[1:0 2:1 3:0 4:1]" {
			t.Fatalf("a second time: %s", got)
		}
		if a, err := b.store.Application(t.Context(), app); err != nil || a.ChatsCount != 4 {
			t.Fatalf("%+v, %v", a, err)
		}
		if n := b.chat(app); n != 5 {
			t.Fatalf("the next chat is %d", n)
		}
	})
}

func TestAKeyThatExpiredIsUsedAnew(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		key := chat.Idempotency{Key: [16]byte{1}, Payload: [16]byte{2}, Given: true}
		err = b.db.InsertIdempotencyKey(t.Context(), db.InsertIdempotencyKeyParams{
			ApplicationID: row.ID, KeyHash: key.Key[:], PayloadHash: key.Payload[:], Answer: 99, CreatedAt: time.Now().UTC().Add(-24*time.Hour - time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		n, replayed, err := b.store.CreateMessage(t.Context(), app, c, "x", key)
		if err != nil || replayed || n != 1 {
			t.Fatalf("%d, %v, %v", n, replayed, err)
		}
		b.flush()
		stored, err := b.db.IdempotencyKey(t.Context(), db.IdempotencyKeyParams{ApplicationID: row.ID, KeyHash: key.Key[:]})
		if err != nil || stored.Answer != 1 {
			t.Fatalf("%+v, %v", stored, err)
		}
		if got := b.bodies(app, c); len(got) != 1 {
			t.Fatalf("%q", got)
		}
	})
}

func TestWhatIsQueuedInAnOlderGenerationIsFencedOut(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "one")
		b.flush()
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		p := b.queue.Partition(chat.Scope{Application: row.ID, Chat: c})
		cur, err := b.ledger().Cursor(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if _, won, err := b.ledger().NextGeneration(t.Context(), p, cur.Generation, 0, "another"); err != nil || !won {
			t.Fatal(won, err)
		}
		if _, won, err := b.ledger().NextGeneration(t.Context(), p, cur.Generation, 0, "another"); err != nil || won {
			t.Fatal("the same generation was left twice", err)
		}
		moved, err := b.db.AdvanceCursor(t.Context(), db.AdvanceCursorParams{
			Position: int64(cur.Position.Version) + 1, PartitionID: int32(p), OldPosition: int64(cur.Position.Version), Gen: cur.Generation,
		})
		if err != nil || moved != 0 {
			t.Fatalf("a flusher of the older generation moved the cursor: %d, %v", moved, err)
		}
	})
}

// olderFile lets Redis come back as what it is now: everything in it, under another replid.
func olderFile(t *testing.T, url string) (comeBack func()) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	keys, err := rdb.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, k := range keys {
		if kept[k], err = rdb.Dump(t.Context(), k).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		pipe := rdb.TxPipeline()
		pipe.FlushAll(t.Context())
		for k, v := range kept {
			pipe.Restore(t.Context(), k, 0, v)
		}
		pipe.Do(t.Context(), "debug", "change-repl-id")
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARedisThatCameBackWithoutItsEndIsOpenedThoughNobodyWrites(t *testing.T) {
	t.Parallel()
	url := enginetest.Redis(t).URL
	b := onServers(t, enginetest.SharedMySQL(t), url)
	index := openIndex(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "apples")
	stop := b.startWithSearch(index, 1_000_000)
	b.until("the first message is found", func() bool { return b.hits(index, app, c, "apples") == 1 })
	b.drained()
	stop()

	comeBack := olderFile(t, url)
	index.away.Store(true)
	b.post(app, c, "pears")
	stop = b.startWithSearch(index, 1_000_000)
	b.drained()
	stop()
	comeBack()
	index.away.Store(false)
	defer b.startWithSearch(index, 1_000_000)()
	b.until("what is stored and not in the stream is found", func() bool { return b.hits(index, app, c, "pears") == 1 })
	if n := b.post(app, c, "plums"); n != 3 {
		t.Fatalf("the next number is %d", n)
	}
	b.until("the index follows again", func() bool { return b.hits(index, app, c, "plums") == 1 })
}

// The stream of an older file may follow on the sink's position with writes that were lost since, and whose versions lie
// below what is stored by now.
func TestSearchReadsNothingOfARedisThatIsNotOpenInTheDatabasesGeneration(t *testing.T) {
	t.Parallel()
	url := enginetest.Redis(t).URL
	b := onServers(t, enginetest.SharedMySQL(t), url)
	index := openIndex(t)
	app := b.app()
	row, err := b.db.ApplicationByToken(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	partition := func(c int64) int { return b.queue.Partition(chat.Scope{Application: row.ID, Chat: c}) }
	c := b.chat(app)
	for partition(c) == b.queue.Partition(chat.Scope{Application: row.ID}) {
		c = b.chat(app)
	}
	other := b.chat(app)
	for partition(other) == partition(c) {
		other = b.chat(app)
	}
	b.post(app, c, "apples")
	stop := b.startWithSearch(index, 1_000_000)
	b.until("the sink stands at the first message", func() bool {
		sink, err := b.db.Cursor(t.Context(), db.CursorParams{PartitionID: int32(partition(c)), Sink: "index"})
		return err == nil && sink.State == db.StateFollow && sink.Position > 0 && b.hits(index, app, c, "apples") == 1
	})
	b.drained() // the chats, which are the application's partition's, too
	stop()

	b.post(app, c, "lost") // accepted, and not stored
	comeBack := olderFile(t, url)
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if n := b.post(app, c, "plums"); n != 2 {
		t.Fatalf("the number after a loss: %d", n)
	}
	b.flush()

	locked, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { // nobody opens the partition
		ended <- b.db.WithTx(context.Background(), func(q *db.Queries) error {
			p := int32(partition(c))
			cur, err := q.Cursor(context.Background(), db.CursorParams{PartitionID: p, Sink: db.SinkDatabase})
			if err == nil {
				_, err = q.LockCursor(context.Background(), db.LockCursorParams{PartitionID: p, Gen: cur.Gen})
			}
			close(locked)
			<-release
			return err
		})
	}()
	<-locked
	comeBack()
	defer b.startWithSearch(index, 1_000_000)()
	b.until("the other partition is open", func() bool {
		_, _, err := b.store.CreateMessage(t.Context(), app, other, "a sign", chat.Idempotency{})
		return err == nil
	})
	b.until("the sink has read every stream", func() bool { return b.hits(index, app, other, "sign") > 0 })
	if b.hits(index, app, c, "lost") > 0 {
		t.Error("what was never stored is found")
	}
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.until("what is stored is found", func() bool { return b.hits(index, app, c, "plums") == 1 })
}
