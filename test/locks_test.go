package test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Somebody else's transactions lock what the flusher writes to: rows of chats, and the gap at the end of their messages. A
// flush that waits too long, or is the victim of a deadlock, is tried again; its rows are no dead letters.
func TestLockTimeoutsAndDeadlocksAreNoDeadLetters(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 0)
	s.exec("SET GLOBAL innodb_lock_wait_timeout = 1")
	s.exec("CREATE TABLE ballast (n INT PRIMARY KEY)")
	f := s.addFlusher()
	f.start()
	l := s.load(5, 10)
	l.more(between)
	for range 3 {
		other := s.begin("SELECT * FROM messages WHERE chat_number = 1 FOR UPDATE") // with the gap behind the last one
		s.fails(f, "Error 1205")
		if err := other.Rollback(); err != nil {
			t.Fatal(err)
		}
		l.more(between)
	}
	for range 3 {
		s.deadlock(f)
		l.more(between)
	}
	l.check(s)
}

// begin runs statements in a transaction of its own, which stays open. It waits for locks that flushes hold, so the database
// may end it instead of the flush: then it is begun again.
func (s *service) begin(statements ...string) *sql.Tx {
	s.t.Helper()
	var tx *sql.Tx
	until(s.t, "a transaction has its locks", func() bool {
		var err error
		if tx, err = s.database().BeginTx(context.Background(), nil); err != nil {
			s.t.Fatal(err)
		}
		for _, q := range statements {
			if _, err = tx.ExecContext(s.t.Context(), q); err != nil {
				break
			}
		}
		if e := (&mysql.MySQLError{}); errors.As(err, &e) && (e.Number == 1205 || e.Number == 1213) {
			_ = tx.Rollback()
			return false
		}
		if err != nil {
			s.t.Fatalf("%.60s: %v", statements, err)
		}
		return true
	})
	return tx
}

// fails waits until flushes failed with an error once more, under load.
func (s *service) fails(f *process, with string) {
	s.t.Helper()
	before := f.log.has(with)
	until(s.t, "a flush fails with "+with, func() bool { return f.log.has(with) > before || s.t.Failed() })
}

// deadlock locks the rows of chats, which a flush updates last, then the messages that it has inserted. The database ends
// the transaction that has changed less, so this one changes more.
func (s *service) deadlock(f *process) {
	s.t.Helper()
	var rows []string
	for n := range 4000 {
		rows = append(rows, fmt.Sprintf("(%d)", n))
	}
	before := f.log.has("Error 1213")
	until(s.t, "a flush is the victim of a deadlock", func() bool {
		other := s.begin("INSERT INTO ballast VALUES "+strings.Join(rows, ","), "SELECT * FROM chats FOR UPDATE")
		defer func() { _ = other.Rollback() }()
		until(s.t, "a flush waits for the chats", func() bool {
			return s.one("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%UPDATE chats%' AND info NOT LIKE '%processlist%'") > 0
		})
		_, _ = other.ExecContext(s.t.Context(), "SELECT * FROM messages FOR UPDATE") // it may be the victim itself
		return f.log.has("Error 1213") > before
	})
}
