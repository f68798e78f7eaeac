package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"time"
)

// count gives how many messages are stored, by the chats' counts, which rise in the same transactions: counting the rows
// while they are flushed would slow what is measured.
func (s *service) count(ctx context.Context, pool *sql.DB) (n int64, err error) {
	return n, pool.QueryRowContext(ctx, "SELECT COALESCE(SUM(messages_count), 0) FROM chats").Scan(&n)
}

func (s *service) pool() (*sql.DB, error) { return sql.Open("mysql", s.mysql) }

// positions is the sum of all cursors, which stands still when everything is flushed.
func positions(ctx context.Context, pool *sql.DB) (n sql.NullInt64, err error) {
	return n, pool.QueryRowContext(ctx, "SELECT SUM(position % 1000000007) FROM flush_cursors").Scan(&n)
}

// drained waits until the cursors stand still for a second.
func (b *bench) drained(s *service) error {
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	last, still := int64(-1), 0
	for still < 10 {
		n, err := positions(b.ctx, pool)
		if err != nil {
			return err
		}
		if n.Int64 == last {
			still++
		} else {
			last, still = n.Int64, 0
		}
		<-time.After(100 * time.Millisecond)
	}
	return nil
}

const queued = 300_000

// flush: a full queue brought into MySQL, against LOAD DATA of the same rows into the same table.
func flush(b *bench) error {
	s, api, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	var all []float64
	for range b.rounds {
		before, err := s.count(b.ctx, pool)
		if err != nil {
			return err
		}
		sent, err := b.fill(api, token, queued)
		if err != nil {
			return err
		}
		flusher, err := b.start(s.env, "flusher")
		if err != nil {
			return err
		}
		pids := maps.Clone(s.pids)
		pids["flusher"] = flusher.cmd.Process.Pid
		cost := costs(pids)
		begin := time.Now()
		if err := b.stored(s, pool, before+sent); err != nil {
			return err
		}
		ours := float64(sent) / time.Since(begin).Seconds()
		fmt.Printf("      µs of processor a row:%s\n", cost(sent))
		flusher.stop()
		cost = costs(maps.Clone(s.pids))
		base, err := loadLikeAFlush(b.ctx, pool, sent)
		if err != nil {
			return err
		}
		fmt.Printf("      µs of processor a row, LOAD DATA:%s\n", cost(sent))
		fmt.Printf("   flushed %8.0f rows/s against LOAD DATA %8.0f rows/s ratio %.2f\n", ours, base, ours/base)
		all = append(all, ours/base)
	}
	b.add(figure{"flush of a full queue", "LOAD DATA", "0.45", "0.70", fmt.Sprintf("%.2f", median(all))})
	return nil
}

// stored waits until so many messages are stored.
func (b *bench) stored(s *service, pool *sql.DB, want int64) error {
	for {
		n, err := s.count(b.ctx, pool)
		if err != nil || n >= want {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// fill queues at least n messages and gives how many.
func (b *bench) fill(api *process, token string, n int64) (int64, error) {
	return b.fillWith(api, n, post(token, 0, false))
}

func (b *bench) fillWith(api *process, n int64, next request) (int64, error) {
	var sent int64
	for sent < n {
		l, err := drive(api.addr, 256, time.Second, "202", next)
		if err != nil {
			return 0, err
		}
		sent += l.requests - l.failed
	}
	return sent, nil
}
