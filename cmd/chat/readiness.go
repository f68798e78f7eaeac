package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chat-system/api"
	"chat-system/db"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

// readiness knows whether the engines can serve, and whether they keep what they acknowledge.
type readiness struct {
	db         *db.DB
	redis      *queue.Client
	index      search.Index  // nil: off
	election   func() string // nil: none
	accepting  bool          // it takes writes, for which the database is not asked
	partitions int
	log        *slog.Logger
	bell       chan struct{} // rung by every new connection

	mu         sync.Mutex
	weaknesses []string // of durability; nil: none
	unfit      []string
	learned    bool
}

func newReadiness(log *slog.Logger) *readiness {
	return &readiness{log: log, bell: make(chan struct{}, 1)}
}

func (r *readiness) connected() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// watch learns about durability at start and after each new connection, until stop is called or the context ends.
func (r *readiness) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { r.follow(ctx) })
	return func() {
		cancel()
		watching.Wait()
	}
}

func (r *readiness) follow(ctx context.Context) {
	for {
		r.learn(ctx)
		pause := time.NewTimer(time.Second) // many connections come at once
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-r.bell:
		}
	}
}

func (r *readiness) learn(watching context.Context) {
	ctx, cancel := context.WithTimeout(watching, 5*time.Second)
	defer cancel()
	redis, err := r.redis.Durability(ctx)
	if err != nil {
		redis.Weaknesses = append(redis.Weaknesses, "Redis could not be asked whether it syncs every write")
	}
	mysql, err := r.db.Durability(ctx)
	if err != nil {
		mysql = append(mysql, "MySQL could not be asked whether it syncs every commit")
	}
	if watching.Err() != nil {
		return // nothing was learned
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(redis.Weaknesses, mysql...)
	for _, w := range append(append([]string(nil), all...), redis.Unfit...) {
		if !slices.Contains(r.weaknesses, w) && !slices.Contains(r.unfit, w) {
			r.log.Warn("durability is weakened", "why", w)
		}
	}
	r.weaknesses, r.unfit, r.learned = all, redis.Unfit, true
}

// weakened says by what durability is, a sentence each.
func (r *readiness) weakened() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.learned {
		return []string{"Whether every write is synced is not known yet."}
	}
	var all []string
	for _, w := range slices.Concat(r.unfit, r.weaknesses) {
		all = append(all, w+".")
	}
	return all
}

// Check implements api.Readiness.
func (r *readiness) Check(ctx context.Context) []api.Check {
	var checks []api.Check
	add := func(name string, status api.CheckStatus, detail string) {
		checks = append(checks, api.Check{Name: name, Status: status, Detail: detail})
	}
	var database, redis, index error
	var asked sync.WaitGroup // at once: one that hangs leaves no time for the others
	asked.Go(func() { database = r.db.CheckPartitions(ctx, r.partitions) })
	asked.Go(func() { redis = r.redis.Ping(ctx) })
	if r.index != nil {
		asked.Go(func() { index = r.index.Ready(ctx) })
	}
	asked.Wait()
	switch {
	case database == nil:
		add("database", api.OK, "")
	case r.accepting && !errors.Is(database, db.ErrPartitions) && !errors.Is(database, db.ErrNotMigrated):
		// all pods have the same one: were they not ready, nobody would accept messages either
		add("database", api.Warning, "The database does not answer: messages are accepted, and can't be read.")
		r.log.Warn("the database does not answer", "error", database)
	default:
		add("database", api.Failed, "The database does not answer, is not migrated, or has another number of partitions.")
		r.log.Warn("not ready", "database", database)
	}
	if redis != nil {
		add("redis", api.Failed, "Redis does not answer.")
		r.log.Warn("not ready", "redis", redis)
	} else {
		add("redis", api.OK, "")
	}
	if r.election != nil {
		if problem := r.election(); problem != "" {
			add("election", api.Failed, problem)
		} else {
			add("election", api.OK, "")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.learned {
		add("durability", api.Warning, "Whether every write is synced is not known yet.")
	}
	for _, w := range r.unfit {
		add("durability", api.Failed, w+".")
	}
	for _, w := range r.weaknesses {
		add("durability", api.Warning, w+".")
	}
	if r.index != nil {
		if index != nil {
			add("search", api.Warning, "Search does not answer; messages are accepted and read.")
		} else {
			add("search", api.OK, "")
		}
	}
	return checks
}
