package flusher

import (
	"testing"

	"chat-system/internal/chat"
)

func TestWhatSinksKeep(t *testing.T) {
	t.Parallel()
	var k keeps
	holds := func(want chat.Version) {
		t.Helper()
		if got := k.lowest(1); got != want {
			t.Fatalf("kept from %d on, want %d", got, want)
		}
	}
	holds(0) // which sinks there are is not known
	k.sinks(nil, 2)
	holds(nothing)
	k.sinks([]string{"a"}, 2)
	holds(0) // until it says what it needs
	k.set("a", 1, 7)
	k.sinks([]string{"a", "b"}, 2)
	k.set("b", 1, 5)
	holds(5)
	k.sinks([]string{"a"}, 2)
	holds(7)
	k.set("b", 1, 3) // it is gone, and ends its last step
	holds(7)
	k.set("a", 1, nothing)
	holds(nothing)
}
