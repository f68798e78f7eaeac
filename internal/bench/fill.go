package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// row is a message as LOAD DATA takes it.
type row struct {
	chat, number, version int64
	body                  string
}

const stamp = "2026-01-01 00:00:00.000000"

var loads atomic.Int64

// loadData loads text, which write gives, into a table.
func loadData(ctx context.Context, conn *sql.Conn, table string, write func(*bufio.Writer)) error {
	name := fmt.Sprintf("rows%d", loads.Add(1))
	mysql.RegisterReaderHandler(name, func() io.Reader {
		r, w := io.Pipe()
		go func() {
			out := bufio.NewWriterSize(w, 1<<20)
			write(out)
			_ = w.CloseWithError(out.Flush())
		}()
		return r
	})
	defer mysql.DeregisterReaderHandler(name)
	_, err := conn.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+table)
	return err
}

// writeRows writes n messages of an application.
func writeRows(app, n int64, nth func(int64) row) func(*bufio.Writer) {
	return func(w *bufio.Writer) {
		var line []byte
		for i := range n {
			r := nth(i)
			line = line[:0]
			for _, n := range [...]int64{app, r.chat, r.number} {
				line = append(strconv.AppendInt(line, n, 10), '\t')
			}
			line = append(append(line, r.body...), '\t')
			line = strconv.AppendInt(line, r.version, 10)
			line = append(line, "\t"+stamp+"\t"+stamp+"\n"...)
			_, _ = w.Write(line) // its error stays until the flush
		}
	}
}

// loadLikeAFlush loads n rows like those of a flush into a table like messages, and gives rows a second.
func loadLikeAFlush(ctx context.Context, pool *sql.DB, n int64) (float64, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	for _, q := range []string{"DROP TABLE IF EXISTS bench_messages", "CREATE TABLE bench_messages LIKE messages"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	write := writeRows(7, n, func(i int64) row { return row{i%chats + 1, i/chats + 1, 1<<60 + i, message} })
	begin := time.Now()
	err = loadData(ctx, conn, "bench_messages", write)
	return float64(n) / time.Since(begin).Seconds(), err
}

// store puts chats and messages into an application's tables as if they had been flushed long ago.
func (s *service) store(ctx context.Context, token string, sizes []int64, n int64, nth func(int64) row) (app int64, err error) {
	pool, err := s.pool()
	if err != nil {
		return 0, err
	}
	defer func() { _ = pool.Close() }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.QueryRowContext(ctx, "SELECT id FROM applications WHERE token = ?", token).Scan(&app); err != nil {
		return 0, err
	}
	for _, q := range []string{"SET sql_log_bin = 0", fmt.Sprintf("UPDATE applications SET chats_count = %d WHERE id = %d", len(sizes), app)} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	err = loadData(ctx, conn, "chats", func(w *bufio.Writer) {
		for i, size := range sizes {
			_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t1\t%s\t%s\n", app, i+1, size, stamp, stamp)
		}
	})
	if err != nil {
		return 0, err
	}
	return app, loadData(ctx, conn, "messages", writeRows(app, n, nth))
}
