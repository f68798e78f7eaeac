package search

import (
	"errors"
	"math"
	"testing"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, c := range []Cursor{{0, 1}, {7, 42}, {maxScore, math.MaxInt64}} {
		if got, err := ParseCursor(c.String()); err != nil || *got != c {
			t.Errorf("%+v becomes %+v, %v", c, got, err)
		}
	}
	good := Cursor{7, 42}.String()
	for _, bad := range []string{
		"", "x", good[1:], good + "A", good[:15] + "=", good[:15] + "\n", good[:8] + "\n" + good[8:], "+///////////////",
		Cursor{1, 0}.String(), Cursor{-1, 1}.String(), Cursor{1, -1}.String(), Cursor{maxScore + 1, 1}.String(),
	} {
		if c, err := ParseCursor(bad); !errors.Is(err, ErrCursor) {
			t.Errorf("%q becomes %+v, %v", bad, c, err)
		}
	}
}

func TestCursorOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b Cursor
		want bool
	}{
		{Cursor{2, 1}, Cursor{1, 9}, true},
		{Cursor{1, 9}, Cursor{2, 1}, false},
		{Cursor{1, 9}, Cursor{1, 8}, true},
		{Cursor{1, 8}, Cursor{1, 9}, false},
		{Cursor{1, 8}, Cursor{1, 8}, false},
	} {
		if got := c.a.precedes(c.b); got != c.want {
			t.Errorf("%+v precedes %+v: %t", c.a, c.b, got)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{7, 42}.String())
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	f.Add("AAAAAQAAAAAAAAAB")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		if err != nil {
			if !errors.Is(err, ErrCursor) || c != nil {
				t.Errorf("%q gives %v with %v", s, c, err)
			}
			return
		}
		if c.String() != s {
			t.Errorf("%q is another form of %q", s, c)
		}
		if c.score < 1 || c.score > maxScore || c.number < 1 {
			t.Errorf("%q is %+v", s, c)
		}
	})
}
