package chat

import (
	"math"
	"strings"
	"testing"
)

func FuzzVersion(f *testing.F) {
	f.Add("1700000000000-3")
	f.Add("4398046511103-2097151")
	f.Fuzz(func(t *testing.T, id string) {
		v, err := ParseVersion(id)
		if err == nil && (v < 0 || v.ID() != id) {
			t.Fatalf("%q became %d, %q", id, v, v.ID())
		}
	})
}

func TestVersionsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "1", "-", "1-", "-1", "4398046511104-0", "1-2097152", "01-0", "1-00", "+1-0", "1-1-1", "1 -1"} {
		if v, err := ParseVersion(id); err == nil {
			t.Errorf("%q was taken for %d", id, v)
		}
	}
}

func TestVersionsAreOrderedAsIDs(t *testing.T) {
	t.Parallel()
	ids := []string{"0-1", "1-0", "1-2097151", "2-0", "1700000000000-0", "4398046511103-2097151"}
	last := Version(-1)
	for _, id := range ids {
		v, err := ParseVersion(id)
		if err != nil || v <= last {
			t.Errorf("%q: %d after %d, %v", id, v, last, err)
		}
		last = v
	}
}

func TestValidation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule  func(string) string
		input string
		ok    bool
	}{
		{ValidName, "a", true}, {ValidName, strings.Repeat("é", 255), true}, {ValidName, strings.Repeat("é", 256), false},
		{ValidName, "", false}, {ValidName, " \t\u00a0\u2003\u3000\u0085", false}, {ValidName, "\u200b", true}, {ValidName, "\x00", true},
		{ValidBody, strings.Repeat("a", 65_535), true}, {ValidBody, strings.Repeat("a", 65_536), false},
		{ValidBody, strings.Repeat("€", 21_845), true}, {ValidBody, strings.Repeat("€", 21_846), false}, {ValidBody, "\n", false},
		{ValidSearch, strings.Repeat("😀", 256), true}, {ValidSearch, strings.Repeat("😀", 257), false},
		{ValidKey, "~ !", true}, {ValidKey, "", false}, {ValidKey, "é", false}, {ValidKey, strings.Repeat("k", 256), false}, {ValidKey, "a\tb", false},
	} {
		if got := c.rule(c.input); (got == "") != c.ok {
			t.Errorf("%.20q: %q", c.input, got)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		page     Page
		from, to int64
	}{
		{Page{Limit: 50}, 1, 50},
		{Page{After: 50, Limit: 50}, 51, 100},
		{Page{Before: 51, Limit: 50}, 1, 50},
		{Page{Before: 20, Limit: 50}, 1, 19},
		{Page{Before: 1, Limit: 50}, 1, 0},
		{Page{After: math.MaxInt64 - 1, Limit: 50}, math.MaxInt64, math.MaxInt64},
		{Page{After: math.MaxInt64, Limit: 50}, math.MaxInt64, math.MaxInt64 - 1},
	} {
		if from, to := c.page.Window(); from != c.from || to != c.to {
			t.Errorf("%+v: %d..%d, want %d..%d", c.page, from, to, c.from, c.to)
		}
	}
}
