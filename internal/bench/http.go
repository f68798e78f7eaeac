package main

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

const chats = 100 // of the tenant that is written to

const body = `{"body":"` + message + `"}`

// post is the n-th message of a connection; with key, under a key of its own.
func post(addr, token string, run int64, key bool) request {
	return func(buf []byte, conn, n int) []byte {
		buf = append(buf, "POST /applications/"...)
		buf = append(buf, token...)
		buf = append(buf, "/chats/"...)
		buf = strconv.AppendInt(buf, int64((conn+n)%chats+1), 10)
		buf = append(buf, "/messages HTTP/1.1\r\nHost: "...)
		buf = append(buf, addr...)
		buf = append(buf, "\r\nContent-Type: application/json\r\n"...)
		if key {
			buf = append(buf, "Idempotency-Key: \""...)
			buf = strconv.AppendInt(buf, run, 36)
			buf = append(buf, '-')
			buf = strconv.AppendInt(buf, int64(conn), 10)
			buf = append(buf, '-')
			buf = strconv.AppendInt(buf, int64(n), 10)
			buf = append(buf, "\"\r\n"...)
		}
		buf = append(buf, "Content-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(body)), 10)
		buf = append(buf, "\r\n\r\n"...)
		return append(buf, body...)
	}
}

func get(addr, token string) request {
	return func(buf []byte, conn, n int) []byte {
		buf = append(buf, "GET /applications/"...)
		buf = append(buf, token...)
		buf = append(buf, "/chats/"...)
		buf = strconv.AppendInt(buf, int64((conn*7+n)%chats+1), 10)
		buf = append(buf, "/messages/"...)
		buf = strconv.AppendInt(buf, int64((conn*31+n/chats)%50+1), 10)
		buf = append(buf, " HTTP/1.1\r\nHost: "...)
		buf = append(buf, addr...)
		return append(buf, "\r\n\r\n"...)
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
	s, err := b.service()
	if err != nil {
		return err
	}
	bareP, err := b.startBare()
	if err != nil {
		return err
	}
	api, err := b.start(append(s.env, "QUEUE_MAX_ENTRIES=50000000"), "api")
	if err != nil {
		return err
	}
	idle := api.resident()
	token, err := tenant(api.addr)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		conns   int
		atLeast string
	}{{256, "0.50, p99 ≤ 4×"}, {64, "0.38"}} {
		bases, all, err := b.turns(
			b.side(bareP, nil, c.conns, "202", post(bareP.addr, token, 0, false)),
			b.side(api, s, c.conns, "202", post(api.addr, token, 0, false)))
		if err != nil {
			return err
		}
		rate, p99 := ratios(bases, all)
		b.add(figure{fmt.Sprintf("POST message, %d connections", c.conns), "bare Fiber", c.atLeast, fmt.Sprintf("%.2f, p99 %.1f×", rate, p99)})
	}
	b.add(figure{"memory of a pod, idle and under load", "", "≤ 48, ≤ 200 MiB", fmt.Sprintf("%.0f, %.0f MiB", idle, api.resident())})
	return nil
}

func keys(b *bench) error {
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
	bases, all, err := b.turns(
		b.side(api, s, 64, "202", post(api.addr, token, 0, false)),
		func() (*load, error) {
			return drive(api.addr, 64, b.seconds, "202", post(api.addr, token, time.Now().UnixNano(), true))
		})
	if err != nil {
		return err
	}
	rate, _ := ratios(bases, all)
	b.add(figure{"POST with Idempotency-Key, 64 connections", "without", "0.7", fmt.Sprintf("%.2f", rate)})
	return nil
}

func gets(b *bench) error {
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
	flusher, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	token, err := tenant(api.addr)
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
		b.side(bareP, nil, 64, "200", get(bareP.addr, token)), b.side(api, s, 64, "200", get(api.addr, token)))
	if err != nil {
		return err
	}
	rate, _ := ratios(bases, all)
	b.add(figure{"GET message (stored), 64 connections", "bare Fiber", "0.30", fmt.Sprintf("%.2f", rate)})
	return nil
}
