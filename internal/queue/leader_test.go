package queue

import (
	"slices"
	"strings"
	"testing"
)

func TestLeadersAreSaidWhileSomebodyAsks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		say := func() {
			t.Helper()
			if err := b.q.Lead(t.Context(), map[int]Leader{0: {Name: "flusher-1"}, 1: {Name: "flusher-0", Trouble: "its flushes fail\nfor a reason" + strings.Repeat("…", 300), SearchTrouble: "there is\nno index"}}); err != nil {
				t.Fatal(err)
			}
		}
		ask := func() []Leader {
			t.Helper()
			names, err := b.q.Leaders(t.Context())
			if err != nil || len(names) != b.q.Partitions {
				t.Fatal(names, err)
			}
			return names
		}
		say()
		if names := ask(); slices.ContainsFunc(names, func(l Leader) bool { return l != Leader{} }) {
			t.Errorf("%q were said to nobody", names)
		}
		say()
		want := make([]Leader, b.q.Partitions)
		want[0] = Leader{Name: "flusher-1"}
		want[1] = Leader{Name: "flusher-0", Trouble: "its flushes fail for a reason" + strings.Repeat("…", 191), SearchTrouble: "there is no index"}
		if names := ask(); !slices.Equal(names, want) {
			t.Errorf("%q, want %q", names, want)
		}
		if life := b.q.rdb.TTL(t.Context(), leaderKey(1)).Val(); life <= 0 || life > leaderLife {
			t.Errorf("it lasts for %s", life)
		}
		if life := b.q.rdb.TTL(t.Context(), watchedKey(1)).Val(); life <= 0 || life > watchedLife {
			t.Errorf("somebody looks for %s", life)
		}
		if _, full := b.redis.(server); full {
			if err := b.q.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
				t.Fatal(err)
			}
			if names := ask(); slices.ContainsFunc(names, func(l Leader) bool { return l.Name != "" || !strings.HasPrefix(l.Refusal, "OOM ") }) {
				t.Errorf("a Redis that takes no writes: %q", names)
			}
		}
	})
}
