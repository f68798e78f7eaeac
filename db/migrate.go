package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
)

//go:embed schema
var schema embed.FS

// lockTime is how long a migration waits for another one.
const lockTime = 5 * time.Minute

// SinkDatabase is the name of the database's own cursors, and of the dead letters that have a place among the numbers.
const SinkDatabase = "mysql"

// SinkRestore is that of the dead letters of a backup: writes whose number, or message, belongs to another one by now. They
// have no cursor.
const SinkRestore = "restore"

// Migrate brings the schema up to date and fixes the number of partitions, which can't be changed later. It creates the
// database when it is missing, waits for a server that is not there yet, and may run many times and in many places at once;
// a file of SQLite belongs to one process.
func (d *DB) Migrate(ctx context.Context, partitions int, log *slog.Logger) error {
	if d.dialect == dialectMySQL {
		if err := d.create(ctx, log); err != nil {
			return err
		}
		unlock, err := d.lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		if err := d.mendVersions(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	dir := map[dialect]string{dialectMySQL: "schema/mysql", dialectSQLite: "schema/sqlite"}[d.dialect]
	files, err := fs.Sub(schema, dir)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.Dialect(d.dialect), d.pool, files)
	if err != nil {
		return err
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if current > known {
		newer := fmt.Errorf("the schema is at version %d, made by a newer chat-system; this one knows %d", current, known)
		if d.dialect == dialectSQLite {
			return newer
		}
		log.Warn("nothing is migrated", "why", newer) // during a roll-back the older programs go on
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range done {
		log.Info("migrated", "file", m.Source.Path, "took", m.Duration.String())
	}
	return d.fixPartitions(ctx, partitions)
}

// create makes the database, and waits for its server with a log line a second.
func (d *DB) create(ctx context.Context, log *slog.Logger) error {
	bare := d.dsn.Clone()
	bare.DBName = ""
	server, err := connect(bare, 1, nil)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	name := "`" + strings.ReplaceAll(d.dsn.DBName, "`", "``") + "`"
	for {
		_, err := server.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+name+" DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
		refused := (*mysql.MySQLError)(nil)
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused) && (refused.Number == 1044 || refused.Number == 1227): // no right to create: it may exist
			if err := d.Ping(ctx); err != nil {
				return fmt.Errorf("migrate: the user may not create the database, nor use it: %w", err)
			}
			return nil
		case errors.As(err, &refused) && refused.Number == 1045:
			return errors.New("migrate: the database refuses this user and password")
		case errors.As(err, &refused) && refused.Number != 1040 && refused.Number != 1053: // too many connections, shutting down
			return fmt.Errorf("migrate: %w", err)
		}
		log.Warn("waiting for the database", "address", d.dsn.Addr, "error", err)
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lock lets one migration run at a time, over all pods.
func (d *DB) lock(ctx context.Context) (unlock func(), err error) {
	dsn := d.dsn.Clone()
	dsn.Params["wait_timeout"] = "604800" // the lock's connection says nothing while tables change
	held, err := connect(dsn, 1, nil)
	if err != nil {
		return nil, err
	}
	conn, err := held.Conn(ctx)
	if err != nil {
		_ = held.Close()
		return nil, err
	}
	deadline := time.Now().Add(lockTime)
	for got := (sql.NullInt64{}); got.Int64 != 1; { // in steps below the read timeout
		err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT('chat_migrate_', LEFT(SHA2(DATABASE(), 256), 40)), 10)").Scan(&got)
		if err == nil && got.Int64 != 1 && time.Now().After(deadline) {
			err = errors.New("migrate: another migration holds the lock")
		}
		if err != nil {
			_ = conn.Close()
			_ = held.Close()
			return nil, err
		}
	}
	return func() { // the lock goes with its connection
		_ = conn.Close()
		_ = held.Close()
	}, nil
}

// mendVersions adds the first row of goose's table, where a migration was killed between making the table and that row.
func (d *DB) mendVersions(ctx context.Context) error {
	_, err := d.pool.ExecContext(ctx, `INSERT INTO goose_db_version (version_id, is_applied)
		SELECT 0, 1 FROM (SELECT COUNT(*) AS n FROM goose_db_version) v WHERE v.n = 0`)
	if refused := (*mysql.MySQLError)(nil); errors.As(err, &refused) && refused.Number == 1146 { // there is no such table yet
		return nil
	}
	return err
}

// fixPartitions stores the number of partitions when the database is new, and refuses another one later.
func (d *DB) fixPartitions(ctx context.Context, partitions int) error {
	return d.WithTx(ctx, func(q *Queries) error {
		stored, err := storedPartitions(ctx, q)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			for p := range partitions {
				err := q.InsertCursor(ctx, InsertCursorParams{PartitionID: int32(p), Sink: SinkDatabase, State: StateFollow})
				if err != nil {
					return err
				}
			}
			return q.InsertSetting(ctx, InsertSettingParams{Name: "partitions", Value: strconv.Itoa(partitions)})
		case err != nil:
			return err
		}
		return samePartitions(stored, partitions)
	})
}

// The states of a sink's cursor.
const (
	StateFollow = "follow" // it follows the stream from its position
	StateResync = "resync" // what lies above its position is to be read from the tables first
)

// CheckPartitions says whether the database was migrated with this number of partitions.
func (d *DB) CheckPartitions(ctx context.Context, partitions int) error {
	stored, err := storedPartitions(ctx, d.Queries)
	refused := (*mysql.MySQLError)(nil)
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.As(err, &refused) && (refused.Number == 1049 || refused.Number == 1146): // no database, no table
		return fmt.Errorf("%w: %w", ErrNotMigrated, err)
	case err != nil:
		return err
	}
	return samePartitions(stored, partitions)
}

// ErrNotMigrated says that there is no database, or that it has no tables yet.
var ErrNotMigrated = errors.New("the database is not migrated: run chat migrate")

// ErrPartitions says that PARTITIONS is another than the database was created with.
var ErrPartitions = errors.New("it can't be changed")

func samePartitions(stored, partitions int) error {
	if stored != partitions {
		return fmt.Errorf("the database was created with PARTITIONS=%d, and it is %d now: %w", stored, partitions, ErrPartitions)
	}
	return nil
}

func storedPartitions(ctx context.Context, q *Queries) (int, error) {
	v, err := q.Setting(ctx, "partitions")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(v)
}
