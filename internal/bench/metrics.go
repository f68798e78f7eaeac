package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	idleScrapes  = 200 // whose processor time is measured
	scrapedTurns = 4   // times the usual rounds: what is looked for is smaller than what a round differs from the next
)

// scraped: POST while both ports of metrics are asked every second, which is fifteen times as often as Prometheus does by
// default, against POST alone. The machine's swings are larger than the difference, so the processor time of a scrape is
// printed too, which is measured while nothing else happens.
func scraped(b *bench) error {
	s, api, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	flusher, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	scrape := func() error {
		for _, addr := range []string{api.ops, flusher.ops} {
			r, err := http.Get("http://" + addr + "/metrics") //nolint:noctx // our own port
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
	pids := map[string]int{"api": api.cmd.Process.Pid, "flusher": flusher.cmd.Process.Pid}
	before := used(pids)
	for range idleScrapes {
		if err := scrape(); err != nil {
			return err
		}
	}
	cost := (used(pids) - before) * 1000 / idleScrapes

	defer func(rounds int) { b.rounds = rounds }(b.rounds)
	b.rounds *= scrapedTurns
	alone := b.side(api, s, 64, "202", post(token, 0, false))
	bases, all, err := b.turns(alone, func() (*load, error) {
		ctx, stop := context.WithCancel(b.ctx)
		defer stop()
		failed := make(chan error, 1)
		go func() { failed <- every(ctx, time.Second, scrape) }()
		l, err := alone()
		stop()
		if scrapeErr := <-failed; err == nil {
			err = scrapeErr
		}
		return l, err
	})
	if err != nil {
		return err
	}
	rate, _ := ratios(bases, all)
	b.add(figure{"POST message, 64 connections, metrics scraped each second", "not scraped", "0.98", "1.00",
		fmt.Sprintf("%.2f; a scrape of a pod and a flusher takes %.1f ms of processor", rate, cost)})
	return nil
}

// every calls f at once and then every so often, until the context ends or f fails.
func every(ctx context.Context, pause time.Duration, f func() error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
