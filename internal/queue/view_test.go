package queue

import (
	"testing"

	"chat-system/internal/chat"
)

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
