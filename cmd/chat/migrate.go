package main

import (
	"context"

	"chat-system/db"
)

func migrate(ctx context.Context, e env) error {
	d, err := db.Open(db.Config{DSN: e.dsn(), Pool: 2, Log: e.log})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(ctx, e.Partitions, e.log); err != nil {
		return err
	}
	e.log.Info("the database is up to date")
	return nil
}
