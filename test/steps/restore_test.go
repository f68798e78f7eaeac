//go:build failpoint

package steps

import (
	"context"
	"iter"
	"maps"
	"slices"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/queue"
)

// kept is a backup that was loaded.
type kept map[int][]queue.Entry

func (k kept) Partitions() []int { return slices.Sorted(maps.Keys(k)) }

func (k kept) Entries(_ context.Context, p int) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		for _, e := range k[p] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// backUp takes a backup of what Redis holds now.
func backUp(s *scene) {
	s.backup = kept{}
	for p := range s.partitions {
		for e, err := range queue.Entries(s.t.Context(), s.rdb, p) {
			if err != nil {
				s.t.Fatal(err)
			}
			s.backup[p] = append(s.backup[p], e)
		}
	}
}

// flusherBeside runs a flusher: a restore waits for what is queued.
func flusherBeside(s *scene) {
	p := s.newPod(s.t, "flusher", false, s.indexes())
	p.flush()
	s.t.Cleanup(p.stop)
}

func restoreBy(s *scene, p *pod) {
	got, err := p.flusher.Restore(s.t.Context(), s.backup, false)
	s.t.Logf("restored %+v, %v", got, err) // what fails is begun again in the end
}

// restoreAgain restores until nothing fails, then once more: nothing is left to be done.
func restoreAgain(s *scene) {
	until(s.t, "a restore comes to its end", func() bool {
		_, err := s.b.flusher.Restore(s.t.Context(), s.backup, false)
		return err == nil
	})
	writes := int64(0)
	for _, es := range s.backup {
		for _, e := range es {
			if e.Kind != queue.Marker {
				writes++
			}
		}
	}
	if got, err := s.b.flusher.Restore(s.t.Context(), s.backup, false); err != nil || got != (flusher.Restored{AlreadyStored: writes}) {
		s.t.Errorf("of %d writes once more %+v, %v", writes, got, err)
	}
	letters := s.openLetters(s.b)
	for _, l := range letters {
		if l.Sink != db.SinkRestore {
			s.t.Errorf("dead letter %v", l)
		}
	}
	if err := (flusher.DeadLetters{DB: s.b.db}).Discard(s.t.Context(), letters); err != nil {
		s.t.Errorf("discard: %v", err)
	}
	until(s.t, "the queue is drained", s.drained)
}
