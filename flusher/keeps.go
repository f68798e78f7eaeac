package flusher

import (
	"context"
	"math"
	"sync"

	"chat-system/db"
	"chat-system/internal/chat"
)

// nothing says that a sink needs nothing of a stream.
const nothing = chat.Version(math.MaxInt64)

// keeps is what the sinks still need of the streams.
type keeps struct {
	mu    sync.Mutex
	known bool                      // which sinks there are
	by    map[string][]chat.Version // by sink and partition
}

// sinks names those that there are. Of a new one all is kept until it says what it needs.
func (k *keeps) sinks(names []string, partitions int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	by := make(map[string][]chat.Version, len(names))
	for _, name := range names {
		if by[name] = k.by[name]; by[name] == nil {
			by[name] = make([]chat.Version, partitions)
		}
	}
	k.by, k.known = by, true
}

// set keeps a partition's stream from a version on. A sink that is gone and still at work keeps nothing any more.
func (k *keeps) set(sink string, p int, v chat.Version) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of := k.by[sink]; of != nil {
		of[p] = v
	}
}

// all keeps the whole of a partition's stream until the sinks have said what they need of it.
func (k *keeps) all(p int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, of := range k.by {
		of[p] = 0
	}
}

// lowest is the version below which no sink needs the partition's stream; 0 while that is not known.
func (k *keeps) lowest(p int) chat.Version {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		return 0
	}
	low := nothing
	for _, of := range k.by {
		low = min(low, of[p])
	}
	return low
}

// shed gives up following where a stream grew too long for a sink that lags, past the backlog while the engine is away
// and in any case before the queue is full: the sink is filled from the tables instead.
func (s *sink) shed(ctx context.Context, cursors []db.FlushCursor, led []int) error {
	depths, err := s.f.queue.Depths(ctx, led)
	s.at("sink.depths")
	if err != nil {
		return err
	}
	bound := s.bound()
	if s.failed {
		bound = min(bound, s.backlog)
	}
	spared := min(s.f.Retention, patience).Milliseconds()
	for i, p := range led {
		c, d := &cursors[p], depths[i]
		recent := min(d.Last, chat.VersionAt(d.Last.Millis()-spared)) // it is not what makes the stream long
		if c.State != db.StateFollow || d.Entries <= bound || chat.Version(c.Position) >= recent {
			continue
		}
		s.keeps.set(s.name, p, nothing)
		if err := s.turn(ctx, *c); err != nil {
			return err
		}
		c.State = db.StateResync
	}
	return nil
}

// bound is how long a stream may grow for the sinks: from there on the flusher trims it as far as it can.
func (s *sink) bound() int64 { return s.f.queue.Share() / 2 }

// yield lets go of streams that would fill the queue before the scan is done. It comes again then, for what was written
// since.
func (s *sink) yield(ctx context.Context, partitions []int) error {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	depths, err := s.f.queue.Depths(ctx, partitions)
	for i, d := range depths {
		if d.Entries > s.bound() {
			s.keeps.set(s.name, partitions[i], nothing)
		}
	}
	return err
}
