package flusher

import (
	"context"
	"sync"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

const lookEvery = time.Second // at the streams, for the metrics

// backlog knows how many entries of a partition's stream one sink has not stored yet, without counting them: a stream
// tells how many entries it was ever given, so it is enough to know how many those were at the sink's position. That is
// learned once, from an entry that the sink passes or from a stream that it is at the end of, and kept from then on.
type backlog struct {
	mu      sync.Mutex
	placed  bool         // the position is known
	at      chat.Version // the sink's position
	index   int64        // entries that the stream was given up to there; -1: not known
	probe   chat.Version // an entry that was the newest one
	ordinal int64        // and how many the stream had been given by then
	looked  bool
	ahead   time.Duration // of Redis' clock, which dates the entries, before ours
	queue.Backlog
}

// leave forgets everything: another process leads the partition now, or did.
func (b *backlog) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed, b.at, b.index, b.probe, b.looked = false, 0, -1, 0, false
}

// place says where the sink is. Where that is not where it was left, somebody else moved it.
func (b *backlog) place(at chat.Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case at == b.at:
	case at < b.at:
		b.index, b.probe = -1, 0 // an older one may never be passed
	case at == b.probe:
		b.index = b.ordinal
	default:
		b.index = -1
	}
	b.placed, b.at = true, at
}

// pass moves the sink over entries, all of them that follow on its position.
func (b *backlog) pass(es []queue.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range es {
		switch e := &es[i]; {
		case e.Version == b.probe:
			b.index = b.ordinal
		case e.Kind == queue.Marker: // what is void lies below it and was passed over
			b.index = -1
		case b.index >= 0:
			b.index++
		}
		b.at = es[i].Version
	}
}

// look takes what was seen of the stream and above a position just now.
func (b *backlog) look(above chat.Version, seen queue.Backlog, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked, b.Backlog, b.ahead = true, seen, time.UnixMilli(seen.Millis).Sub(now)
	if seen.Added < b.index { // it is another stream
		b.index, b.probe = -1, 0
	}
	switch {
	case b.index >= 0 || seen.Added < 0:
	case b.at == seen.Last || (above == b.at && seen.Above == 0): // at the end: it passed all that was ever added
		b.index = seen.Added
	case b.probe <= b.at || seen.Added < b.ordinal:
		b.probe, b.ordinal = seen.Last, seen.Added
	}
}

// behind gives how many entries are not stored and how long ago the oldest of them was accepted; not ok: it is not known.
// Where it is not known yet how many the stream was given at the position, all that it holds are counted.
func (b *backlog) behind(now time.Time) (entries int64, age time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.looked || b.Oldest == 0 || b.Last <= b.at {
		return 0, 0, b.looked
	}
	switch {
	case b.Above >= 0:
		entries = b.Above
	case b.index >= 0:
		entries = b.Added - b.index
	default:
		entries = b.Length
	}
	return max(1, entries), since(max(b.Oldest, b.at), now.Add(b.ahead)), true // what was the oldest one may be stored by now
}

// age is how long ago an entry was accepted.
func (b *backlog) age(v chat.Version) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return since(v, time.Now().Add(b.ahead))
}

// position of the sink, where it is known.
func (b *backlog) position() (chat.Version, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at, b.placed
}

// backlogs are those of the search indexes.
type backlogs struct {
	mu       sync.Mutex
	by       map[string][]*backlog // by index and partition
	searched string                // the index that is searched; empty: not known
}

// search says which index is searched.
func (bs *backlogs) search(name string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.searched = name
}

// toShow gives those of a partition that say how far search is behind: an index that a reindexing fills is not searched yet.
func (bs *backlogs) toShow(p int) []*backlog {
	bs.mu.Lock()
	of := bs.by[bs.searched]
	bs.mu.Unlock()
	if of != nil {
		return []*backlog{of[p]}
	}
	return bs.of(p)
}

// sinks names the indexes that there are.
func (bs *backlogs) sinks(names []string, partitions int) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	by := make(map[string][]*backlog, len(names))
	for _, name := range names {
		if by[name] = bs.by[name]; by[name] == nil {
			for range partitions {
				by[name] = append(by[name], &backlog{index: -1})
			}
		}
	}
	bs.by = by
}

// at gives one; that of an index which is gone is nobody's.
func (bs *backlogs) at(name string, p int) *backlog {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if of := bs.by[name]; of != nil {
		return of[p]
	}
	return &backlog{index: -1}
}

// of gives those of a partition.
func (bs *backlogs) of(p int) []*backlog {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	all := make([]*backlog, 0, len(bs.by))
	for _, of := range bs.by {
		all = append(all, of[p])
	}
	return all
}

// lookAtBacklogs sees what the streams of the partitions that are led hold above their sinks' positions. A sink whose
// position is not known yet shows nothing, but for the database: Redis knows nearly where that is, also while it is away.
func (f *Flusher) lookAtBacklogs(ctx context.Context, led []int) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	most := f.queue.Counted(1)
	var all []*backlog
	var above []queue.Above
	for _, p := range led {
		b := f.workers[p].backlog
		at, known := b.position()
		if !known {
			var err error
			if at, err = f.queue.Cleaned(ctx, p); err != nil {
				return // the workers say so when they read
			}
		}
		all, above = append(all, b), append(above, queue.Above{Partition: p, Version: at, Most: most})
		if f.sinks == nil {
			continue
		}
		for _, b := range f.sinks.backlogs.of(p) {
			if at, known := b.position(); known {
				all, above = append(all, b), append(above, queue.Above{Partition: p, Version: at, Most: most})
			}
		}
	}
	seen, err := f.queue.Backlogs(ctx, above)
	if err != nil {
		return
	}
	now := time.Now()
	for i, b := range all {
		b.look(above[i].Version, seen[i], now)
	}
}
