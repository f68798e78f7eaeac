package queue

import (
	"slices"
	"testing"

	"chat-system/internal/chat"
)

func TestStatsTellWhatWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		scope := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(scope)
		positions := make([][]chat.Version, b.q.Partitions)
		for i := range positions {
			positions[i] = []chat.Version{0, 0}
		}
		stats := func() Stat {
			t.Helper()
			all, err := b.q.Stats(t.Context(), positions)
			if err != nil {
				t.Fatal(err)
			}
			return all[p]
		}
		if s := stats(); s.Entries != 0 || s.Last != 0 || s.Above != 0 || !s.Exact || !slices.Equal(s.First, []chat.Version{0, 0}) || s.Millis == 0 {
			t.Fatalf("an empty stream: %+v", s)
		}
		b.must(t, newChat(app))
		var vs []chat.Version
		for range countedEntries + 10 {
			vs = append(vs, b.must(t, newMessage(app, 1, "x")).Version)
		}
		before := stats()
		if before.Exact || before.Above != countedEntries+1 || before.Last != vs[len(vs)-1] || before.First[0] == 0 {
			t.Fatalf("more than are counted: %+v", before)
		}
		at := len(vs) - 5
		positions[p] = []chat.Version{vs[at], vs[at-3]}
		s := stats()
		if !s.Exact || s.Above != 4 || !slices.Equal(s.First, []chat.Version{vs[at+1], vs[at-2]}) || s.Entries != before.Entries {
			t.Fatalf("some: %+v, want those above %d", s, vs[at])
		}
		if _, real := b.redis.(server); real != (s.Added == s.Entries) || !real != (s.Added == -1) {
			t.Fatalf("%d were added, %d are there", s.Added, s.Entries)
		}
		if n := b.q.Accepted(); n != int64(len(vs)+1) {
			t.Fatalf("accepted %d", n)
		}
	})
}
