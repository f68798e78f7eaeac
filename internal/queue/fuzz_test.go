package queue

import (
	"strings"
	"testing"
)

func FuzzDecodeEntry(f *testing.F) {
	f.Add("1700000000000-1", "m 5 7 1 42 1700000000000000 1700000000000000", "b", "hello")
	f.Add("1-0", "k 5 1699999999999-3", "", "")
	f.Add("1-1", "e 5 7 1 42 1 2", "k", strings.Repeat("a", 32)+" "+strings.Repeat("b", 32))
	f.Add("1-2", "c 5 7 0 4 1 1", "t", strings.Repeat("0a", 24))
	f.Add("1-2", "m 5 7 1 4 1 1", "t", "no trace")
	f.Fuzz(func(t *testing.T, id, header, field, value string) {
		e, err := decodeEntry(id, []string{"h", header, field, value})
		if err != nil {
			return
		}
		if e.Version.ID() != id {
			t.Fatalf("id %q became %q", id, e.Version.ID())
		}
		if e.Kind != Marker && (e.Number < 0 || e.Scope.Application < 0 || e.Scope.Chat < 0) {
			t.Fatalf("negative number: %+v", e)
		}
		if e.Trace.Sampled() && (field != "t" || !strings.EqualFold(e.Trace.hex(), value)) {
			t.Fatalf("%q %q became the trace %s", field, value, e.Trace.hex())
		}
		if field == "t" { // whatever it holds, the entry is what it is without
			without, err := decodeEntry(id, []string{"h", header})
			if without.Trace = e.Trace; err != nil || without != e {
				t.Fatalf("%+v, without a trace %+v, %v", e, without, err)
			}
		}
	})
}

func FuzzDecodePending(f *testing.F) {
	f.Add("1700000000000-1 m 1700000000000000 1700000000000001 body with spaces")
	f.Add("1-1 e 1 2 ")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := decodePending(s)
		if err == nil && !strings.HasSuffix(s, p.Body) {
			t.Fatalf("%q lost its body: %q", s, p.Body)
		}
	})
}

func FuzzDecodeReplies(f *testing.F) {
	f.Add("OK", "ok 5 1700000000000-0 1700000000000000", "seed 7", "replay 7 1-1")
	f.Add("STALE", "0123abcd", "4", "1")
	f.Add("OK", "reused", "absent", "ask")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		for n := range 5 {
			rs, err := decodeReplies([]any{a, b, c, d}, 1, 3, n)
			if err == nil && len(rs) != n {
				t.Fatalf("%d replies for %d writes", len(rs), n)
			}
			for _, r := range rs {
				if r.status == 0 || r.number < 0 {
					t.Fatalf("reply without meaning: %+v", r)
				}
			}
		}
		_, _ = decodeReplies([]any{a, []any{b}, nil, int64(5)}, 1, 2, 3)
		if at, each, err := decodeTime([]any{a, b, nil}, 2); err == nil && (at < 0 || len(each) != 2) {
			t.Fatalf("time %d, %d answers", at, len(each))
		}
		entries := []any{[]any{d, []any{"h", c}}, d, nil}
		_, _ = decodeBatch([]any{a, b, c, int64(1), []any{}}, entries, Position{})
		_, _ = decodeBatch([]any{a, b, c, int64(2), entries}, nil, Position{})
	})
}
