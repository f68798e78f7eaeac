package queue

import (
	"slices"
	"testing"
)

func TestLeadersAreSaidWhileSomebodyAsks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		say := func() {
			t.Helper()
			if err := b.q.Lead(t.Context(), "flusher-0", []int{1}); err != nil {
				t.Fatal(err)
			}
		}
		ask := func() []string {
			t.Helper()
			names, err := b.q.Leaders(t.Context())
			if err != nil || len(names) != b.q.Partitions {
				t.Fatal(names, err)
			}
			return names
		}
		say()
		if names := ask(); slices.ContainsFunc(names, func(s string) bool { return s != "" }) {
			t.Errorf("%q were said to nobody", names)
		}
		say()
		want := make([]string, b.q.Partitions)
		want[1] = "flusher-0"
		if names := ask(); !slices.Equal(names, want) {
			t.Errorf("%q, want %q", names, want)
		}
		if life := b.q.rdb.TTL(t.Context(), leaderKey(1)).Val(); life <= 0 || life > leaderLife {
			t.Errorf("it lasts for %s", life)
		}
		if life := b.q.rdb.TTL(t.Context(), watchedKey).Val(); life <= 0 || life > watchedLife {
			t.Errorf("somebody looks for %s", life)
		}
	})
}
