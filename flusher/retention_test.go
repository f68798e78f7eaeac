package flusher_test

import (
	"slices"
	"testing"
	"time"
)

// What was flushed is retained for a while, and then no longer, though no further flush comes.
func TestWhatIsRetainedIsTrimmedThoughNobodyWrites(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		b.config.Retention = 3 * time.Second
		begin := time.Now()
		app := b.app()
		c := b.chat(app)
		for range 300 { // Redis trims in nodes of a hundred
			b.post(app, c, "a message")
		}
		all := make([]int, b.config.Partitions)
		for p := range all {
			all[p] = p
		}
		longest := func() int64 {
			t.Helper()
			depths, err := b.queue.Depths(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			var lengths []int64
			for _, d := range depths {
				lengths = append(lengths, d.Entries)
			}
			return slices.Max(lengths)
		}
		defer b.start()()
		b.drained()
		if n := longest(); n < 300 && time.Since(begin) < b.config.Retention {
			t.Fatalf("%d entries are left within the retention", n)
		}
		b.until("the stream is trimmed", func() bool { return longest() <= 150 })
	})
}
