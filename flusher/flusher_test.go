package flusher_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/localredis"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

// bundle is a whole service but for HTTP and search.
type bundle struct {
	t      *testing.T
	db     *db.DB
	queue  *queue.Queue
	store  *store.Store
	config flusher.Config
	local  bool
	exec   func(query string)
}

const partitions = 4

// onEach runs a test on SQLite with the embedded Redis and on a real database with a real Redis.
func onEach(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "chat.db")
		d, err := db.OpenSQLite(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := localredis.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		b := newBundle(t, d, queue.ConnectEmbedded(r.Dial), false)
		b.local, b.exec = true, statements(t, "sqlite", "file:"+path)
		test(t, b)
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		b := onServers(t, enginetest.SharedMySQL(t), enginetest.Redis(t).URL)
		test(t, b)
	})
}

func onServers(t *testing.T, dsn, redis string) *bundle {
	t.Helper()
	d, err := db.Open(db.Config{DSN: dsn, Pool: 20})
	if err != nil {
		t.Fatal(err)
	}
	client, err := queue.Connect(redis, func() {})
	if err != nil {
		t.Fatal(err)
	}
	b := newBundle(t, d, client, true)
	b.exec = statements(t, "mysql", dsn)
	return b
}

func newBundle(t *testing.T, d *db.DB, client *queue.Client, shebang bool) *bundle {
	t.Cleanup(func() { _ = d.Close(); _ = client.Close() })
	log := slog.New(slog.NewTextHandler(logTo{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := d.Migrate(t.Context(), partitions, log); err != nil {
		t.Fatal(err)
	}
	q := queue.New(queue.Config{Partitions: partitions, MaxEntries: 1_000_000, Shebang: shebang, Log: log}, client, store.Ledger{DB: d})
	return &bundle{t, d, q, store.New(d, q, nil, true), flusher.Config{
		Partitions: partitions, ChatThreshold: 1000, MessageThreshold: 1000, MaxWait: 5 * time.Millisecond,
		Retention: time.Minute, Writers: 2, Log: log,
	}, false, nil}
}

// statements runs what a test does to the database behind the service's back.
func statements(t *testing.T, driver, dsn string) func(string) {
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return func(q string) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bundle) ledger() store.Ledger { return store.Ledger{DB: b.db} }

type logTo struct{ t *testing.T }

func (l logTo) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// flush runs a flusher until everything that is accepted is stored.
func (b *bundle) flush() {
	b.t.Helper()
	stop := b.start()
	defer stop()
	b.drained()
}

// start runs a flusher until stop is called, or the test ends.
func (b *bundle) start() (stop func()) {
	return b.runFlusher(flusher.New(b.config, b.db, b.queue, b.ledger()))
}

func (b *bundle) runFlusher(f *flusher.Flusher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	b.t.Cleanup(stop)
	return stop
}

// drained waits until the cursor of every partition is at the end of its stream.
func (b *bundle) drained() {
	b.t.Helper()
	b.until("the queue is drained", func() bool {
		cursors, err := b.db.Cursors(b.t.Context(), db.SinkDatabase)
		if err != nil {
			return false
		}
		depths, err := b.queue.Depths(b.t.Context(), []int{0, 1, 2, 3})
		for i, c := range cursors {
			if err != nil || int64(depths[i].Last) > c.Position {
				return false
			}
		}
		return true
	})
}

func (b *bundle) until(what string, f func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if <-tick.C; time.Now().After(deadline) {
			b.t.Fatalf("not within two minutes: %s", what)
		}
	}
}

func (b *bundle) app() string {
	b.t.Helper()
	a, _, err := b.store.CreateApplication(b.t.Context(), "an application", chat.Idempotency{})
	if err != nil {
		b.t.Fatal(err)
	}
	return a.Token
}

func (b *bundle) chat(app string) int64 {
	b.t.Helper()
	n, _, err := b.store.CreateChat(b.t.Context(), app, chat.Idempotency{})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) post(app string, c int64, body string) int64 {
	b.t.Helper()
	n, _, err := b.store.CreateMessage(b.t.Context(), app, c, body, chat.Idempotency{})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) bodies(app string, c int64) []string {
	b.t.Helper()
	l, err := b.store.Messages(b.t.Context(), app, c, chat.Page{Limit: 200})
	if err != nil {
		b.t.Fatal(err)
	}
	var bodies []string
	for i, m := range l.Items {
		if m.Number != int64(i+1) {
			b.t.Fatalf("message %d at place %d", m.Number, i+1)
		}
		bodies = append(bodies, m.Body)
	}
	return bodies
}

func TestWritesAreReadBeforeAndAfterTheFlush(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "one")
		b.post(app, c, "two\x00\U0001F600")
		edited, err := b.store.EditMessage(t.Context(), app, c, 1, "one, edited")
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			if got := fmt.Sprint(b.bodies(app, c)); got != fmt.Sprint([]string{"one, edited", "two\x00\U0001F600"}) {
				t.Fatalf("%s: %q", when, got)
			}
			m, err := b.store.Message(t.Context(), app, c, 1)
			if err != nil || m != edited {
				t.Fatalf("%s: %+v, want %+v: %v", when, m, edited, err)
			}
			ch, err := b.store.Chat(t.Context(), app, c)
			if err != nil || ch.MessagesCount != 2 {
				t.Fatalf("%s: %+v, %v", when, ch, err)
			}
			a, err := b.store.Application(t.Context(), app)
			if err != nil || a.ChatsCount != 1 {
				t.Fatalf("%s: %+v, %v", when, a, err)
			}
		}
		check("before the flush")
		b.flush()
		check("after the flush")
		v, err := b.queue.Views(t.Context(), chat.Scope{Application: edited.ApplicationID, Chat: c}, []int64{1, 2})
		if err != nil || v.Pending[0] != nil || v.Pending[1] != nil {
			t.Fatalf("the flush left pending behind: %+v, %v", v, err)
		}
		if b.post(app, c, "three") != 3 {
			t.Fatal("numbers do not go on")
		}
		b.flush()
		if got := b.bodies(app, c); len(got) != 3 {
			t.Fatalf("%q", got)
		}
	})
}

func TestTwoFlushersStoreEverythingOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		stopA, stopB := b.start(), b.start()
		const chats, each = 6, 40
		var wg sync.WaitGroup
		for range chats {
			wg.Go(func() {
				c, _, err := b.store.CreateChat(t.Context(), app, chat.Idempotency{})
				if err != nil {
					t.Error(err)
					return
				}
				for i := range each {
					n, _, err := b.store.CreateMessage(t.Context(), app, c, fmt.Sprint(i), chat.Idempotency{})
					if err != nil || n != int64(i+1) {
						t.Errorf("message %d got %d: %v", i+1, n, err)
						return
					}
					if m, err := b.store.Message(t.Context(), app, c, n); err != nil || m.Body != fmt.Sprint(i) {
						t.Errorf("message %d reads %+v: %v", n, m, err)
					}
				}
			})
		}
		wg.Wait()
		b.drained()
		stopA()
		stopB()
		l, err := b.store.Chats(t.Context(), app, chat.Page{Limit: 50})
		if err != nil || len(l.Items) != chats {
			t.Fatalf("%+v, %v", l, err)
		}
		rows, err := b.db.ChatsAfter(t.Context(), db.ChatsAfterParams{ApplicationID: l.Items[0].ApplicationID, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.MessagesCount != each {
				t.Errorf("the row of chat %d counts %d", r.Number, r.MessagesCount)
			}
			if got := b.bodies(app, r.Number); len(got) != each {
				t.Errorf("chat %d has %d messages", r.Number, len(got))
			}
		}
		if dead, err := b.db.CountDeadLetters(t.Context()); err != nil || len(dead) > 0 {
			t.Fatalf("dead letters: %+v, %v", dead, err)
		}
	})
}
