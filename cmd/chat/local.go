package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"

	"chat-system/api"
	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/localredis"
	"chat-system/internal/monitor"
	"chat-system/internal/queue"
	"chat-system/internal/search"
	"chat-system/internal/store"
	"chat-system/internal/telemetry"
)

// local is the whole service in this process, on engines that live in it. A write is acknowledged once it is in SQLite.
func local(ctx context.Context, e env) error {
	if e.Partitions != 1 {
		return errors.New("PARTITIONS must be 1 in local mode, where a chat is stored before its messages")
	}
	if err := os.MkdirAll(e.DataDir, 0o700); err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	lock := flock.New(filepath.Join(e.DataDir, "lock"))
	if mine, err := lock.TryLock(); err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	} else if !mine {
		return fmt.Errorf("DATA_DIR %s is in use by another process", e.DataDir)
	}
	defer func() { _ = lock.Unlock() }()

	d, err := db.OpenSQLite(ctx, filepath.Join(e.DataDir, "chat.db"))
	if err != nil {
		return fmt.Errorf("DATA_DIR %s: chat.db: %w", e.DataDir, err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(ctx, e.Partitions, e.log); err != nil {
		return fmt.Errorf("DATA_DIR %s: %w", e.DataDir, err)
	}
	index, err := openIndex(filepath.Join(e.DataDir, "search"), e.log)
	if err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	defer func() { _ = index.Close() }()
	redis, err := localredis.Start()
	if err != nil {
		return err
	}
	defer redis.Close()
	client := queue.ConnectEmbedded(redis.Dial)
	defer func() { _ = client.Close() }()

	reg := telemetry.NewRegistry()
	spans, err := traces(ctx, e, "chat-system", reg)
	if err != nil {
		return err
	}
	defer spans.Stop()
	ledger := store.Ledger{DB: d}
	var f *flusher.Flusher
	q := queue.New(queue.Config{
		Partitions: e.Partitions, MaxEntries: e.QueueMaxEntries, Log: e.log, Metrics: reg, Tracer: spans.Sampled,
		Stored: func(ctx context.Context, p int, v chat.Version) error { return f.Stored(ctx, p, v) },
	}, client, ledger)
	f = flusher.New(flusherConfig(e, reg, spans), d, q, ledger)
	indexes := &localIndexes{index: index}
	f.Search(indexes, e.SearchBacklogMax)

	health := api.NewHealth(localReadiness{d, index})
	closeOps, err := operations(ctx, e, reg, health)
	if err != nil {
		return err
	}
	defer closeOps()
	// the flusher outlives the server: what was accepted is stored before it is answered
	flushing, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { f.Run(flushing) })
	defer done.Wait()
	defer stop()
	s := store.New(d, q, index, false)
	reg.MustRegister(d.Collector(), client.Collector(), s.Collector())
	c := api.Config{
		Store: s, Log: e.log, Health: health, TrustedProxies: e.TrustedProxies, AdminToken: e.AdminToken, Metrics: reg, Tracer: spans.Requests,
		Monitor: monitor.New(monitor.Config{
			AdminToken: e.AdminToken, Open: loopback(e.ListenAddr), Local: true, Store: s, DB: d, Queue: q, Redis: client, Index: index, Indexes: indexes,
			Names:    monitor.Names{Redis: "Queue (in this process)", Database: "SQLite", Search: "Search (in this process)"},
			Settings: settings("local", e.environ), Log: e.log,
		}),
	}
	if e.RateLimit > 0 {
		c.Limiter = api.NewRedisLimiter(client.Redis(), e.RateLimit)
	}
	return serve(ctx, e, c, func(a net.Addr) {
		_, _ = fmt.Fprintf(e.out, "chat-system is ready: http://%s. Its page: http://%s/monitor, its API: http://%s/docs. Data: %s. Ctrl-C ends it.\n", a, a, a, e.DataDir)
	})
}

func flusherConfig(e env, reg prometheus.Registerer, spans *telemetry.Traces) flusher.Config {
	return flusher.Config{
		Partitions: e.Partitions, ChatThreshold: e.ChatThreshold, MessageThreshold: e.MessageThreshold, MaxWait: e.FlushMaxWait,
		Retention: e.FlushedRetention, Writers: flushWriters, Shards: e.Shards, Log: e.log, Metrics: reg, Tracer: spans.Sampled,
	}
}

// openIndex opens the search index. What is damaged is removed: the flusher fills an empty index from the tables.
func openIndex(dir string, log *slog.Logger) (*search.Local, error) {
	index, err := search.OpenLocal(dir)
	if err == nil {
		var empty bool
		if empty, err = index.Empty(); err == nil && !empty {
			return index, nil
		}
		if err := index.Close(); err != nil {
			return nil, err
		}
	}
	if err != nil {
		log.Warn("the search index is damaged and is built anew", "error", err)
	}
	if err := os.RemoveAll(dir); err != nil { // also files that an index took for none, since they could not be read
		return nil, err
	}
	return search.OpenLocal(dir)
}

// localIndexes is the one index of local mode. An empty one may have been made anew, after its folder was removed.
type localIndexes struct {
	index *search.Local
	ready atomic.Bool
}

// Current implements flusher.Indexes.
func (i *localIndexes) Current(context.Context) (string, error) {
	if !i.ready.Load() {
		empty, err := i.index.Empty()
		if err != nil {
			return "", err
		}
		if empty {
			return "", search.ErrNoIndex
		}
		i.ready.Store(true)
	}
	return "local", nil
}

// Create implements flusher.Indexes.
func (i *localIndexes) Create(context.Context) error {
	i.ready.Store(true)
	return nil
}

// Exists implements flusher.Indexes.
func (i *localIndexes) Exists(context.Context, string) (bool, error) { return true, nil }

// At implements flusher.Indexes.
func (i *localIndexes) At(string) search.Index { return unclosed{i.index} }

// unclosed is an index that belongs to somebody else.
type unclosed struct{ search.Index }

// Close leaves it open.
func (unclosed) Close() error { return nil }

type localReadiness struct {
	db    *db.DB
	index search.Index
}

// Check implements api.Readiness.
func (r localReadiness) Check(ctx context.Context) []api.Check {
	checks := []api.Check{{Name: "database", Status: api.OK}, {Name: "search", Status: api.OK}}
	if err := r.db.Ping(ctx); err != nil {
		checks[0] = api.Check{Name: "database", Status: api.Failed, Detail: "The database file can't be read."}
	}
	if err := r.index.Ready(ctx); err != nil {
		checks[1] = api.Check{Name: "search", Status: api.Warning, Detail: "Search does not answer."}
	}
	return checks
}
