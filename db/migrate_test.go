package db_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-system/db"
	"chat-system/internal/enginetest"
)

func TestMigratingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		addApplication(t, e.Queries, 1, at(0))
		counted(t, 1)(e.AdvanceCursor(t.Context(), db.AdvanceCursorParams{Position: 5, PartitionID: 1}))
		must(t, e.Migrate(t.Context(), partitions, logger(t)))
		must(t, e.again(t).Migrate(t.Context(), partitions, logger(t)))
		same(t, "applications", e.count(t, "applications"), 1)
		same(t, "cursors", e.count(t, "flush_cursors"), partitions)
		same(t, "position", e.cursor(t, 1, db.SinkDatabase).Position, 5)
	})
}

func TestTheNumberOfPartitionsStays(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		must(t, e.CheckPartitions(t.Context(), partitions))
		const want = "the database was created with PARTITIONS=4, and it is 8 now: it can't be changed"
		for _, err := range []error{e.Migrate(t.Context(), 8, logger(t)), e.CheckPartitions(t.Context(), 8)} {
			if err == nil || err.Error() != want {
				t.Errorf("%v, not %s", err, want)
			}
		}
		must(t, e.CheckPartitions(t.Context(), partitions))
		same(t, "cursors", e.count(t, "flush_cursors"), partitions)
	})
}

