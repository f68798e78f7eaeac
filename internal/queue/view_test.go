package queue

import (
	"testing"

	"chat-system/internal/chat"
)

// A counter that was only asked for does not stay for ever, nor one whose writes are stored; one with pending writes stays.
func TestACounterStaysWhileSomethingIsPending(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		s := chat.Scope{Application: app}
		p := b.q.Partition(s)
		expires := func(want bool) {
			t.Helper()
			ttl, err := b.q.rdb.TTL(t.Context(), seqKey(p, s)).Result()
			if err != nil || (ttl > 0) != want || ttl > counterTTL {
				t.Fatalf("the counter lives for %v, %v", ttl, err)
			}
		}
		if n, err := b.q.LastNumber(t.Context(), s); err != nil || n != 0 {
			t.Fatalf("%d, %v", n, err)
		}
		expires(true)
		b.must(t, newChat(app))
		expires(false)
		es := b.drain(t, s)
		if _, err := b.q.Clean(t.Context(), p, 0, es, 0); err != nil {
			t.Fatal(err)
		}
		expires(true)
	})
}

// What was accepted before Redis restarted, and kept, counts before anybody writes to its scope again.
func TestCountsOutliveARestart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		s := chat.Scope{Application: app, Chat: 1}
		b.must(t, newChat(app))
		b.drain(t, chat.Scope{Application: app})
		for range 3 {
			b.must(t, newMessage(app, 1, "x"))
		}
		other := int64(app + 1) // an application of the same partition opens it again
		for b.q.Partition(chat.Scope{Application: other}) != b.q.Partition(s) {
			other++
		}
		b.redis.restart()
		b.must(t, newChat(other))
		if v, err := b.q.Views(t.Context(), s, []int64{3}); err != nil || v.Last != 3 || v.Pending[0] == nil {
			t.Fatalf("after a restart: %+v, %v", v, err)
		}
		b.redis.empty()
		b.must(t, newChat(other))
		if v, err := b.q.Views(t.Context(), s, []int64{3}); err != nil || v.Last != 0 || v.Pending[0] != nil {
			t.Fatalf("after a loss: %+v, %v", v, err)
		}
	})
}
