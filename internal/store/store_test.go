package store

import (
	"errors"
	"testing"
	"time"

	"chat-system/internal/chat"
)

func FuzzApplicationsCursor(f *testing.F) {
	f.Add(encodeCursor(time.UnixMicro(1_700_000_000_000_000), 7))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		at, id, err := decodeCursor(s)
		if err != nil {
			var e *chat.Error
			if !errors.As(err, &e) || e.Code != chat.Invalid || e.Fields[0].Parameter != "cursor" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if s != "" && encodeCursor(at, id) != s {
			t.Fatalf("%q became %q", s, encodeCursor(at, id))
		}
	})
}

func TestListKeepsToItsWindow(t *testing.T) {
	t.Parallel()
	w := newWindow(chat.Page{After: 2, Limit: 3})
	found := map[int64]string{2: "two", 3: "three", 5: "five", 6: "six"}
	l := list(w, found, 6)
	if len(l.Items) != 2 || l.Items[0] != "three" || l.Items[1] != "five" || !l.Next || !l.Prev || l.From != 3 || l.To != 5 {
		t.Fatalf("%+v", l)
	}
	if l = list(w, found, 5); l.Next {
		t.Fatalf("nothing lies above: %+v", l)
	}
	if l := list(newWindow(chat.Page{Limit: 3}), map[int64]string{}, 0); l.Items == nil || len(l.Items) != 0 || l.Next || l.Prev {
		t.Fatalf("an empty list: %+v", l)
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	c := newTokens()
	for i := range maxTokens + 10 {
		c.put(string(rune(i))+"x"+time.Duration(i).String(), int64(i))
	}
	if len(c.ids) > maxTokens {
		t.Fatalf("%d tokens", len(c.ids))
	}
}
