package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/internal/enginetest"
)

const partitions = 4

// engine is a migrated, empty database of one kind.
type engine struct {
	*db.DB
	sqlite bool
	raw    *sql.DB // what a test does behind the generated queries' back
	again  func(t *testing.T) *db.DB
}

// onEach runs a test of what all engines must do alike: on SQLite, and on MySQL or MariaDB.
func onEach(t *testing.T, test func(t *testing.T, e *engine)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, migrated(t, onSQLite(t)))
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		test(t, migrated(t, onServer(t, enginetest.SharedMySQL(t))))
	})
}

func onSQLite(t *testing.T) *engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.db")
	again := func(t *testing.T) *db.DB {
		t.Helper()
		d, err := db.OpenSQLite(t.Context(), path)
		return closed(t, d, err)
	}
	return &engine{again(t), true, rawPool(t, "sqlite", "file:"+path), again}
}

func onServer(t *testing.T, dsn string) *engine {
	t.Helper()
	again := func(t *testing.T) *db.DB { t.Helper(); return open(t, db.Config{DSN: dsn, Pool: 4}) }
	return &engine{again(t), false, rawPool(t, "mysql", dsn), again}
}

func open(t *testing.T, c db.Config) *db.DB {
	t.Helper()
	d, err := db.Open(c)
	return closed(t, d, err)
}

func closed(t *testing.T, d *db.DB, err error) *db.DB {
	t.Helper()
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func rawPool(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	pool, err := sql.Open(driver, dsn)
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func migrated(t *testing.T, e *engine) *engine {
	t.Helper()
	must(t, e.Migrate(t.Context(), partitions, logger(t)))
	return e
}

// exec runs a statement that the service has no query for.
func (e *engine) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	_, err := e.raw.ExecContext(t.Context(), query, args...)
	must(t, err)
}

type logTo struct{ t *testing.T }

func (l logTo) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func logger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(logTo{t}, nil)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same compares what can be compared with ==.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, not %v", what, got, want)
	}
}

// sameList compares lists by how they print; a nil one is empty.
func sameList[T any](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: %s, not %s", what, g, w)
	}
}

// counted fails unless a statement changed as many rows.
func counted(t *testing.T, want int64) func(int64, error) {
	return func(n int64, err error) {
		t.Helper()
		must(t, err)
		same(t, "rows changed", n, want)
	}
}

// begun is a time, in microseconds as they are stored; at(n) lies n microseconds after it.
var begun = time.Date(2026, 2, 28, 23, 59, 59, 999_990_000, time.UTC)

func at(n int) time.Time { return begun.Add(time.Duration(n) * time.Microsecond) }

func addApplication(t *testing.T, q *db.Queries, id int64, created time.Time) {
	t.Helper()
	must(t, q.InsertApplication(t.Context(), db.InsertApplicationParams{
		ID: id, Token: fmt.Sprint("token", id), Name: fmt.Sprint("name", id), CreatedAt: created, UpdatedAt: created,
	}))
}

func addChat(ctx context.Context, q *db.Queries, app, number int64) error {
	return q.InsertChat(ctx, db.InsertChatParams{ApplicationID: app, Number: number, Version: number, CreatedAt: at(0), UpdatedAt: at(0)})
}

func addMessage(ctx context.Context, q *db.Queries, app, chat, number int64) error {
	return q.InsertMessage(ctx, db.InsertMessageParams{
		ApplicationID: app, ChatNumber: chat, Number: number, Body: "body", Version: number, CreatedAt: at(0), UpdatedAt: at(0),
	})
}

// letter is an open dead letter of the database's sink; the caller changes what differs.
func letter(kind string, version, app, chat, number int64) db.InsertDeadLetterParams {
	return db.InsertDeadLetterParams{
		PartitionID: 1, Version: version, Sink: db.SinkDatabase, Kind: kind, ApplicationID: app, ChatNumber: chat, Number: number,
		Payload: []byte("{}"), Reason: "refused", State: "open", CreatedAt: at(0),
	}
}

// whileLocked runs lock and then held in one transaction; meanwhile other begins in a transaction of its own, which must
// not get further than its first statement before the former has committed.
func (e *engine) whileLocked(t *testing.T, lock, other, held func(*db.Queries) error) {
	t.Helper()
	second := e.again(t)
	done := make(chan error, 1)
	must(t, e.WithTx(t.Context(), func(q *db.Queries) error {
		if err := lock(q); err != nil {
			return err
		}
		go func() { done <- second.WithTx(t.Context(), other) }()
		if !e.sqlite {
			e.untilOneWaits(t)
		}
		if len(done) > 0 {
			t.Fatal("it was not held off")
		}
		return held(q)
	}))
	must(t, <-done)
}

// untilOneWaits returns when a statement has run for a while, which it does where it waits for a lock: servers tell of locks
// from a copy that is renewed when nobody asks. On SQLite, where a whole transaction waits, nothing tells at all.
func (e *engine) untilOneWaits(t *testing.T) {
	t.Helper()
	seen, last := 0, ""
	until(t, "a statement waits for a lock", func() bool {
		var now string
		must(t, e.raw.QueryRowContext(t.Context(), `SELECT COALESCE(MAX(CONCAT(id, info)), '') FROM information_schema.processlist
			WHERE db = DATABASE() AND command = 'Query' AND id <> CONNECTION_ID()`).Scan(&now))
		if seen++; now == "" || now != last {
			seen, last = 0, now
		}
		return seen == 10
	})
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}
