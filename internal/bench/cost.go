package main

import (
	"fmt"
	"maps"
	"math"
	"strconv"
)

// costRow is a line of the table of costs: µs of processor that all processes of the service together take.
type costRow struct {
	chats, stored                        int64
	accepted, first, flushed, read, page float64
}

// costOf measures what a message costs where so many chats hold 10^4, 10^5, … messages, each in a service of its own.
// What a connection waits for is left out: processor time grows with the work, not with the neighbours.
func costOf(chats int64) func(b *bench) error {
	return func(b *bench) error {
		for p := 4; p <= b.scale; p++ {
			c := costRow{chats: chats, stored: int64(math.Pow10(p))}
			if err := b.cost(&c); err != nil {
				return err
			}
			fmt.Printf("   %+v\n", c)
			b.costs = append(b.costs, c)
			b.cleanup()
		}
		return nil
	}
}

func (b *bench) cost(c *costRow) error {
	s, err := b.service()
	if err != nil {
		return err
	}
	api, err := b.start(append(s.env, "QUEUE_MAX_ENTRIES=50000000"), "api")
	if err != nil {
		return err
	}
	token, err := application(api.addr)
	if err != nil {
		return err
	}
	sizes := make([]int64, c.chats)
	for i := range sizes {
		sizes[i] = (c.stored + c.chats - 1 - int64(i)) / c.chats
	}
	_, err = s.store(b.ctx, token, sizes, c.stored, byChat(sizes))
	if err != nil {
		return err
	}
	filled := min(c.chats, c.stored) // chats that have a message
	perChat := max(1, c.stored/c.chats)
	pids := maps.Clone(s.pids)
	pids["api"] = api.cmd.Process.Pid
	under := func(status string, r request) (µs float64, requests int64, err error) {
		before := used(pids)
		l, err := drive(api.addr, 64, b.seconds, status, r)
		if err != nil {
			return 0, 0, err
		}
		if l.failed > 0 {
			return 0, 0, fmt.Errorf("%d of %d requests failed", l.failed, l.requests)
		}
		return (used(pids) - before) * 1e6 / float64(l.requests), l.requests, nil
	}
	path := "/applications/" + token + "/chats/"
	if c.read, _, err = under("200", getOf(func(conn, n int) string {
		return path + itoa(spread(conn, n, 1)%filled+1) + "/messages/" + itoa(spread(conn, n, 2)%perChat+1)
	})); err != nil {
		return err
	}
	if c.page, _, err = under("200", getOf(func(conn, n int) string {
		return path + itoa(spread(conn, n, 1)%filled+1) + "/messages?after=" + itoa(spread(conn, n, 2)%max(1, perChat-49))
	})); err != nil {
		return err
	}
	var sent, n int64
	if c.chats > 1 { // as far as the time goes
		c.first, n, err = under("202", postOf(token, func(conn, n int) int64 {
			if i := int64(n*64 + conn); i < c.chats {
				return i + 1
			}
			return 0
		}))
		if err != nil {
			return err
		}
		sent += n
	}
	known := max(sent, 1) // chats whose counter is in Redis
	c.accepted, n, err = under("202", postOf(token, func(conn, n int) int64 { return spread(conn, n, 3)%known + 1 }))
	if err != nil {
		return err
	}
	sent += n
	before := used(pids)
	flusher, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	if err := b.drained(s); err != nil {
		return err
	}
	c.flushed = (used(pids) - before + cpu(flusher.cmd.Process.Pid)) * 1e6 / float64(sent)
	return nil
}

// byChat goes through the messages of chats of such sizes, chat by chat, which is the order of the table.
func byChat(sizes []int64) func(int64) row {
	chat, number := 0, int64(0)
	return func(i int64) row {
		for number == sizes[chat] {
			chat, number = chat+1, 0
		}
		number++
		return row{int64(chat + 1), number, i + 1, message}
	}
}

// used is the processor time of all processes, in seconds.
func used(pids map[string]int) (seconds float64) {
	for _, pid := range pids {
		seconds += cpu(pid)
	}
	return seconds
}

// spread gives a number that looks random.
func spread(conn, n, salt int) int64 {
	x := uint64(conn)<<40 ^ uint64(n)<<8 ^ uint64(salt) //nolint:gosec // any bits will do
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int64((x ^ x>>31) >> 1)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
