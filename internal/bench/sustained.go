package main

import (
	"database/sql"
	"fmt"
	"time"
)

// sustained: POST to row for a minute, everything on this machine, against the bare handler.
func sustained(b *bench) error {
	s, api, token, err := b.serving()
	if err != nil {
		return err
	}
	bareP, err := b.startBare()
	if err != nil {
		return err
	}
	if _, err := b.start(s.env, "flusher"); err != nil {
		return err
	}
	base, err := drive(bareP.addr, 256, b.seconds, "202", post(token, 0, false))
	if err != nil {
		return err
	}
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	const length, early = 60 * time.Second, 10 * time.Second
	var lags [2]float64
	lag := func() float64 { // seconds that the slowest cursor is behind now
		var v sql.NullInt64
		if err := pool.QueryRowContext(b.ctx, "SELECT MIN(position) FROM flush_cursors WHERE gen > 0 AND position > 0").Scan(&v); err != nil {
			return -1
		}
		return time.Since(time.UnixMilli(v.Int64 >> 21)).Seconds()
	}
	for i, at := range []time.Duration{early, length - time.Second} {
		time.AfterFunc(at, func() { lags[i] = lag() })
	}
	ours, err := drive(api.addr, 64, length, "202", post(token, 0, false))
	if err != nil {
		return err
	}
	b.add(figure{"POST to row, sustained 60 s", "bare Fiber", "0.15, lag at the end ≤ lag at 10 s", "0.28",
		fmt.Sprintf("%.2f, lag %.2f s at 10 s, %.2f s at the end", ours.perSecond()/base.perSecond(), lags[0], lags[1])})
	return nil
}
