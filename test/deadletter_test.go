package test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var letterID = regexp.MustCompile(`(?m)^\d+/\d+-\d+/\S+`)

// The database refuses some rows for their data. They become dead letters, whose numbers stay their own and which read as
// accepted until they are retried or discarded; the others are stored.
func TestAPoisonedRowAmongGoodOnes(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.load(5, 10)
	l.more(between)
	s.exec("ALTER TABLE messages ADD CONSTRAINT poison CHECK (body NOT LIKE '%poison%')")
	var poisoned []int64
	const many = 6
	for i := range many {
		l.more(between / 4)
		poisoned = append(poisoned, l.post(1, fmt.Sprintf("poison %d", i)))
	}
	l.edit(1, poisoned[0], "poison 0, edited") // has no row either
	l.more(between)
	l.end()
	s.drained()
	l.checkLists() // as accepted

	if n := s.one("SELECT COUNT(*) FROM messages WHERE body LIKE '%poison%'"); n != 0 {
		t.Fatalf("%d poisoned rows are stored: there is no poison", n)
	}
	ids := s.letters("list")
	if len(ids) != many+1 {
		t.Fatalf("%d dead letters, want %d: %v", len(ids), many+1, ids)
	}
	if out, err := run(t, s.env, "dead-letters", "show", ids[0]); err != nil ||
		!strings.Contains(out, "poison 0") || !strings.Contains(out, fmt.Sprintf("number %d", poisoned[0])) {
		t.Errorf("%s %v", out, err)
	}
	if out, err := run(t, s.env, "dead-letters", "retry", "all"); err == nil || !strings.Contains(out, "refused again") {
		t.Errorf("a retry while the rows are still refused: %s %v", out, err)
	}
	s.exec("ALTER TABLE messages DROP CONSTRAINT poison")

	// the last message is discarded, the others and the edit, which is the youngest, are stored
	gone, last := poisoned[many-1], ids[many-1]
	if out, err := run(t, s.env, "dead-letters", "show", last); err != nil || !strings.Contains(out, fmt.Sprintf("poison %d", many-1)) {
		t.Fatalf("%s %v", out, err)
	}
	if out, err := run(t, s.env, "dead-letters", "discard", last); err != nil {
		t.Fatal(out, err)
	}
	if out, err := run(t, s.env, "dead-letters", "retry", "all"); err != nil || strings.Count(out, " stored\n") != many {
		t.Fatal(out, err)
	}
	if left := s.letters("list"); len(left) > 0 {
		t.Errorf("dead letters are left: %v", left)
	}
	for range 10 { // on every pod
		if status, got, err := l.send("GET", fmt.Sprintf("%s/%d", l.path(1), gone), "", nil); err != nil || status != http.StatusGone {
			t.Errorf("the discarded message: %d %s %v", status, got, err)
		}
	}
	next := l.post(1, "after the poison")
	if want := int64(len(l.messages[1])); next != want {
		t.Errorf("the next message has number %d, want %d", next, want)
	}
	s.drained()
	for n, m := range l.messages[1] {
		var got struct{ Body string }
		if n != gone && (!l.read(fmt.Sprintf("%s/%d", l.path(1), n), &got) || got.Body != m.body) {
			t.Errorf("message %d reads %q, want %q", n, got.Body, m.body)
		}
	}
	for _, m := range s.stored() {
		if w := l.messages[m.chat][m.number]; w == nil || w.body != m.body || (m.chat == 1 && m.number == gone) {
			t.Errorf("the row of chat %d, message %d holds %q", m.chat, m.number, m.body)
		}
	}
	if n, want := s.one("SELECT COUNT(*) FROM messages WHERE chat_number = 1"), len(l.messages[1])-1; n != want {
		t.Errorf("%d rows are stored, want %d", n, want)
	}
}

// letters gives the IDs that `chat dead-letters list` prints.
func (s *service) letters(words ...string) []string {
	s.t.Helper()
	out, err := run(s.t, s.env, append([]string{"dead-letters"}, words...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return letterID.FindAllString(out, -1)
}
