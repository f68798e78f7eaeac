package flusher

import (
	"testing"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

// stream is what Redis would say of one.
type stream struct {
	entries []queue.Entry // what was not trimmed
	added   int64
	behind  int // Redis' clock behind ours, in milliseconds
}

func (s *stream) add(kind queue.Kind, n int) {
	for range n {
		s.added++
		s.entries = append(s.entries, queue.Entry{Kind: kind, Version: chat.VersionAt(1000 + s.added)})
	}
}

// above gives what lies above a position.
func (s *stream) above(v chat.Version) []queue.Entry {
	for i := range s.entries {
		if s.entries[i].Version > v {
			return s.entries[i:]
		}
	}
	return nil
}

func (s *stream) look(b *backlog) { s.lookMeanwhile(b, func() {}) }

// lookMeanwhile looks, and lets something happen until the answer has come.
func (s *stream) lookMeanwhile(b *backlog, meanwhile func()) {
	at, _ := b.position()
	seen := queue.Backlog{Millis: 500, Length: int64(len(s.entries)), Added: s.added, Above: -1}
	if n := len(s.entries); n > 0 {
		seen.Last = s.entries[n-1].Version
	}
	if rest := s.above(at); len(rest) > 0 {
		seen.Oldest = rest[0].Version
	} else {
		seen.Above = 0
	}
	meanwhile()
	b.look(at, seen, time.UnixMilli(500+int64(s.behind)))
}

func TestABacklogKnowsWhatWaits(t *testing.T) {
	t.Parallel()
	s, b := &stream{behind: 300_000}, &backlog{index: -1}
	now := time.UnixMilli(302_000)
	is := func(what string, want int64, oldest int64) {
		t.Helper()
		n, age, ok := b.behind(now)
		if wantAge := 2000 - oldest; !ok || n != want || (n > 0 && age.Milliseconds() != wantAge) || (n == 0 && age != 0) {
			t.Errorf("%s: %d entries, the oldest %v old, %v; want %d, %d ms", what, n, age, ok, want, wantAge)
		}
	}
	if _, _, ok := b.behind(now); ok {
		t.Error("it tells of a stream that it never saw")
	}
	s.add(queue.MessageCreated, 100) // a predecessor stored 40 of them, which are retained
	b.place(s.entries[39].Version)
	s.look(b)
	is("until it is known what lies below the position, all that the stream holds counts", 100, 1041)
	b.pass(s.above(s.entries[39].Version)[:10])
	is("still", 100, 1050) // the position is a bound of the oldest one's age
	b.pass(s.entries[50:])
	is("all is passed", 0, 0)
	s.add(queue.MessageCreated, 7)
	s.look(b)
	is("known from then on", 7, 1101)
	b.pass(s.entries[100:103])
	is("between two looks", 4, 1103)
	s.entries = s.entries[90:]
	s.look(b)
	is("trimming changes nothing", 4, 1104)
	b.place(s.entries[len(s.entries)-1].Version)
	s.look(b)
	is("another process moved the cursor", 0, 0)
	s.add(queue.MessageCreated, 2)
	s.look(b)
	is("and it is known again, since nothing waited", 2, 1108)

	b.place(0) // an index is filled from the tables
	s.look(b)
	is("all of it waits", 19, 1091)
	b.place(s.entries[18].Version)
	is("it is filled", 0, 0)
	s.add(queue.MessageCreated, 3)
	s.look(b)
	is("what came since is known", 3, 1110)

	b.place(0)
	s.add(queue.MessageCreated, 1)
	s.lookMeanwhile(b, func() { b.place(s.entries[len(s.entries)-1].Version) })
	is("it is filled while Redis answers", 0, 0)
	s.add(queue.MessageCreated, 2)
	s.look(b)
	is("what came since is known again", 2, 1114)

	b.leave()
	if _, _, ok := b.behind(now); ok {
		t.Error("it tells of a partition that was left")
	}
	b.place(0)
	*s = stream{behind: s.behind} // Redis was lost
	s.add(queue.Marker, 1)
	s.look(b)
	is("a marker", 1, 1001)
	b.pass(s.entries)
	s.add(queue.MessageCreated, 3)
	s.look(b)
	is("what follows on it", 3, 1002)
	at, _ := b.position()
	s.add(queue.Marker, 1)
	b.pass(s.above(at)[2:]) // what lies below a marker was void
	s.add(queue.MessageCreated, 1)
	s.look(b)
	n, _, _ := b.behind(now)
	if n != 6 {
		t.Errorf("%d entries after a marker, want all that the stream holds", n)
	}
}
