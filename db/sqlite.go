package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
)

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("greatest", -1, greatest)
}

// greatest is MySQL's function of that name for the integers of our queries.
func greatest(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	var most int64
	for i, a := range args {
		switch v := a.(type) {
		case nil:
			return nil, nil
		case int64:
			if i == 0 || v > most {
				most = v
			}
		default:
			return nil, fmt.Errorf("greatest: an argument is no integer: %T", a)
		}
	}
	return most, nil
}

// OpenSQLite opens, or makes, the database file of local mode. A commit is synced before it returns.
func OpenSQLite(ctx context.Context, path string) (*DB, error) {
	q := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "cache_size(-8000)", "wal_autocheckpoint(1000)",
	}, "_txlock": {"immediate"}, "_time_format": {"sqlite"}, "_timezone": {"UTC"}}
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(8)
	d := &DB{Queries: New(pool), pool: pool, dialect: dialectSQLite}
	if err := d.Ping(ctx); err != nil {
		_ = pool.Close()
		return nil, err
	}
	return d, nil
}
