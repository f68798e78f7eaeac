package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	idleScrapes = 200 // whose processor time is measured
	besideTurns = 4   // times the usual rounds: what is looked for is smaller than what a round differs from the next
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

	rate, err := b.beside(b.side(api, s, 64, "202", post(token, 0, false)), time.Second, scrape)
	if err != nil {
		return err
	}
	b.add(figure{"POST message, 64 connections, metrics scraped each second", "not scraped", "0.98", "1.00",
		fmt.Sprintf("%.2f; a scrape of a pod and a flusher takes %.1f ms of processor", rate, cost)})
	return nil
}

const people = 10 // who look at the page at once

// watched: POST to a pod while ten people look at its monitoring page, each of which asks once a second, against POST alone.
func watched(b *bench) error {
	s, first, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	first.stop() // it made the application without a token, and is not needed any more
	const adminToken = "bench"
	api, err := b.start(append(slices.Clone(s.env), "QUEUE_MAX_ENTRIES=50000000", "ADMIN_TOKEN="+adminToken), "api")
	if err != nil {
		return err
	}
	if _, err := b.start(s.env, "flusher"); err != nil {
		return err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	visitor := &http.Client{Jar: jar}
	page := "http://" + api.addr + "/monitor"
	ask := func(method, path string, form url.Values) error {
		request, err := http.NewRequestWithContext(b.ctx, method, page+path, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r, err := visitor.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusOK {
			return errors.New(r.Request.URL.Path + ": " + r.Status)
		}
		_, err = io.Copy(io.Discard, r.Body)
		return err
	}
	if err := ask(http.MethodPost, "/sign-in", url.Values{"token": {adminToken}}); err != nil {
		return err
	}
	rate, err := b.beside(b.side(api, s, 64, "202", post(token, 0, false)), time.Second/people, func() error {
		return ask(http.MethodGet, "/data", nil)
	})
	if err != nil {
		return err
	}
	b.add(figure{fmt.Sprintf("POST message, 64 connections, %d people at /monitor", people), "nobody there", "0.95", "1.00", fmt.Sprintf("%.2f", rate)})
	return nil
}

// beside takes turns of a load alone and of the same while f is called every so often, and gives the ratio of their rates.
func (b *bench) beside(alone func() (*load, error), pause time.Duration, f func() error) (rate float64, err error) {
	defer func(rounds int) { b.rounds = rounds }(b.rounds)
	b.rounds *= besideTurns
	bases, all, err := b.turns(alone, func() (*load, error) {
		ctx, stop := context.WithCancel(b.ctx)
		defer stop()
		failed := make(chan error, 1)
		go func() { failed <- every(ctx, pause, f) }()
		l, err := alone()
		stop()
		if besideErr := <-failed; err == nil {
			err = besideErr
		}
		return l, err
	})
	if err != nil {
		return 0, err
	}
	rate, _ = ratios(bases, all)
	return rate, nil
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
