package monitor

import (
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

const (
	ticks      = 300  // that are remembered of a stream: five minutes of looking
	counted    = 100  // entries of a stream, at most: Redis does nothing else meanwhile, and bodies may be 64 KiB each
	countedAll = 1600 // of all streams
)

// tick is how many entries had been added when an entry was the last one.
type tick struct {
	last  chat.Version
	added int64
}

// backlog tells how many entries of a stream lie above the database's position, where they are too many to be counted: from how
// far the stream had grown at that time, as it was seen then, or from how evenly it fills the time that it spans.
type backlog struct {
	ticks []tick
	long  bool // far more than are counted: they need not be, until they are fewer
}

// most is how many entries of the stream are to be counted, of which there are so many.
func (b *backlog) most(streams int) int {
	if b.long {
		return 1
	}
	return max(1, min(counted, countedAll/streams))
}

func (b *backlog) waiting(s queue.Backlog, position chat.Version, streams int) (n int64, exact bool) {
	n, exact = b.estimate(s, position, int64(b.most(streams))+1)
	b.long = !exact && n > 2*counted
	return n, exact
}

func (b *backlog) estimate(s queue.Backlog, position chat.Version, least int64) (n int64, exact bool) {
	if s.Added >= 0 && s.Last > 0 {
		b.note(tick{s.Last, s.Added})
	}
	if s.Above >= 0 {
		return s.Above, true
	}
	for i := 1; i < len(b.ticks); i++ {
		from, to := b.ticks[i-1], b.ticks[i]
		if position >= from.last && position < to.last {
			return min(max(s.Added-from.added-share(from.last, position, to.last, to.added-from.added), least), s.Length), false
		}
	}
	// Nobody looked when the position was the last entry. Most of what is there waits, then: what was flushed is soon trimmed.
	return max(least, s.Length), false
}

// share is what of so many entries between two falls below a third that lies between.
func share(from, at, to chat.Version, entries int64) int64 {
	span := to.Millis() - from.Millis()
	if span <= 0 {
		return 0
	}
	return entries * (at.Millis() - from.Millis()) / span
}

func (b *backlog) note(t tick) {
	if n := len(b.ticks); n > 0 {
		switch last := b.ticks[n-1]; {
		case t.last == last.last:
			return
		case t.last < last.last || t.added < last.added: // another Redis, or one that lost something
			b.ticks = b.ticks[:0]
		}
	}
	if len(b.ticks) == ticks {
		b.ticks = append(b.ticks[:0], b.ticks[1:]...)
	}
	b.ticks = append(b.ticks, t)
}
