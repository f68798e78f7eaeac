package db_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-system/db"
	"chat-system/internal/enginetest"
)

// refusedRows are rows that strict mode refuses. Each is inserted behind a good row, in one statement.
func refusedRows(q *db.Queries) map[string]func(context.Context) error {
	messages := func(change func(*db.InsertMessagesRow)) func(context.Context) error {
		return func(ctx context.Context) error {
			rows := many(2, messageRow)
			change(&rows[1])
			return q.InsertMessages(ctx, rows)
		}
	}
	return map[string]func(context.Context) error{
		"a body of 65,536 bytes":         messages(func(r *db.InsertMessagesRow) { r.Body = strings.Repeat("x", 65_536) }),
		"a body too long in bytes alone": messages(func(r *db.InsertMessagesRow) { r.Body = strings.Repeat("é", 32_768) }),
		"a body that is no UTF-8":        messages(func(r *db.InsertMessagesRow) { r.Body = "a\xff" }),
		"a body with half a character":   messages(func(r *db.InsertMessagesRow) { r.Body = "\xf0\x9f\x98" }),
		"the date 0000-00-00":            messages(func(r *db.InsertMessagesRow) { r.CreatedAt = time.Time{} }),
		"a key of 17 bytes": func(ctx context.Context) error {
			rows := many(2, keyRow)
			rows[1].KeyHash = make([]byte, 17)
			return q.InsertIdempotencyKeys(ctx, rows)
		},
		"a kind of 17 characters": func(ctx context.Context) error {
			rows := many(2, letterRow)
			rows[1].Kind = strings.Repeat("k", 17)
			return q.InsertDeadLetters(ctx, rows)
		},
		"a sink that is not ASCII": func(ctx context.Context) error {
			rows := many(2, letterRow)
			rows[1].Sink = "é"
			return q.InsertDeadLetters(ctx, rows)
		},
		"a name of 256 characters": func(ctx context.Context) error {
			return q.InsertApplication(ctx, db.InsertApplicationParams{ID: 1, Token: "t", Name: strings.Repeat("😀", 256), CreatedAt: at(0), UpdatedAt: at(0)})
		},
		"a token of 65 characters": func(ctx context.Context) error {
			return q.InsertApplication(ctx, db.InsertApplicationParams{ID: 1, Token: strings.Repeat("t", 65), CreatedAt: at(0), UpdatedAt: at(0)})
		},
	}
}

func TestStrictModeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	e := migrated(t, onServer(t, enginetest.SharedMySQL(t)))
	for what, insert := range refusedRows(e.Queries) {
		if err := insert(t.Context()); !db.IsDataError(err) || db.IsDuplicate(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, addMessage(t.Context(), e.Queries, 1, 1, 7))
	if _, err := e.UpdateMessage(t.Context(), db.UpdateMessageParams{
		Body: strings.Repeat("x", 65_536), Version: 99, UpdatedAt: at(0), ApplicationID: 1, ChatNumber: 1, Number: 7,
	}); !db.IsDataError(err) {
		t.Errorf("an edit of 65,536 bytes: %v", err)
	}
	must(t, e.InsertChat(t.Context(), db.InsertChatParams{ApplicationID: 1, Number: 1, MessagesCount: math.MaxInt64, CreatedAt: at(0), UpdatedAt: at(0)}))
	if _, err := e.AddMessagesCount(t.Context(), db.AddMessagesCountParams{Delta: 1, ApplicationID: 1, Number: 1}); !db.IsDataError(err) {
		t.Errorf("a count beyond 63 bits: %v", err)
	}
	for table, want := range map[string]int{"messages": 1, "idempotency_keys": 0, "dead_letters": 0, "applications": 0} {
		same(t, "rows of "+table, e.count(t, table), want)
	}
}

func TestNoColumnTakesNull(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		rows := many(2, letterRow)
		rows[1].Payload = nil
		if err := e.InsertDeadLetters(t.Context(), rows); !db.IsDataError(err) || db.IsDuplicate(err) {
			t.Errorf("a payload that is NULL: %v", err)
		}
		same(t, "dead letters", e.count(t, "dead_letters"), 0)
		columns := []string{"application_id", "chat_number", "number", "body", "version", "created_at", "updated_at"}
		for i, c := range columns {
			values := []any{1, 1, 1, "body", 1, "2026-01-01 00:00:00", "2026-01-01 00:00:00"}
			values[i] = nil
			_, err := e.raw.ExecContext(t.Context(), "INSERT INTO messages ("+strings.Join(columns, ", ")+") VALUES (?, ?, ?, ?, ?, ?, ?)", values...)
			if !db.IsDataError(err) {
				t.Errorf("%s that is NULL: %v", c, err)
			}
		}
	})
}

