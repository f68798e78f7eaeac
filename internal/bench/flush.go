package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-system/db"
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
	s, err := b.service()
	if err != nil {
		return err
	}
	api, err := b.start(append(s.env, "QUEUE_MAX_ENTRIES=50000000"), "api")
	if err != nil {
		return err
	}
	token, err := tenant(api.addr)
	if err != nil {
		return err
	}
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	var all []float64
	var resident float64
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
		for n := before; n < before+sent; {
			if n, err = s.count(b.ctx, pool); err != nil {
				return err
			}
			resident = max(resident, flusher.resident())
			<-time.After(20 * time.Millisecond)
		}
		ours := float64(sent) / time.Since(begin).Seconds()
		fmt.Printf("      µs of processor a row:%s\n", cost(sent))
		flusher.stop()
		cost = costs(maps.Clone(s.pids))
		base, err := loadData(b.ctx, pool, sent)
		if err != nil {
			return err
		}
		fmt.Printf("      µs of processor a row, LOAD DATA:%s\n", cost(sent))
		fmt.Printf("   flushed %8.0f rows/s against LOAD DATA %8.0f rows/s ratio %.2f\n", ours, base, ours/base)
		all = append(all, ours/base)
	}
	b.add(figure{"flush of a full queue", "LOAD DATA", "0.45", fmt.Sprintf("%.2f (flusher %.0f MiB)", median(all), resident)})
	return nil
}

// fill queues at least n messages and gives how many.
func (b *bench) fill(api *process, token string, n int64) (int64, error) {
	var sent int64
	for sent < n {
		l, err := drive(api.addr, 256, time.Second, "202", post(api.addr, token, 0, false))
		if err != nil {
			return 0, err
		}
		sent += l.requests - l.failed
	}
	return sent, nil
}

var quiet = slog.New(slog.DiscardHandler)

var loads atomic.Int64

// loadData loads n rows like those of a flush into a table like messages, and gives rows a second.
func loadData(ctx context.Context, pool *sql.DB, n int64) (float64, error) {
	for _, q := range []string{"DROP TABLE IF EXISTS bench_messages", "CREATE TABLE bench_messages LIKE messages"} {
		if _, err := pool.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	var text bytes.Buffer
	for i := range n {
		text.WriteString("7\t")
		text.WriteString(strconv.FormatInt(i%chats+1, 10))
		text.WriteByte('\t')
		text.WriteString(strconv.FormatInt(i/chats+1, 10))
		text.WriteString("\t" + message + "\t")
		text.WriteString(strconv.FormatInt(1<<60+i, 10))
		text.WriteString("\t2026-01-01 00:00:00.000000\t2026-01-01 00:00:00.000000\n")
	}
	name := fmt.Sprintf("rows%d", loads.Add(1))
	mysql.RegisterReaderHandler(name, func() io.Reader { return &text })
	defer mysql.DeregisterReaderHandler(name)
	begin := time.Now()
	_, err := pool.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE bench_messages")
	return float64(n) / time.Since(begin).Seconds(), err
}

// sustained: POST to row for a minute, everything on this machine, against the bare handler.
func sustained(b *bench) error {
	s, err := b.service()
	if err != nil {
		return err
	}
	bareP, err := b.startBare()
	if err != nil {
		return err
	}
	api, err := b.start(s.env, "api")
	if err != nil {
		return err
	}
	if _, err := b.start(s.env, "flusher"); err != nil {
		return err
	}
	token, err := tenant(api.addr)
	if err != nil {
		return err
	}
	base, err := drive(bareP.addr, 256, b.seconds, "202", post(bareP.addr, token, 0, false))
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
	ours, err := drive(api.addr, 64, length, "202", post(api.addr, token, 0, false))
	if err != nil {
		return err
	}
	b.add(figure{"POST to row, sustained 60 s", "bare Fiber", "0.15, lag at the end ≤ lag at 10 s",
		fmt.Sprintf("%.2f, lag %.2f s at 10 s, %.2f s at the end", ours.perSecond()/base.perSecond(), lags[0], lags[1])})
	return nil
}

// localMode: POST in local mode against one SQLite transaction a message.
func localMode(b *bench) error {
	var all []float64
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
		l, err := drive(p.addr, 64, b.seconds, "202", post(p.addr, token, 0, false))
		if err != nil {
			return err
		}
		p.stop()
		fmt.Printf("   local %6.0f/s against %6.0f transactions/s ratio %.2f, ready in %v, failed %d\n", l.perSecond(), base, l.perSecond()/base, ready, l.failed)
		all = append(all, l.perSecond()/base)
	}
	b.add(figure{"local mode POST, 64 connections", "one SQLite transaction a message", "0.6", fmt.Sprintf("%.2f", median(all))})
	return nil
}

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
