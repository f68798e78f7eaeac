package flusher

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

const (
	maxRows    = 3000    // entries of one transaction
	maxBytes   = 8 << 20 // bodies of one transaction
	page       = 500     // entries of one read
	commitTime = 30 * time.Second
	redisTime  = 10 * time.Second
	minPause   = 50 * time.Millisecond // after a failure, doubled up to
	maxPause   = 2 * time.Second

	// MariaDB takes statements up to 16 MiB. Escaped, a body may be twice as long, and as a dead letter seven times.
	statementBytes = 7 << 20 // bodies of one statement
	deadRows       = 30      // dead letters of one statement
)

// Config of a Flusher.
type Config struct {
	Partitions       int
	ChatThreshold    int           // flush when as many chats wait,
	MessageThreshold int           // or as many messages,
	MaxWait          time.Duration // or for so long
	Retention        time.Duration // how long what was flushed stays in the stream
	Writers          int           // transactions at once
	Log              *slog.Logger
	Metrics          prometheus.Registerer
}

// Flusher leads partitions. Several may lead the same one: they cost time, not correctness.
type Flusher struct {
	Config
	db      *db.DB
	queue   *queue.Queue
	ledger  queue.Ledger
	sinks   *sinks // nil: search is off
	writers chan struct{}
	workers []*worker
	metrics *metrics
	crowded atomic.Bool // Redis has little memory left
}

// New makes a Flusher of all partitions.
func New(c Config, d *db.DB, q *queue.Queue, ledger queue.Ledger) *Flusher {
	f := &Flusher{Config: c, db: d, queue: q, ledger: ledger, writers: make(chan struct{}, max(1, c.Writers)), metrics: newMetrics(c.Metrics)}
	for p := range c.Partitions {
		f.workers = append(f.workers, newWorker(f, p))
	}
	return f
}

// Run leads until the context ends; a batch that is being stored then is finished first.
func (f *Flusher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, w := range f.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Go(func() { f.watch(ctx) })
	wg.Go(func() { f.janitor(ctx) })
	if f.sinks != nil {
		wg.Go(func() { f.sinks.run(ctx) })
	}
	wg.Wait()
}

// watch looks at the end of every stream and wakes the workers for which something is new.
func (f *Flusher) watch(ctx context.Context) {
	all := make([]int, f.Partitions)
	seen := make([]chat.Version, f.Partitions)
	for p := range all {
		all[p] = p
	}
	tick, memory := time.NewTicker(max(f.MaxWait/4, 5*time.Millisecond)), time.NewTicker(time.Second)
	defer tick.Stop()
	defer memory.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-memory.C:
			f.lookAtMemory(ctx)
			continue
		case <-tick.C:
		}
		short, cancel := context.WithTimeout(ctx, redisTime)
		depths, err := f.queue.Depths(short, all)
		cancel()
		if err != nil {
			continue // the workers say so when they read
		}
		for p, d := range depths {
			f.metrics.depth(p, d.Entries)
			if d.Last != seen[p] {
				seen[p] = d.Last
				f.workers[p].wake()
			}
		}
	}
}

func (f *Flusher) lookAtMemory(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	crowded, err := f.queue.Crowded(ctx)
	if err != nil {
		return // the workers say so when they read
	}
	if f.crowded.Swap(crowded) != crowded && crowded {
		f.Log.Warn("Redis has little memory left: what was flushed is not retained")
	}
}

// Stored waits until a write is stored (or is a dead letter), and lets its worker begin at once.
func (f *Flusher) Stored(ctx context.Context, p int, v chat.Version) error {
	f.workers[p].wake()
	return f.workers[p].stored.wait(ctx, v)
}
