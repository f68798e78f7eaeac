package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"chat-system/db"
)

// localMode: POST in local mode against one SQLite transaction a message.
func localMode(b *bench) error {
	var all, starts []float64
	for range b.rounds {
		base, err := b.sqlite()
		if err != nil {
			return err
		}
		begin := time.Now()
		p, err := b.start([]string{"DATA_DIR=" + filepath.Join(b.dir, fmt.Sprint("data", time.Now().UnixNano()))}, "local")
		if err != nil {
			return err
		}
		ready := time.Since(begin)
		token, err := tenant(p.addr)
		if err != nil {
			return err
		}
		cost := costs(map[string]int{"local": p.cmd.Process.Pid})
		l, err := drive(p.addr, 64, b.seconds, "202", post(token, 0, false))
		if err != nil {
			return err
		}
		fmt.Printf("      µs of processor a request:%s\n", cost(l.requests))
		p.stop()
		fmt.Printf("   local %6.0f/s against %6.0f transactions/s ratio %.2f, ready in %v, failed %d\n", l.perSecond(), base, l.perSecond()/base, ready, l.failed)
		all, starts = append(all, l.perSecond()/base), append(starts, ready.Seconds())
	}
	b.add(figure{"local mode POST, 64 connections", "one SQLite transaction a message", "0.6", "1.5", fmt.Sprintf("%.2f", median(all))})
	b.add(figure{"local mode, from its start to ready", "", "1 s", "", fmt.Sprintf("%.2f s", median(starts))})
	return nil
}

var quiet = slog.New(slog.DiscardHandler)

// sqlite gives how many transactions of one message SQLite commits a second.
func (b *bench) sqlite() (float64, error) {
	d, err := db.OpenSQLite(b.ctx, filepath.Join(b.dir, fmt.Sprint("base", time.Now().UnixNano(), ".db")))
	if err != nil {
		return 0, err
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(b.ctx, 1, quiet); err != nil {
		return 0, err
	}
	begin := time.Now()
	n := 0
	for ; time.Since(begin) < b.seconds; n++ {
		now := time.Now().UTC()
		err := d.InsertMessage(b.ctx, db.InsertMessageParams{
			ApplicationID: 7, ChatNumber: int64(n%chats + 1), Number: int64(n/chats + 1), Body: message, Version: int64(n), CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return 0, errors.Join(err)
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}
