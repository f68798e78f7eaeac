package queue

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"chat-system/internal/chat"
)

const (
	acceptTimeout  = 5 * time.Second // for one write to be sent to Redis, openings and seeds included
	seedAge        = 5 * time.Second // how old the question may be that a seed answers
	idempotencyTTL = 24 * time.Hour  // how long a key replays
	counterTTL     = time.Hour       // how long a counter outlives its last pending write; above FLUSHED_RETENTION
	maxBatch       = 512             // writes of one script call: its HSET takes two arguments each and Lua 8,000
	// Redis takes nothing while it syncs its file. A small batch takes less time than the sync, so another one stands ready
	// behind it: at 64 connections that answers a quarter more writes. Larger ones pay for themselves: at 256 it costs.
	overlap       = 64
	maxBatchBytes = 8 << 20  // bodies of one pipeline
	maxWaiting    = 64 << 10 // writes that wait for a batch, per Redis node
)

// Config of a Queue.
type Config struct {
	Partitions  int
	MaxEntries  int64 // what all streams together may hold, what was flushed and is retained included
	WriteQuorum int   // replicas that must have a write before it is acknowledged
	Shebang     bool  // whether this Redis knows the first line of the scripts; an embedded one does not
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	Tracer      trace.Tracer // for what follows on a sampled span; nil: no spans
	Flushes     bool         // this process accepts no writes: the metrics of accepting are left out
	// Stored, where set, is waited for before a write is acknowledged: for a Redis that keeps nothing over a crash.
	Stored func(ctx context.Context, partition int, v chat.Version) error
}

// Queue is the Redis side of the store. It is safe for concurrent use.
type Queue struct {
	Config
	rdb     redis.UniversalClient
	conns   *connections
	ledger  Ledger
	scripts scripts
	parts   []partition
	lanes   []*lane // one for each Redis node
	reads   *Group[*view]
	seeds   singleflight.Group
	metrics *metrics
}

type partition struct {
	gen     atomic.Int64 // the generation this process last saw; 0: none yet
	opening sync.Mutex
}

// Ledger is what the database must answer for numbers to stay gapless and unique whatever happens to Redis. All of it
// is read from the primary.
type Ledger interface {
	// Cursor reads the partition's cursor row of the database sink.
	Cursor(ctx context.Context, partition int) (Cursor, error)
	// NextGeneration sets the row's generation above both gen and seen and its replid, if gen is still its generation,
	// and gives the row as it is then. It waits for a flush in flight.
	NextGeneration(ctx context.Context, partition int, gen, seen int64, replid string) (c Cursor, won bool, err error)
	// LastNumber reads the highest number stored in the scope and the partition's generation, in one statement. Chats
	// above pending, the highest number that Redis still holds, that have messages and no row get one: Redis lost their
	// own creation.
	LastNumber(ctx context.Context, partition int, s chat.Scope, pending int64) (n, gen int64, err error)
	// StoredKey reads the answer that was stored for an Idempotency-Key.
	StoredKey(ctx context.Context, app int64, key [16]byte) (payload [16]byte, number int64, found bool, err error)
}

// Cursor is how far the stream of a partition is stored, and in which generation and Redis it may go on.
type Cursor struct {
	Position   Position
	Generation int64
	Replid     string
}

// New makes a Queue on a client from Connect.
func New(c Config, client *Client, ledger Ledger) *Queue {
	q := &Queue{
		Config: c, rdb: client.rdb, conns: client.conns, ledger: ledger,
		scripts: loadScripts(c.Shebang), parts: make([]partition, c.Partitions), metrics: newMetrics(c.Metrics, !c.Flushes),
	}
	for range client.nodes {
		q.lanes = append(q.lanes, newLane(q, client.Cluster()))
	}
	q.reads = NewGroup(maxBatch, 0, maxWaiting, q.readViews)
	return q
}

// Partition of a scope.
func (q *Queue) Partition(s chat.Scope) int { return Partition(s, q.Partitions) }

func (q *Queue) lane(p int) *lane { return q.lanes[p%len(q.lanes)] }

// Share is how many entries the stream of one partition may hold.
func (q *Queue) Share() int64 { return max(1, q.MaxEntries/int64(q.Partitions)) }
