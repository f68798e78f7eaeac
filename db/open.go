package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	dialTimeout = 5 * time.Second
	ioTimeout   = 35 * time.Second // above the longest statement, a flush that waits for a lock
)

// DB is a database with its generated queries. It is safe for concurrent use.
type DB struct {
	*Queries
	pool    *sql.DB
	dialect dialect
	dsn     *mysql.Config // nil for SQLite
	mode    atomic.Value  // of durability, as it was found last
}

type dialect string

const (
	dialectMySQL  dialect = "mysql"
	dialectSQLite dialect = "sqlite3"
)

// Config says which MySQL or MariaDB to open.
type Config struct {
	DSN  string // user:password@tcp(host:port)/name, as go-sql-driver/mysql has it
	Pool int    // connections at most
	// WaitTimeout, in seconds, after which the server gives up a connection that says nothing, and with it its locks: what
	// frees the cursor row from a flusher that was paused in its transaction. 0: the server's own.
	WaitTimeout int
	OnConnect   func() // called after each new connection; may be nil
	// Log takes what the driver knows of a connection that was lost, which its errors don't say; may be nil.
	Log *slog.Logger
}

// Open prepares a pool; it dials when it is first used.
func Open(c Config) (*DB, error) {
	dsn, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		return nil, errors.New("db: the database's address is malformed") // not its text: it holds the password
	}
	if dsn.DBName == "" {
		return nil, errors.New("db: the database's address names no database")
	}
	if _, _, err := net.SplitHostPort(dsn.Addr); dsn.Net == "tcp" && err != nil {
		dsn.Addr = net.JoinHostPort(dsn.Addr, "3306")
	}
	dsn.InterpolateParams, dsn.ParseTime, dsn.Loc = true, true, time.UTC
	dsn.Logger = driverLog{c.Log}
	dsn.ClientFoundRows = true // an update counts the rows that it finds, as SQLite does, not those that it changes
	dsn.Timeout, dsn.ReadTimeout, dsn.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	dsn.MaxAllowedPacket, dsn.Collation = 64<<20, "utf8mb4_bin"
	dsn.Params = map[string]string{
		"sql_mode":  "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone": "'+00:00'",
	}
	if c.WaitTimeout > 0 {
		dsn.Params["wait_timeout"] = fmt.Sprint(c.WaitTimeout)
	}
	pool, err := connect(dsn, c.Pool, c.OnConnect)
	if err != nil {
		return nil, err
	}
	return &DB{Queries: New(pool), pool: pool, dialect: dialectMySQL, dsn: dsn}, nil
}

// driverLog brings the driver's lines, which would go to standard error as they are, into the log.
type driverLog struct{ *slog.Logger }

// Print implements mysql.Logger.
func (l driverLog) Print(v ...any) {
	if l.Logger != nil {
		l.Warn("a connection to the database failed", "cause", fmt.Sprint(v...))
	}
}

func connect(dsn *mysql.Config, size int, onConnect func()) (*sql.DB, error) {
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(repeatable{connector, onConnect})
	pool.SetMaxOpenConns(max(1, size))
	pool.SetMaxIdleConns(max(1, size))
	pool.SetConnMaxIdleTime(4 * time.Second) // below every wait_timeout that is used here
	pool.SetConnMaxLifetime(time.Minute)     // one to a primary that was demoted, and is up, would be used for ever
	return pool, nil
}

// repeatable sets the isolation that counts depend on, by a statement, since the variable's name differs between servers.
type repeatable struct {
	driver.Connector
	onConnect func()
}

// Connect implements driver.Connector.
func (r repeatable) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", nil); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if r.onConnect != nil {
		r.onConnect()
	}
	return conn, nil
}

// Ping asks whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return d.pool.PingContext(ctx) }

// Close closes the pool.
func (d *DB) Close() error { return d.pool.Close() }

// WithTx runs f in a transaction and commits it. An error of COMMIT means that its outcome is unknown.
func (d *DB) WithTx(ctx context.Context, f func(*Queries) error) error {
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit; the connection is given up where it fails
	if err := f(d.Queries.WithTx(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// Durability names the settings by which the database can lose a commit, each a sentence; also what can't be known. The
// metrics tell what it found last.
func (d *DB) Durability(ctx context.Context) (weak []string, err error) {
	defer func() {
		switch {
		case err != nil:
			d.mode.Store(modeUnknown)
		case len(weak) > 0:
			d.mode.Store(modeWeak)
		default:
			d.mode.Store(modeSynced)
		}
	}()
	if d.dialect == dialectSQLite {
		return nil, nil // opened with synchronous=FULL
	}
	rows, err := d.pool.QueryContext(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin')`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	settings := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		settings[strings.ToLower(name)] = value
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	switch v, ok := settings["innodb_flush_log_at_trx_commit"]; {
	case !ok:
		weak = append(weak, "MySQL does not tell innodb_flush_log_at_trx_commit: whether it syncs every commit is not known")
	case v == "0":
		weak = append(weak, "MySQL has innodb_flush_log_at_trx_commit 0: a crash loses commits")
	case v != "1" && v != "3": // 3, of MariaDB, syncs twice
		weak = append(weak, "MySQL has innodb_flush_log_at_trx_commit "+v+": a crash of its machine loses commits")
	}
	if v := settings["sync_binlog"]; v != "1" && settings["log_bin"] == "ON" {
		weak = append(weak, "MySQL has sync_binlog "+v+": a crash of its machine loses commits, or leaves replicas without them")
	}
	return weak, nil
}