func TestAKeyThatIsThereIsADuplicate(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		addApplication(t, e.Queries, 1, at(0))
		must(t, e.InsertMessages(ctx, many(3, messageRow)))
		must(t, e.InsertChats(ctx, many(3, chatRow)))
		must(t, e.InsertDeadLetters(ctx, many(3, letterRow)))
		must(t, e.InsertIdempotencyKeys(ctx, many(3, keyRow)))
		rows := many(5, messageRow)
		for what, err := range map[string]error{
			"a message":              e.InsertMessage(ctx, db.InsertMessageParams(messageRow(2))),
			"a message among others": e.InsertMessages(ctx, rows[2:]),
			"a message twice":        e.InsertMessages(ctx, []db.InsertMessagesRow{messageRow(9), messageRow(9)}),
			"a chat":                 e.InsertChats(ctx, many(1, chatRow)),
			"a dead letter":          e.InsertDeadLetters(ctx, many(1, letterRow)),
			"a key":                  e.InsertIdempotencyKeys(ctx, many(1, keyRow)),
			"a cursor":               e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 1, Sink: db.SinkDatabase}),
			"a setting":              e.InsertSetting(ctx, db.InsertSettingParams{Name: "partitions", Value: "9"}),
			"an application's id":    e.InsertApplication(ctx, db.InsertApplicationParams{ID: 1, Token: "other", CreatedAt: at(0), UpdatedAt: at(0)}),
			"an application's token": e.InsertApplication(ctx, db.InsertApplicationParams{ID: 2, Token: "token1", CreatedAt: at(0), UpdatedAt: at(0)}),
		} {
			if !db.IsDuplicate(err) || !db.IsDataError(err) || !db.IsDuplicate(fmt.Errorf("wrapped: %w", err)) {
				t.Errorf("%s: %v", what, err)
			}
		}
		same(t, "messages", e.count(t, "messages"), 3)
	})
}

// The bisection of a flush goes on in its transaction after the database has refused a row.
func TestATransactionGoesOnAfterARefusedStatement(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertMessages(ctx, many(1, messageRow)))
		must(t, e.WithTx(ctx, func(q *db.Queries) error {
			counted(t, 1)(q.AdvanceCursor(ctx, db.AdvanceCursorParams{Position: 5, PartitionID: 1}))
			rows := many(6, messageRow)
			for range 3 {
				if err := q.InsertMessages(ctx, rows); !db.IsDuplicate(err) {
					t.Errorf("with one that is there: %v", err)
				}
			}
			if !e.sqlite {
				for what, insert := range refusedRows(q) {
					if err := insert(ctx); !db.IsDataError(err) {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
			null := many(1, letterRow)
			null[0].Payload = nil
			if err := q.InsertDeadLetters(ctx, null); !db.IsDataError(err) {
				t.Errorf("NULL: %v", err)
			}
			return errors.Join(q.InsertMessages(ctx, rows[1:4]), q.InsertMessages(ctx, rows[4:]), q.InsertDeadLetters(ctx, many(1, letterRow)))
		}))
		same(t, "messages", e.count(t, "messages"), 6)
		same(t, "dead letters", e.count(t, "dead_letters"), 1)
		same(t, "position", e.cursor(t, 1, db.SinkDatabase).Position, 5)
	})
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		failure := errors.New("something else failed")
		same(t, "error", e.WithTx(t.Context(), func(q *db.Queries) error {
			must(t, q.InsertMessages(t.Context(), many(3, messageRow)))
			return failure
		}), failure)
		func() {
			defer func() { _ = recover() }()
			_ = e.WithTx(t.Context(), func(q *db.Queries) error {
				must(t, q.InsertMessages(t.Context(), many(3, messageRow)))
				panic("something broke")
			})
		}()
		must(t, e.InsertMessages(t.Context(), many(1, messageRow))) // neither holds a lock on
		same(t, "messages", e.count(t, "messages"), 1)
	})
}

// is tells a server's error by its number.
func is(err error, number uint16) bool {
	var refused *mysql.MySQLError
	return errors.As(err, &refused) && refused.Number == number
}

