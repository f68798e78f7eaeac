//go:build failpoint

package steps

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/enginetest"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

const patience = 30 * time.Second // for whatever must happen, on a loaded machine

// world is the engines of one test.
type world struct {
	t          *testing.T
	partitions int
	redis      *enginetest.RedisServer
	rdb        *redis.Client // behind the service's back, as is the pool
	pool       *sql.DB
	dsn        *mysql.Config
	database   *wire // of the pod that is stopped
	queue      *wire
	since      map[string]time.Time // when a session was first seen at its statement
}

func newWorld(t *testing.T, partitions int) *world {
	t.Helper()
	w := &world{t: t, partitions: partitions, redis: enginetest.Redis(t, "--stream-node-max-entries", "1")}
	dsn, err := mysql.ParseDSN(enginetest.SharedMySQL(t))
	if err != nil {
		t.Fatal(err)
	}
	w.dsn = dsn
	w.database = newWire(t, dsn.Addr, flushQuery)
	w.queue = newWire(t, w.redis.Addr, redisCommand)
	w.rdb = redis.NewClient(&redis.Options{Addr: w.redis.Addr, Protocol: 2})
	if w.pool, err = sql.Open("mysql", dsn.FormatDSN()); err != nil {
		t.Fatal(err)
	}
	w.pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = w.rdb.Close(); _ = w.pool.Close() })
	d, err := db.Open(db.Config{DSN: dsn.FormatDSN(), Pool: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(t.Context(), partitions, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return w
}

// reset makes the engines as they were at first.
func (w *world) reset(t *testing.T) {
	t.Helper()
	w.database.disarm()
	w.queue.disarm()
	for _, q := range []string{
		"DELETE FROM applications", "DELETE FROM chats", "DELETE FROM messages", "DELETE FROM dead_letters", "DELETE FROM idempotency_keys",
		"DELETE FROM flush_cursors WHERE sink <> 'mysql'", "UPDATE flush_cursors SET position = 0, position_gen = 0, gen = 0, replid = ''",
	} {
		w.exec(t, q)
	}
	if err := w.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) exec(t *testing.T, q string, args ...any) {
	t.Helper()
	if _, err := w.pool.ExecContext(t.Context(), q, args...); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// rows reads a table as text.
func (w *world) rows(t *testing.T, q string, args ...any) [][]string {
	t.Helper()
	rows, err := w.pool.QueryContext(t.Context(), q, args...)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(names))
		for i, v := range values {
			row[i] = v.String
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// sessions are the connections to the test's database, but for its own, and what each does.
func (w *world) sessions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	own := w.rows(t, "SELECT CONNECTION_ID()")[0][0]
	for _, r := range w.rows(t, "SHOW PROCESSLIST") {
		if r[3] != w.dsn.DBName || r[0] == own {
			continue
		}
		all[r[0]] = ""
		if r[4] == "Query" {
			all[r[0]] = r[7]
		}
	}
	return all
}

// waits is how long a statement must take to be one that waits for a lock. InnoDB's own list of those is stale while
// several ask for it.
const waits = 150 * time.Millisecond

// blocked says that somebody waits for a lock.
func (w *world) blocked(t *testing.T) bool {
	t.Helper()
	now, since := time.Now(), map[string]time.Time{}
	waiting := false
	for id, statement := range w.sessions(t) {
		if statement == "" {
			continue
		}
		at := id + " " + statement
		if since[at] = w.since[at]; since[at].IsZero() {
			since[at] = now
		}
		waiting = waiting || now.Sub(since[at]) > waits
	}
	w.since = since
	return waiting
}

// pod is a process of the service: what it accepts and reads with, and a flusher.
type pod struct {
	db      *db.DB
	client  *queue.Client
	queue   *queue.Queue
	store   *store.Store
	flusher *flusher.Flusher
	stop    func() // ends the flusher
	running atomic.Bool
}

// newPod connects a pod; one that is to be stopped is connected by the wires.
func (w *world) newPod(t *testing.T, name string, wired bool, index flusher.Indexes) *pod {
	t.Helper()
	dsn, addr := w.dsn.Clone(), w.redis.Addr
	if wired {
		dsn.Addr, addr = w.database.addr(), w.queue.addr()
	}
	d, err := db.Open(db.Config{DSN: dsn.FormatDSN(), Pool: 8})
	if err != nil {
		t.Fatal(err)
	}
	client, err := queue.Connect("redis://"+addr+"/0", func() {})
	if err != nil {
		t.Fatal(err)
	}
	lines := &logTo{t: t}
	t.Cleanup(func() { lines.ended.Store(true) }) // what died in the test may still speak
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelInfo})).With("pod", name)
	ledger := store.Ledger{DB: d}
	q := queue.New(queue.Config{Partitions: w.partitions, MaxEntries: 1_000_000, Shebang: true, Log: log}, client, ledger)
	p := &pod{db: d, client: client, queue: q, store: store.New(d, q, nil, true), stop: func() {}}
	p.flusher = flusher.New(flusher.Config{
		Partitions: w.partitions, ChatThreshold: 1000, MessageThreshold: 1000, MaxWait: time.Millisecond, Writers: 2, Closing: 300 * time.Millisecond, Log: log,
	}, d, q, ledger)
	if index != nil {
		p.flusher.Search(index, 1_000_000)
	}
	t.Cleanup(func() {
		p.stop()
		_ = d.Close()
		_ = client.Close()
	})
	return p
}

// flush lets the pod's flusher run until stop.
func (p *pod) flush() {
	if !p.running.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.flusher.Run(ctx)
	}()
	p.stop = func() {
		cancel()
		<-done
		p.running.Store(false)
	}
}

type logTo struct {
	t     *testing.T
	ended atomic.Bool
}

func (l *logTo) Write(b []byte) (int, error) {
	if !l.ended.Load() {
		l.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// until polls a condition.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