func TestEightMigrationsAtOnceMakeOneDatabase(t *testing.T) {
	t.Parallel()
	dsn := missing(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			d, err := db.Open(db.Config{DSN: dsn, Pool: 2})
			if err == nil {
				err = errors.Join(d.Migrate(t.Context(), partitions, logger(t)), d.CheckPartitions(t.Context(), partitions), d.Close())
			}
			if err != nil {
				t.Errorf("migration %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	e := onServer(t, dsn)
	same(t, "cursors", e.count(t, "flush_cursors"), partitions)
	same(t, "settings", e.count(t, "settings"), 1)
	var collation string
	must(t, e.raw.QueryRowContext(t.Context(), "SELECT @@collation_database").Scan(&collation))
	same(t, "collation", collation, "utf8mb4_bin")
}

// missing gives the DSN of a database that does not exist.
func missing(t *testing.T) string {
	t.Helper()
	there := enginetest.SharedMySQL(t)
	name := enginetest.UniqueName("chat`test") // a name that has to be quoted
	t.Cleanup(func() {
		pool := rawPool(t, "mysql", there)
		if _, err := pool.ExecContext(context.Background(), "DROP DATABASE IF EXISTS `"+strings.ReplaceAll(name, "`", "``")+"`"); err != nil {
			t.Error(err)
		}
	})
	return there[:strings.LastIndex(there, "/")+1] + name
}

func TestADatabaseThatIsNotMigratedSaysSo(t *testing.T) {
	t.Parallel()
	for what, dsn := range map[string]string{"no database": missing(t), "no table": enginetest.SharedMySQL(t)} {
		err := open(t, db.Config{DSN: dsn, Pool: 1}).CheckPartitions(t.Context(), partitions)
		if err == nil || !strings.HasPrefix(err.Error(), "the database is not migrated: run chat migrate") {
			t.Errorf("%s: %v", what, err)
		}
	}
	err := open(t, db.Config{DSN: "root@tcp(" + closedPort(t) + ")/chat", Pool: 1}).CheckPartitions(t.Context(), partitions)
	if err == nil || strings.Contains(err.Error(), "migrated") {
		t.Errorf("no server: %v", err)
	}
}

// closedPort gives an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// lines counts what is logged and tells when there is something.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	came chan struct{}
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.came <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestAServerThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := enginetest.MySQL(t)
	server.Stop()
	log := &lines{came: make(chan struct{}, 100)}
	start := time.Now()
	migrated := make(chan error, 1)
	dsn := strings.Replace(server.DSN, "root@", "root:secret@", 1)
	d := open(t, db.Config{DSN: dsn, Pool: 2})
	go func() {
		migrated <- d.Migrate(t.Context(), partitions, slog.New(slog.NewTextHandler(log, nil)))
	}()
	for range 3 {
		<-log.came
	}
	if waited := time.Since(start); waited < 2*time.Second {
		t.Errorf("three lines within %s", waited)
	}
	server.Start()
	if err := <-migrated; err == nil || err.Error() != "migrate: the database refuses this user and password" { // root has none
		t.Errorf("a wrong password: %v", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		if !strings.Contains(line, `msg="waiting for the database"`) || !strings.Contains(line, server.Addr) || strings.Contains(line, "secret") {
			t.Errorf("line %d: %s", i, line)
		}
	}
	must(t, open(t, db.Config{DSN: server.DSN, Pool: 2}).Migrate(t.Context(), partitions, logger(t)))
}

func TestWaitingForAServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	log := &lines{came: make(chan struct{}, 100)}
	d := open(t, db.Config{DSN: "root@tcp(" + closedPort(t) + ")/chat", Pool: 1})
	ended := make(chan error, 1)
	go func() { ended <- d.Migrate(ctx, partitions, slog.New(slog.NewTextHandler(log, nil))) }()
	<-log.came
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAUserWithoutARightFailsAtOnce(t *testing.T) {
	t.Parallel()
	admin := onServer(t, enginetest.SharedMySQL(t))
	c, err := mysql.ParseDSN(enginetest.SharedMySQL(t))
	must(t, err)
	password := enginetest.UniqueName("secret")
	try := func(t *testing.T, grant, given string) error {
		t.Helper()
		user := enginetest.UniqueName("u")
		admin.exec(t, "CREATE USER '"+user+"'@'%' IDENTIFIED BY '"+password+"'")
		t.Cleanup(func() { _, _ = admin.raw.ExecContext(context.Background(), "DROP USER '"+user+"'@'%'") })
		if grant != "" {
			admin.exec(t, "GRANT "+grant+" ON `"+c.DBName+"`.* TO '"+user+"'@'%'")
		}
		as := c.Clone()
		as.User, as.Passwd = user, given
		quiet := slog.New(slog.DiscardHandler)
		err := open(t, db.Config{DSN: as.FormatDSN(), Pool: 2}).Migrate(t.Context(), partitions, quiet)
		if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "wrong")) {
			t.Errorf("the password is told: %v", err)
		}
		return err
	}
	for what, c := range map[string]struct{ grant, given, want string }{
		"a wrong password":     {"ALL", "wrong", "migrate: the database refuses this user and password"},
		"no password":          {"ALL", "", "migrate: the database refuses this user and password"},
		"no right at all":      {"", password, "migrate: the user may not create the database, nor use it: "},
		"no right to a table":  {"SELECT", password, "command denied"},
		"no right to its rows": {"CREATE, ALTER, INDEX, DROP", password, "command denied"},
	} {
		if err := try(t, c.grant, c.given); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "migrate: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, try(t, "ALL", password)) // and without the right to create databases
}

// MySQL rolls no table back, so what a migration that was killed has made is still there.
func TestAMigrationThatWasKilledIsRepeated(t *testing.T) {
	t.Parallel()
	for what, statements := range map[string][]string{
		"after its tables":               {"DELETE FROM goose_db_version WHERE version_id = 1", "DELETE FROM settings", "DELETE FROM flush_cursors"},
		"between two tables":             {"DELETE FROM goose_db_version WHERE version_id = 1", "DROP TABLE settings, flush_cursors, messages"},
		"between goose's table and rows": {"DELETE FROM goose_db_version", "DROP TABLE settings, idempotency_keys, dead_letters, flush_cursors, messages, chats, applications"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := migrated(t, onServer(t, enginetest.SharedMySQL(t)))
			for _, s := range statements {
				e.exec(t, s)
			}
			must(t, e.Migrate(t.Context(), partitions, logger(t)))
			must(t, e.CheckPartitions(t.Context(), partitions))
			must(t, e.InsertMessages(t.Context(), many(1, messageRow)))
			same(t, "position", e.cursor(t, partitions-1, db.SinkDatabase).Position, 0)
		})
	}
}

// A migration's lock outlives a server's, or a flusher's, short patience with connections that say nothing.
func TestASlowMigrationKeepsItsLock(t *testing.T) {
	t.Parallel()
	dsn := enginetest.SharedMySQL(t)
	e := migrated(t, onServer(t, dsn))
	e.exec(t, "DELETE FROM goose_db_version WHERE version_id = 1")
	slow, err := e.raw.BeginTx(t.Context(), nil)
	must(t, err)
	defer func() { _ = slow.Rollback() }()
	_, err = slow.ExecContext(t.Context(), "UPDATE goose_db_version SET tstamp = tstamp") // holds off the row of the migration
	must(t, err)
	var wg sync.WaitGroup
	for range 2 {
		d := open(t, db.Config{DSN: dsn, Pool: 2, WaitTimeout: 3})
		wg.Go(func() {
			if err := d.Migrate(t.Context(), partitions, logger(t)); err != nil {
				t.Error(err)
			}
		})
	}
	var first, owner int64
	until(t, "the lock's connection has been silent for longer than the server's patience", func() bool {
		var silent int64
		err := e.raw.QueryRowContext(t.Context(), `SELECT id, time FROM information_schema.processlist WHERE command = 'Sleep'
			AND id = IS_USED_LOCK(CONCAT('chat_migrate_', LEFT(SHA2(DATABASE(), 256), 40)))`).Scan(&owner, &silent)
		if first == 0 {
			first = owner
		}
		return err == nil && silent >= 4
	})
	same(t, "whose lock it is", owner, first)
	must(t, slow.Rollback())
	wg.Wait()
	same(t, "cursors", e.count(t, "flush_cursors"), partitions)
}