func TestALockThatIsNotGivenIsNoFaultOfTheRow(t *testing.T) {
	t.Parallel()
	e := migrated(t, onServer(t, enginetest.MySQL(t, "--innodb-lock-wait-timeout=1").DSN))
	ctx := t.Context()
	must(t, e.InsertMessages(ctx, many(2, messageRow)))
	edit := func(q *db.Queries, number int64) error {
		_, err := q.UpdateMessage(ctx, db.UpdateMessageParams{Body: "edited", Version: 1000, UpdatedAt: at(0), ApplicationID: 1, ChatNumber: 1, Number: number})
		return err
	}
	must(t, e.WithTx(ctx, func(q *db.Queries) error {
		must(t, edit(q, 1))
		err := edit(e.Queries, 1)
		if !is(err, 1205) || db.IsDataError(err) || db.IsDuplicate(err) {
			t.Errorf("a lock that is held for too long: %v", err)
		}
		if err := e.InsertMessage(ctx, db.InsertMessageParams(messageRow(1))); !is(err, 1205) || db.IsDataError(err) {
			t.Errorf("a duplicate of a locked row: %v", err)
		}
		return nil
	}))
}

func TestADeadlockIsNoFaultOfTheRow(t *testing.T) {
	t.Parallel()
	e := migrated(t, onServer(t, enginetest.SharedMySQL(t)))
	ctx := t.Context()
	must(t, e.InsertMessages(ctx, many(2, messageRow)))
	edit := func(q *db.Queries, number int64) error {
		_, err := q.UpdateMessage(ctx, db.UpdateMessageParams{Body: "edited", Version: 1000, UpdatedAt: at(0), ApplicationID: 1, ChatNumber: 1, Number: number})
		return err
	}
	second := make(chan error, 1)
	locked := make(chan struct{})
	first := e.WithTx(ctx, func(q *db.Queries) error {
		must(t, edit(q, 1))
		go func() {
			second <- e.WithTx(ctx, func(q *db.Queries) error {
				err := edit(q, 2)
				close(locked)
				return errors.Join(err, edit(q, 1))
			})
		}()
		<-locked
		e.untilOneWaits(t)
		return edit(q, 2)
	})
	victim := errors.Join(first, <-second)
	if !is(victim, 1213) || db.IsDataError(victim) || db.IsDuplicate(victim) {
		t.Errorf("a deadlock: %v", victim)
	}
}

func TestALostConnectionIsNoFaultOfTheRow(t *testing.T) {
	t.Parallel()
	e := migrated(t, onServer(t, enginetest.SharedMySQL(t)))
	err := e.WithTx(t.Context(), func(q *db.Queries) error {
		must(t, q.InsertMessages(t.Context(), many(1, messageRow)))
		var id int64
		must(t, e.raw.QueryRowContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY id DESC LIMIT 1").Scan(&id))
		e.exec(t, fmt.Sprint("KILL ", id))
		return q.InsertMessages(t.Context(), many(2, messageRow)[1:])
	})
	if err == nil || db.IsDataError(err) || db.IsDuplicate(err) {
		t.Errorf("a lost connection: %v", err)
	}
	same(t, "messages", e.count(t, "messages"), 0)
}

func TestALockedFileIsNoFaultOfTheRow(t *testing.T) {
	t.Parallel()
	e := migrated(t, onSQLite(t))
	must(t, e.WithTx(t.Context(), func(q *db.Queries) error {
		must(t, q.InsertMessages(t.Context(), many(1, messageRow)))
		_, err := e.raw.ExecContext(t.Context(), "UPDATE settings SET value = value") // waits for nothing
		if err == nil || db.IsDataError(err) || db.IsDuplicate(err) {
			t.Errorf("a locked file: %v", err)
		}
		return nil
	}))
}

func TestWhatTheServerCannotDoNowIsNoFaultOfTheRow(t *testing.T) {
	t.Parallel()
	faults := []error{
		nil, driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrPktTooLarge, sql.ErrNoRows, sql.ErrTxDone, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF,
		context.DeadlineExceeded, context.Canceled, &net.OpError{Op: "dial", Err: errors.New("connection refused")}, errors.New("Error 1062"),
	}
	for _, number := range []uint16{
		1020,             // the record has changed since the last read, of MariaDB
		1021,             // disk full
		1040,             // too many connections
		1041,             // out of memory
		1044, 1045, 1142, // no right
		1053,       // shutting down
		1146, 1054, // no such table, column: not migrated yet
		1114,                   // table full
		1153,                   // packet too large
		1158, 1159, 1160, 1161, // network
		1205, 1213, // locks
		1206,       // lock table full
		1290, 1792, // read-only
		1836, 1030, 1015, // read-only after a fault, engine error, can't lock
		1927, 3024, 1317, 1969, // killed, out of time
		3100, 3101, // group replication
	} {
		faults = append(faults, &mysql.MySQLError{Number: number}, fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: number}))
	}
	for _, err := range faults {
		if db.IsDataError(err) || db.IsDuplicate(err) {
			t.Errorf("%v counts as a fault of the row", err)
		}
	}
}
