package queue

import (
	"testing"

	"chat-system/internal/chat"
)

func TestBacklogsTellWhatLiesAboveAPosition(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		s := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(s)
		look := func(above chat.Version, most int) Backlog {
			t.Helper()
			seen, err := b.q.Backlogs(t.Context(), []Above{{p, above, most}, {p, above, most}})
			if err != nil || seen[0].Millis == 0 {
				t.Fatal(seen, err)
			}
			seen[1].Millis = seen[0].Millis
			if seen[0] != seen[1] {
				t.Fatalf("%+v and %+v", seen[0], seen[1])
			}
			seen[0].Millis = 0
			return seen[0]
		}
		if seen := look(0, 3); seen != (Backlog{}) {
			t.Fatalf("a stream that is not there: %+v", seen)
		}
		b.must(t, newChat(app))
		var vs []chat.Version
		for range 5 {
			vs = append(vs, b.must(t, newMessage(app, 1, "x")).Version)
		}
		whole := look(0, 3)
		if whole.Length < 5 || whole.Last != vs[4] || whole.Oldest == 0 || whole.Above != -1 {
			t.Errorf("more than are counted: %+v", whole)
		}
		if _, counting := b.redis.(server); counting != (whole.Added == whole.Length) || !counting != (whole.Added == -1) {
			t.Errorf("%d were added, %d are there", whole.Added, whole.Length)
		}
		want := Backlog{Length: whole.Length, Added: whole.Added, Last: vs[4], Oldest: vs[2], Above: 3}
		if some := look(vs[1], 3); some != want {
			t.Errorf("%+v, want %+v", some, want)
		}
		want.Above = -1
		if some := look(vs[1], 2); some != want {
			t.Errorf("%+v, want %+v", some, want)
		}
		want.Oldest, want.Above = 0, 0
		if none := look(vs[4], 3); none != want {
			t.Errorf("%+v, want %+v", none, want)
		}
		if n := b.q.Accepted(); n != 6 {
			t.Errorf("%d were accepted", n)
		}
	})
}
