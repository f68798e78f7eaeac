package flusher

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

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
	Shards           int           // into how many the partitions are dealt
	Election         Election      // nil: every shard is led
	Name             string        // by which people know this process; empty: it is not told
	CommitTime       time.Duration // how long a transaction may take; 0: 30s
	StepTime         time.Duration // how long what is put into an index at once may take; 0: 1min
	Closing          time.Duration // how long a partition stays closed by a restore that was killed; 0: 30s
	Log              *slog.Logger
	Metrics          prometheus.Registerer
	Tracer           trace.Tracer // for what follows on a sampled span; nil: no spans
}

// Election decides which shards a Flusher leads.
type Election interface {
	// Run calls lead for each shard that is won, in a goroutine of its own, and ends lead's context when the shard is to be
	// given up. It returns when ctx has ended and every lead has returned.
	Run(ctx context.Context, lead func(ctx context.Context, shard int))
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

// New makes a Flusher, which leads nothing until it runs.
func New(c Config, d *db.DB, q *queue.Queue, ledger queue.Ledger) *Flusher {
	c.Shards, c.Closing = max(1, c.Shards), cmp.Or(c.Closing, closeTime)
	c.CommitTime, c.StepTime = cmp.Or(c.CommitTime, commitTime), cmp.Or(c.StepTime, stepTime)
	f := &Flusher{Config: c, db: d, queue: q, ledger: ledger, writers: make(chan struct{}, max(1, c.Writers))}
	for p := range c.Partitions {
		f.workers = append(f.workers, newWorker(f, p))
	}
	f.metrics = newMetrics(f)
	return f
}

// Run leads what it wins until the context ends; a batch that is being stored then is finished first.
func (f *Flusher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if f.Election != nil {
		wg.Go(func() { f.Election.Run(ctx, f.lead) })
	} else {
		for shard := range f.Shards {
			wg.Go(func() { f.lead(ctx, shard) })
		}
	}
	changed := make(chan struct{}, 1)
	wg.Go(func() { f.watch(ctx, changed) })
	wg.Go(func() { f.look(ctx, changed) })
	wg.Go(func() { f.janitor(ctx) })
	wg.Go(func() { f.census(ctx) })
	if f.sinks != nil {
		wg.Go(func() { f.sinks.run(ctx) })
	}
	wg.Wait()
}

// lead flushes the partitions of a shard, those whose number modulo Shards it is, until the context ends.
func (f *Flusher) lead(ctx context.Context, shard int) {
	var wg sync.WaitGroup
	for p := shard; p < f.Partitions; p += f.Shards {
		f.workers[p].backlog.leave() // another process may have moved it since
		if f.sinks != nil {
			for _, b := range f.sinks.backlogs.of(p) {
				b.leave()
			}
		}
		f.workers[p].leads.Store(true)
		wg.Go(func() { f.workers[p].run(ctx) })
	}
	if f.sinks != nil {
		f.sinks.wake()
	}
	f.metrics.leads(shard, true)
	f.Log.Info("leading a shard", "shard", shard, "shards", f.Shards)
	wg.Wait()
	f.metrics.leads(shard, false)
	f.Log.Info("leading a shard no more", "shard", shard)
}

// led gives the partitions that are led now.
func (f *Flusher) led() []int {
	var ps []int
	for p, w := range f.workers {
		if w.leads.Load() {
			ps = append(ps, p)
		}
	}
	return ps
}

// chief says whether this process does what one process is to do for all: it leads the first partition.
func (f *Flusher) chief() bool { return f.workers[0].leads.Load() }

// look sees, and tells, what is for people and metrics; at once after what is led has changed. A Redis that hangs holds it up
// and not the workers.
func (f *Flusher) look(ctx context.Context, changed <-chan struct{}) {
	second := time.NewTicker(lookEvery)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			f.lookAtBacklogs(ctx, f.led())
		case <-second.C:
			f.lookAtMemory(ctx)
			f.lookAtBacklogs(ctx, f.led())
			f.tell(ctx, f.led())
		}
	}
}

// watch looks at the end of every stream and wakes the workers for which something is new.
func (f *Flusher) watch(ctx context.Context, changed chan<- struct{}) {
	seen := make([]chat.Version, f.Partitions)
	var told []int // partitions that are among the metrics
	// The thresholds count before a long MaxWait ends.
	tick := time.NewTicker(min(max(f.MaxWait/4, 5*time.Millisecond), 25*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		led := f.led()
		for _, p := range told {
			if !slices.Contains(led, p) {
				f.metrics.entries.DeleteLabelValues(label(p)) // its leader tells it
			}
		}
		if !slices.Equal(led, told) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		told = led
		if len(led) == 0 {
			continue
		}
		short, cancel := context.WithTimeout(ctx, redisTime)
		depths, err := f.queue.Depths(short, led)
		cancel()
		if err != nil { // of one node, perhaps: the workers find out, and say so
			for _, p := range led {
				f.workers[p].wake()
			}
			continue
		}
		for i, d := range depths {
			p := led[i]
			f.metrics.entries.WithLabelValues(label(p)).Set(float64(d.Entries))
			if d.Last != seen[p] {
				seen[p] = d.Last
				f.workers[p].wake()
			}
		}
	}
}

// tell says who flushes the partitions, for people. Where Redis is away or full nobody is told.
func (f *Flusher) tell(ctx context.Context, led []int) {
	if f.Name == "" || len(led) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	leaders := map[int]queue.Leader{}
	for _, p := range led {
		l := queue.Leader{Name: f.Name, SearchTrouble: f.sinks.trouble()}
		if why := f.workers[p].trouble.Load(); why != nil {
			l.Trouble = *why
		}
		leaders[p] = l
	}
	_ = f.queue.Lead(ctx, leaders)
}

func (f *Flusher) lookAtMemory(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	m, err := f.queue.Memory(ctx)
	if err != nil {
		return // the workers say so when they read
	}
	f.metrics.used.Set(float64(m.Used))
	f.metrics.most.Set(float64(m.Max))
	if f.crowded.Swap(m.Crowded()) != m.Crowded() && m.Crowded() {
		f.Log.Warn("Redis has little memory left: what was flushed is not retained")
	}
}

// Stored waits until a write is stored (or is a dead letter), and lets its worker begin at once.
func (f *Flusher) Stored(ctx context.Context, p int, v chat.Version) error {
	f.workers[p].wake()
	return f.workers[p].stored.wait(ctx, v)
}
