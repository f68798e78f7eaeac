package main

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"chat-system/db"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

// dsn is the database's address from the variables.
func (e env) dsn() string {
	if e.DatabaseURL != "" {
		return e.DatabaseURL
	}
	c := mysql.NewConfig()
	c.Net, c.User, c.Passwd, c.DBName, c.Addr = "tcp", e.DatabaseUsername, e.DatabasePassword, e.DatabaseName, withPort(e.DatabaseHost)
	c.TLSConfig = e.DatabaseTLS
	return c.FormatDSN()
}

// withPort adds MySQL's port to a host that has none. An IPv6 address may stand in brackets.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "3306")
}

// engines are the servers that api and flusher work on.
type engines struct {
	db        *db.DB
	redis     *queue.Client
	index     *search.Elastic // nil: search is off
	readiness *readiness
}

// openEngines prepares the clients; it dials nothing yet.
func openEngines(e env, reg prometheus.Registerer, pool, waitTimeout int) (*engines, error) {
	r := newReadiness(e.log)
	d, err := db.Open(db.Config{DSN: e.dsn(), Pool: pool, WaitTimeout: waitTimeout, OnConnect: r.connected, Log: e.log})
	if err != nil {
		return nil, err
	}
	client, err := queue.Connect(e.RedisURL, r.connected)
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	en := &engines{db: d, redis: client, readiness: r}
	if len(e.ElasticsearchURLs) > 0 {
		if en.index, err = search.NewElastic(search.ElasticConfig{URLs: e.ElasticsearchURLs}); err != nil {
			en.close()
			return nil, err
		}
		r.index = en.index
	}
	reg.MustRegister(d.Collector(), client.Collector())
	r.db, r.redis, r.partitions = d, client, e.Partitions
	return en, nil
}

// wait until the database is there and migrated and Redis answers.
func (en *engines) wait(ctx context.Context, e env) error {
	err := waitFor(ctx, e, "the database", func(ctx context.Context) error { return en.db.CheckPartitions(ctx, e.Partitions) })
	if err != nil {
		return err
	}
	return waitFor(ctx, e, "Redis", en.redis.Ping)
}

func (en *engines) close() {
	if en.index != nil {
		_ = en.index.Close()
	}
	_ = errors.Join(en.redis.Close(), en.db.Close()) // the process ends
}

// elasticIndexes are the sinks of the flusher on Elasticsearch.
type elasticIndexes struct{ *search.Elastic }

// Create implements flusher.Indexes.
func (i elasticIndexes) Create(ctx context.Context) error { return i.Ensure(ctx) }

// At implements flusher.Indexes.
func (i elasticIndexes) At(name string) search.Index { return i.Elastic.At(name) }
