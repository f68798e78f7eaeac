package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"
)

const chats = 100 // of the tenant that is written to

const body = `{"body":"` + message + `"}`

// post is the n-th message of a connection; with key, under a key of its own.
func post(token string, run int64, key bool) request {
	return func(buf []byte, conn, n int) []byte {
		buf = startPost(buf, token, int64((conn+n)%chats+1))
		if key {
			buf = append(buf, "Idempotency-Key: \""...)
			buf = strconv.AppendInt(buf, run, 36)
			buf = append(buf, '-')
			buf = strconv.AppendInt(buf, int64(conn), 10)
			buf = append(buf, '-')
			buf = strconv.AppendInt(buf, int64(n), 10)
			buf = append(buf, "\"\r\n"...)
		}
		return append(buf, "\r\n"+body...)
	}
}

// varied is post with letters at random in each body, which compress worse than what people write.
func varied(token string) request {
	same := post(token, 0, false)
	return func(buf []byte, conn, n int) []byte {
		buf = same(buf, conn, n)
		text := buf[len(buf)-len(`"}`)-len(message) : len(buf)-len(`"}`)]
		for i := range text {
			text[i] = 'a' + byte(rand.N(26)) //nolint:gosec // no secret
		}
		return buf
	}
}

// postOf posts to the chat that a function gives; 0 ends it.
func postOf(token string, chat func(conn, n int) int64) request {
	return func(buf []byte, conn, n int) []byte {
		c := chat(conn, n)
		if c == 0 {
			return nil
		}
		return append(startPost(buf, token, c), "\r\n"+body...)
	}
}

func startPost(buf []byte, token string, chat int64) []byte {
	buf = append(buf, "POST /applications/"...)
	buf = append(buf, token...)
	buf = append(buf, "/chats/"...)
	buf = strconv.AppendInt(buf, chat, 10)
	buf = append(buf, "/messages HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	buf = strconv.AppendInt(buf, int64(len(body)), 10)
	return append(buf, "\r\nHost: bench\r\n"...)
}

// get reads one of the first fifty messages of one of the tenant's chats.
func get(token string) request {
	return getOf(func(conn, n int) string {
		return "/applications/" + token + "/chats/" + strconv.Itoa((conn*7+n)%chats+1) + "/messages/" + strconv.Itoa((conn*31+n/chats)%50+1)
	})
}

// getOf gets the path that a function gives.
func getOf(path func(conn, n int) string) request {
	return func(buf []byte, conn, n int) []byte {
		buf = append(append(buf, "GET "...), path(conn, n)...)
		return append(buf, " HTTP/1.1\r\nHost: bench\r\n\r\n"...)
	}
}

// side is one side of a comparison. What its requests cost every process is printed with its rate.
func (b *bench) side(p *process, s *service, conns int, status string, r request) func() (*load, error) {
	return func() (*load, error) {
		pids := map[string]int{"server": p.cmd.Process.Pid}
		if s != nil {
			maps.Copy(pids, s.pids)
		}
		cost := costs(pids)
		l, err := drive(p.addr, conns, b.seconds, status, r)
		if err == nil {
			fmt.Printf("      µs of processor a request:%s\n", cost(l.requests))
		}
		return l, err
	}
}

// posts: durable POST against the bare handler, at 256 and at 64 connections. The flusher runs between the turns only
// through what the queue can hold; it has a figure of its own.
func posts(b *bench) error {
	s, api, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	bareP, err := b.startBare()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		conns        int
		atLeast, aim string
	}{{256, "0.50, p99 ≤ 4×", "0.70, p99 ≤ 3×"}, {64, "0.38", "0.50"}} {
		bases, all, err := b.turns(
			b.side(bareP, nil, c.conns, "202", post(token, 0, false)),
			b.side(api, s, c.conns, "202", post(token, 0, false)))
		if err != nil {
			return err
		}
		rate, p99 := ratios(bases, all)
		b.add(figure{fmt.Sprintf("POST message, %d connections", c.conns), "bare Fiber", c.atLeast, c.aim, fmt.Sprintf("%.2f, p99 %.1f×", rate, p99)})
	}
	return nil
}

func keys(b *bench) error {
	s, api, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	bases, all, err := b.turns(
		b.side(api, s, 64, "202", post(token, 0, false)),
		func() (*load, error) {
			return drive(api.addr, 64, b.seconds, "202", post(token, time.Now().UnixNano(), true))
		})
	if err != nil {
		return err
	}
	rate, _ := ratios(bases, all)
	b.add(figure{"POST with Idempotency-Key, 64 connections", "without", "0.7", "0.9", fmt.Sprintf("%.2f", rate)})
	return nil
}

func gets(b *bench) error {
	s, api, token, err := b.serving()
	if err != nil {
		return err
	}
	bareP, err := b.startBare()
	if err != nil {
		return err
	}
	flusher, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	for c := range chats {
		for range 50 {
			var n any
			if err := call(api.addr, "POST", fmt.Sprintf("/applications/%s/chats/%d/messages", token, c+1), map[string]string{"body": message}, &n); err != nil {
				return err
			}
		}
	}
	if err := b.drained(s); err != nil {
		return err
	}
	flusher.stop()
	bases, all, err := b.turns(
		b.side(bareP, nil, 64, "200", get(token)), b.side(api, s, 64, "200", get(token)))
	if err != nil {
		return err
	}
	rate, _ := ratios(bases, all)
	b.add(figure{"GET message (stored), 64 connections", "bare Fiber", "0.30", "0.55", fmt.Sprintf("%.2f", rate)})
	return nil
}
