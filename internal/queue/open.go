package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// askFor is how long after a loss keys that Redis misses are asked for in the database: as long as a key replays.
const askFor = idempotencyTTL

// ErrSuperseded says that this Redis was the master and is not any more: another one was opened since. Its connections
// are closed. It is never opened again by itself: an operator makes it a replica of the new master, or empties it.
var ErrSuperseded = errors.New("queue: this Redis was superseded as master")

// openAfter opens the partition of a write that was answered STALE, or learns in which generation somebody else did.
func (q *Queue) openAfter(ctx context.Context, p int, r reply) error {
	part := &q.parts[p]
	part.opening.Lock()
	defer part.opening.Unlock()
	if part.gen.Load() != r.gen {
		return nil // somebody of this process was first: ask Redis again
	}
	gen, err := q.Open(ctx, p, r.gen, r.stale)
	if err != nil {
		return q.refuse("opening", err)
	}
	part.gen.CompareAndSwap(r.gen, gen)
	return nil
}

// Open opens a partition on the Redis that said STALE to a caller in the generation mine: in the database first, whose
// new generation fences every flusher that still holds older entries, then in Redis. It gives the generation to go on
// with: the database's, which may be somebody else's, or mine where nothing is known yet; then Redis is to be asked again.
func (q *Queue) Open(ctx context.Context, p int, mine int64, s Stale) (int64, error) {
	failpoint.Hit(q, "open.cursor")
	cur, err := q.ledger.Cursor(ctx, p)
	if err != nil {
		return 0, err
	}
	if cur.Generation != mine {
		return cur.Generation, nil
	}
	if s.Opened && cur.Replid != s.Replid && s.Generation < cur.Generation {
		q.conns.closeAll()
		q.metrics.superseded.Inc()
		return 0, ErrSuperseded
	}
	failpoint.Hit(q, "open.bump")
	cur, won, err := q.ledger.NextGeneration(ctx, p, mine, s.Generation, s.Replid)
	if err != nil || !won {
		return mine, err
	}
	failpoint.Hit(q, "open.script")
	raw, err := list(q.run(ctx, q.scripts.open, []string{streamKey(p), openKey(p)}, s.Replid, cur.Generation,
		cur.Position.Version.ID(), cur.Position.Generation, int64(askFor/time.Second)))
	failpoint.Hit(q, "open.done")
	if err != nil { // never sent again: a lost reply starts over
		return mine, fmt.Errorf("open partition %d: %w", p, err)
	}
	if len(raw) == 0 {
		return mine, errReply
	}
	log := q.Log.With("partition", p, "generation", cur.Generation, "replid", s.Replid)
	switch raw[0] {
	case "KEPT":
		q.metrics.openings.WithLabelValues("kept").Inc()
		log.Info("partition opened, its stream follows on the cursor")
	case "LOST":
		if cur.Position.Version == 0 {
			q.metrics.openings.WithLabelValues("new").Inc()
			log.Info("partition opened for the first time")
			break
		}
		if q.Stored != nil { // nothing that was acknowledged lies in this Redis alone
			log.Info("partition opened anew")
			break
		}
		q.metrics.openings.WithLabelValues("lost").Inc()
		log.Error("partition opened on a Redis that does not follow on what is stored: what was accepted and not stored is lost from it",
			"cursor", cur.Position.Version.ID(), "marker", raw[1], "void_entries", raw[2])
	default: // OTHER, HIGHER: ask again
		return mine, nil
	}
	return cur.Generation, nil
}

// Depth is how many entries a partition's stream holds and the version of its newest one.
type Depth struct {
	Entries int64
	Last    chat.Version
}
