package main

import (
	"context"
	"os"

	"chat-system/api"
	"chat-system/flusher"
	"chat-system/internal/queue"
	"chat-system/internal/store"
	"chat-system/internal/telemetry"
)

const (
	flushWriters = 2 // transactions at once: more gain little on one server
	flushPool    = 8
	// A flusher that was paused in its transaction holds the cursor's lock; the server gives it up after so many seconds.
	flushWaitTimeout = 5
)

// election of the shards that this process leads.
type election interface {
	flusher.Election
	Problem() string // a sentence about what keeps this process from taking part, empty: nothing does
}

func runFlusher(ctx context.Context, e env) error {
	reg := telemetry.NewRegistry()
	en, err := openEngines(e, reg, flushPool, flushWaitTimeout)
	if err != nil {
		return err
	}
	defer en.close()
	spans, err := traces(ctx, e, "chat-system-flusher", reg)
	if err != nil {
		return err
	}
	defer spans.Stop()
	c := flusherConfig(e, reg, spans)
	c.Name, _ = os.Hostname() // a pod's is its name; without one it is not told
	if e.LeaderElection == "kubernetes" {
		election, err := elect(e)
		if err != nil {
			return err
		}
		c.Election, en.readiness.election = election, election.Problem
	}
	health := api.NewHealth(en.readiness)
	closeOps, err := operations(ctx, e, reg, health)
	if err != nil {
		return err
	}
	defer closeOps()
	if err := en.wait(ctx, e); err != nil {
		return err
	}
	defer en.readiness.watch(ctx)()
	health.Started()
	ledger := store.Ledger{DB: en.db}
	q := queue.New(queue.Config{
		Partitions: e.Partitions, MaxEntries: e.QueueMaxEntries, Shebang: true, Log: e.log, Metrics: reg, Flushes: true,
	}, en.redis, ledger)
	f := flusher.New(c, en.db, q, ledger)
	if en.index != nil {
		f.Search(elasticIndexes{en.index}, e.SearchBacklogMax)
	}
	e.log.Info("flushing", "partitions", e.Partitions, "shards", e.Shards, "election", e.LeaderElection)
	f.Run(ctx)
	e.log.Info("stopped; every batch that was begun is stored")
	return nil
}
