package main

import (
	"fmt"
	"time"
)

const million = 1_000_000

// memory: what a pod holds when idle and under load, and a flusher that finds a million messages queued.
func memory(b *bench) error {
	s, err := b.service()
	if err != nil {
		return err
	}
	api, err := b.start(append(s.env, "QUEUE_MAX_ENTRIES=50000000"), "api")
	if err != nil {
		return err
	}
	<-time.After(2 * time.Second) // what the start left behind is given back or not
	idle := api.resident()
	token, err := tenant(api.addr)
	if err != nil {
		return err
	}
	before, err := positionsOf(b, s)
	if err != nil {
		return err
	}
	var loaded float64
	for sent := int64(0); sent < million; loaded = max(loaded, api.resident()) {
		n, err := b.fill(api, token, 1)
		if err != nil {
			return err
		}
		sent += n
	}
	flusher, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	var resident float64
	for last := before; ; {
		resident = max(resident, flusher.resident())
		<-time.After(500 * time.Millisecond)
		now, err := positionsOf(b, s)
		if err != nil {
			return err
		}
		if now == last && now != before {
			break
		}
		last = now
	}
	b.add(figure{"memory of an idle pod", "", "≤ 48 MiB", "", fmt.Sprintf("%.0f MiB", idle)})
	b.add(figure{"memory of a pod under load", "", "≤ 200 MiB", "", fmt.Sprintf("%.0f MiB", loaded)})
	b.add(figure{"memory of a flusher with 1M queued", "", "≤ 200 MiB", "", fmt.Sprintf("%.0f MiB", resident)})
	return nil
}

func positionsOf(b *bench, s *service) (int64, error) {
	pool, err := s.pool()
	if err != nil {
		return 0, err
	}
	defer func() { _ = pool.Close() }()
	n, err := positions(b.ctx, pool)
	return n.Int64, err
}
