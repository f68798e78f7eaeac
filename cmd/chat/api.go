package main

import (
	"context"
	"errors"
	"net"

	"chat-system/api"
	"chat-system/flusher"
	"chat-system/internal/monitor"
	"chat-system/internal/queue"
	"chat-system/internal/search"
	"chat-system/internal/store"
	"chat-system/internal/telemetry"
)

const apiPool = 32 // connections to the database

func runAPI(ctx context.Context, e env) error {
	reg := telemetry.NewRegistry()
	en, err := openEngines(e, reg, apiPool, 0)
	if err != nil {
		return err
	}
	defer en.close()
	spans, err := traces(ctx, e, "chat-system-api", reg)
	if err != nil {
		return err
	}
	defer spans.Stop()
	if e.WriteQuorum > 0 && en.redis.Cluster() {
		return errors.New("WRITE_QUORUM must be 0 with a Redis Cluster: its client can't wait for the replicas of a write")
	}
	en.readiness.accepting = true
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
	q := queue.New(queue.Config{
		Partitions: e.Partitions, MaxEntries: e.QueueMaxEntries, WriteQuorum: e.WriteQuorum, Shebang: true, Log: e.log, Metrics: reg, Tracer: spans.Sampled,
	}, en.redis, store.Ledger{DB: en.db})
	var index search.Index
	var indexes flusher.Indexes
	if en.index != nil {
		index, indexes = en.index, elasticIndexes{en.index}
	}
	s := store.New(en.db, q, index, true)
	reg.MustRegister(s.Collector())
	c := api.Config{
		Store: s, Log: e.log, Health: health, TrustedProxies: e.TrustedProxies, AdminToken: e.AdminToken, Metrics: reg, Tracer: spans.Requests,
		Monitor: monitor.New(monitor.Config{
			AdminToken: e.AdminToken, Store: s, DB: en.db, Queue: q, Redis: en.redis, Index: index, Indexes: indexes,
			Names: monitor.Names{Redis: "Redis", Database: "MySQL", Search: "Elasticsearch"}, Durability: en.readiness.weakened,
			BackupsURL: e.BackupsURL, Settings: settings("api", e.environ), Log: e.log,
		}),
	}
	if e.RateLimit > 0 {
		c.Limiter = api.NewRedisLimiter(en.redis.Redis(), e.RateLimit)
	}
	return serve(ctx, e, c, func(a net.Addr) { e.log.Info("serving", "address", a.String()) })
}
