package db_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"chat-system/db"
	"chat-system/internal/enginetest"
)

func TestAMalformedAddressIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"root:secret@tcp(db:3306":             "db: the database's address is malformed",
		"mysql://root:secret@db/chat?x=%zz":   "db: the database's address is malformed",
		"root:secret@tcp(db)/chat?tls=secret": "db: the database's address is malformed",
		"":                                    "db: the database's address names no database",
		"root:secret@tcp(db)/":                "db: the database's address names no database",
	} {
		if _, err := db.Open(db.Config{DSN: dsn, Pool: 1}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", dsn, err, want)
		}
	}
}

func TestEveryConnectionIsTold(t *testing.T) {
	t.Parallel()
	dsn := enginetest.SharedMySQL(t)
	var made atomic.Int64
	d := open(t, db.Config{DSN: dsn, Pool: 1, OnConnect: func() { made.Add(1) }})
	for range 3 {
		must(t, d.Ping(t.Context()))
	}
	same(t, "connections", made.Load(), 1)
	raw := rawPool(t, "mysql", dsn)
	var id int64
	must(t, raw.QueryRowContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()").Scan(&id))
	_, err := raw.ExecContext(t.Context(), fmt.Sprint("KILL ", id))
	must(t, err)
	until(t, "it connects anew", func() bool { return d.Ping(t.Context()) == nil && made.Load() == 2 })
}

// The server's default must not decide what a transaction sees, nor whether gaps are locked.
func TestTransactionsAreRepeatableWhateverTheServersDefault(t *testing.T) {
	t.Parallel()
	server := enginetest.MySQL(t, "--transaction-isolation=READ-COMMITTED")
	e := migrated(t, onServer(t, server.DSN))
	var isolation string
	variable := map[bool]string{true: "@@tx_isolation", false: "@@transaction_isolation"}[server.MariaDB]
	must(t, e.raw.QueryRowContext(t.Context(), "SELECT "+variable).Scan(&isolation))
	same(t, "the server's default", isolation, "READ-COMMITTED")
	staysAsItWas(t, e)
	chatComesAfterItsMessages(t, e)
}

func TestATransactionSeesWhatItSaw(t *testing.T) {
	t.Parallel()
	onEach(t, staysAsItWas)
}

func staysAsItWas(t *testing.T, e *engine) {
	ctx := t.Context()
	must(t, e.InsertMessages(ctx, many(1, messageRow)))
	count := func(q *db.Queries) int64 {
		n, err := q.RecountMessages(ctx, db.RecountMessagesParams{ApplicationID: 1, ChatNumber: 1})
		must(t, err)
		return n
	}
	second := e.again(t)
	written := make(chan error, 1)
	must(t, e.WithTx(ctx, func(q *db.Queries) error {
		same(t, "at first", count(q), 1)
		go func() { written <- second.InsertMessages(ctx, many(2, messageRow)[1:]) }()
		if !e.sqlite { // there a writer waits for the transaction
			must(t, <-written)
			written <- nil
		}
		same(t, "later", count(q), 1)
		return nil
	}))
	must(t, <-written)
	same(t, "afterwards", count(e.Queries), 2)
}

// A flusher that was paused in its transaction is given up by the server, and with it its locks.
func TestASilentTransactionLosesItsLocks(t *testing.T) {
	t.Parallel()
	dsn := enginetest.SharedMySQL(t)
	e := migrated(t, onServer(t, dsn))
	silent := open(t, db.Config{DSN: dsn, Pool: 1, WaitTimeout: 3})
	advance := db.AdvanceCursorParams{Position: 5, PartitionID: 1}
	err := silent.WithTx(t.Context(), func(q *db.Queries) error {
		counted(t, 1)(q.AdvanceCursor(t.Context(), advance))
		counted(t, 1)(e.AdvanceCursor(t.Context(), advance)) // waits for three seconds
		return nil
	})
	if err == nil || db.IsDataError(err) {
		t.Errorf("the silent transaction commits: %v", err)
	}
	same(t, "position", e.cursor(t, 1, db.SinkDatabase).Position, 5)
}

func TestWhatWeakensDurabilityIsNamed(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		flags []string
		want  []string
	}{
		"strong": {nil, nil},
		"both weak": {[]string{"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"}, []string{
			"MySQL has innodb_flush_log_at_trx_commit 2: a crash of its machine loses commits",
			"MySQL has sync_binlog 0: a crash of its machine loses commits, or leaves replicas without them",
		}},
		"weaker": {[]string{"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=1"}, []string{
			"MySQL has innodb_flush_log_at_trx_commit 0: a crash loses commits",
		}},
		"now and then": {[]string{"--sync-binlog=100"}, []string{
			"MySQL has sync_binlog 100: a crash of its machine loses commits, or leaves replicas without them",
		}},
		"without a binary log": {[]string{"--skip-log-bin", "--sync-binlog=0"}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := open(t, db.Config{DSN: enginetest.MySQL(t, c.flags...).DSN, Pool: 1})
			weak, err := d.Durability(t.Context())
			must(t, err)
			same(t, "sentences", strings.Join(weak, "\n"), strings.Join(c.want, "\n"))
		})
	}
}

func TestDurabilityIsNotKnownWithoutAServer(t *testing.T) {
	t.Parallel()
	d := open(t, db.Config{DSN: "root@tcp(" + closedPort(t) + ")/chat", Pool: 1})
	if weak, err := d.Durability(t.Context()); err == nil {
		t.Errorf("%v", weak)
	}
}

func TestAFileIsDurableAndMayHaveAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chat.db", "a b.db", "a?b=c.db", "a#b.db", "a%20b.db", "é'\".db", "a;b&c.db"} {
		path := filepath.Join(t.TempDir(), name)
		first, err := db.OpenSQLite(t.Context(), path)
		must(t, err)
		must(t, errors.Join(first.Migrate(t.Context(), 1, logger(t)), first.InsertMessages(t.Context(), many(1, messageRow)), first.Close()))
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		second, err := db.OpenSQLite(t.Context(), path)
		again := closed(t, second, err)
		must(t, again.CheckPartitions(t.Context(), 1))
		weak, err := again.Durability(t.Context())
		must(t, err)
		sameList(t, "sentences", weak)
	}
	if _, err := db.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "no such folder", "chat.db")); err == nil {
		t.Error("a file in a folder that is not there opens")
	}
}
