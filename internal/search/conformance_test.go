package search

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-system/internal/chat"
)

// engine is an Index under test. settle makes visible what was put.
type engine struct {
	Index
	settle func(t *testing.T)
}

// conform holds an engine to what Index promises. Every test has chats of its own, so they share it.
func conform(t *testing.T, e engine) {
	t.Run("finds", func(t *testing.T) { t.Parallel(); testFinds(t, e) })
	t.Run("agrees with the definition", func(t *testing.T) { t.Parallel(); testDefinition(t, e) })
	t.Run("keeps to the chat", func(t *testing.T) { t.Parallel(); testKeepsToChat(t, e) })
	t.Run("gives back what was put", func(t *testing.T) { t.Parallel(); testGivesBack(t, e) })
	t.Run("versions", func(t *testing.T) { t.Parallel(); testVersions(t, e) })
	t.Run("pages", func(t *testing.T) { t.Parallel(); testPages(t, e) })
	t.Run("bounds", func(t *testing.T) { t.Parallel(); testBounds(t, e) })
	t.Run("long bodies", func(t *testing.T) { t.Parallel(); testLongBodies(t, e) })
	t.Run("takes any text", func(t *testing.T) { t.Parallel(); testAnyText(t, e) })
	t.Run("concurrent use", func(t *testing.T) { t.Parallel(); testConcurrentUse(t, e) })
}

// testDefinition compares an engine with the definition in Go, on texts made to be hard.
func testDefinition(t *testing.T, e engine) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := strings.Split("a|b|ab|abc|A|é|e\u0301|c|c++|#| |  |\n|-|'|’|*|.|_|日|本|か|\u3099|が|한|😀|👍🏽|\u200D|ß|ﬁ|ﷺ|aaa|bab|\x00|क|ि|ไทย|𐐀|\u0301|½|…|(|\"|long"+
		strings.Repeat("word", 30)+"|\U0001FAE8|\U000E0067|İ|ς", "|")
	build := func(n int) string {
		var b strings.Builder
		for range 1 + random.IntN(n) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	scope := newScope()
	bodies := make([]string, 300)
	for i := range bodies {
		bodies[i] = build(12)
	}
	put(t, e, messages(scope, bodies...)...)
	for range 200 {
		text := build(4)
		if random.IntN(2) == 0 { // what is there, from any character on
			body := []rune(bodies[random.IntN(len(bodies))])
			from := random.IntN(len(body))
			text = string(body[from:min(len(body), from+1+random.IntN(8))])
		}
		want := expect(text, bodies)
		var got []int64
		for _, h := range allPages(t, e, scope, text, chat.MaxLimit) {
			got = append(got, h.Number)
			if want := termsOf(text).highlight(bodies[h.Number-1]); h.Highlight != want || !strings.Contains(want, "<em>") {
				t.Errorf("%q highlights %q as %q, want %q", text, h.Body, h.Highlight, want)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", text, got, want)
		}
	}
}

// expect gives the numbers of the hits, best first, by the definition.
func expect(text string, bodies []string) []int64 {
	var hits []Cursor
	for i, b := range bodies {
		if score, hit := termsOf(text).score(fold(b)); hit {
			hits = append(hits, Cursor{score, int64(i + 1)})
		}
	}
	slices.SortFunc(hits, func(a, b Cursor) int {
		if a.precedes(b) {
			return -1
		}
		return 1
	})
	var out []int64
	for _, h := range hits {
		out = append(out, h.number)
	}
	return out
}

func testKeepsToChat(t *testing.T, e engine) {
	mine := newScope()
	otherChat := chat.Scope{Application: mine.Application, Chat: mine.Chat + 1}
	otherApplication := chat.Scope{Application: mine.Application + 1, Chat: mine.Chat}
	joined := chat.Scope{Application: mine.Application * 10, Chat: mine.Chat}
	all := messages(mine, "hello")
	for _, s := range []chat.Scope{otherChat, otherApplication, joined} {
		all = append(all, messages(s, "hello", "hello")...)
	}
	put(t, e, all...)
	r := find(t, e, mine, "hello")
	if len(r.Hits) != 1 || scopeOf(r.Hits[0].Message) != mine {
		t.Errorf("a search in %v finds %+v", mine, r.Hits)
	}
	if r := find(t, e, chat.Scope{Application: mine.Application, Chat: mine.Chat + 9}, "hello"); len(r.Hits) != 0 {
		t.Errorf("a search in an empty chat finds %+v", r.Hits)
	}
}

func testGivesBack(t *testing.T, e engine) {
	scope := newScope()
	m := chat.Message{
		ApplicationID: scope.Application, ChatNumber: scope.Chat, Number: chat.MaxNumber,
		Body:    " e\u0301 <b>\"cat\"</b> & 'x' \x00 \u2028 \U0001F600 \uFFFD ",
		Version: 1<<62 + 12345, CreatedAt: time.UnixMicro(1_764_000_000_123_456).UTC(), UpdatedAt: time.UnixMicro(1_764_000_000_123_457).UTC(),
	}
	put(t, e, m)
	r := find(t, e, scope, "cat")
	want := " e\u0301 &lt;b&gt;&#34;<em>cat</em>&#34;&lt;/b&gt; &amp; &#39;x&#39; \x00 \u2028 \U0001F600 \uFFFD "
	if len(r.Hits) != 1 || r.Hits[0].Message != m || r.Hits[0].Highlight != want || r.Next != "" {
		t.Errorf("got %+v, want %+v with %q", r, m, want)
	}
}

func testVersions(t *testing.T, e engine) {
	scope := newScope()
	first := messages(scope, "the cat")[0]
	edited, late := first, first
	edited.Body, edited.Version, edited.UpdatedAt = "the dog", first.Version+2, first.UpdatedAt.Add(time.Second)
	late.Body, late.Version = "the bird", first.Version+1
	sees := func(when, text string, want ...chat.Message) {
		t.Helper()
		var got []chat.Message
		for _, h := range find(t, e, scope, text).Hits {
			got = append(got, h.Message)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s, %q finds %+v, want %+v", when, text, got, want)
		}
	}
	beside := messages(scope, "", "beside it")[1] // keeps what the first Put wrote from vanishing as a whole
	put(t, e, first, beside)
	put(t, e, first) // again, as after a crash
	sees("put twice", "cat", first)
	put(t, e, edited)
	sees("edited", "cat")
	sees("edited", "dog", edited)
	put(t, e, late, first)
	sees("after older versions", "the", edited)

	scope = newScope()
	first.ChatNumber, first.ApplicationID = scope.Chat, scope.Application
	edited.ChatNumber, edited.ApplicationID = scope.Chat, scope.Application
	put(t, e, edited, first) // in one Put, in either order
	sees("newest first in one Put", "the", edited)
}

func testPages(t *testing.T, e engine) {
	scope := newScope()
	bodies := make([]string, 500)
	for i := range bodies {
		bodies[i] = []string{"concatenate", "catalogue", "a cat", "dog", "cat"}[i%5]
	}
	put(t, e, messages(scope, bodies...)...)
	want := expect("cat", bodies)
	for _, limit := range []int{1, 7, 100, 199, 200} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			var got []int64
			for _, h := range allPages(t, e, scope, "cat", limit) {
				got = append(got, h.Number)
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d give %v, want %v", limit, got, want)
			}
		})
	}
}

func testBounds(t *testing.T, e engine) {
	scope := newScope()
	bodies := make([]string, chat.MaxLimit+1)
	for i := range bodies {
		bodies[i] = "cat"
	}
	put(t, e, messages(scope, bodies...)...)
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, chat.MaxLimit: chat.MaxLimit, 1 << 40: chat.MaxLimit} {
		r := search(t, e, Query{Chat: scope, Text: "cat", Limit: limit})
		if len(r.Hits) != want || r.Next == "" {
			t.Errorf("limit %d: %d hits, next %q", limit, len(r.Hits), r.Next)
		}
	}
	for _, place := range []Cursor{{0, 1}, {maxScore, chat.MaxNumber}} {
		r := search(t, e, Query{Chat: scope, Text: "cat", Limit: chat.MaxLimit, After: &place})
		if want := place.score > 0; (len(r.Hits) > 0) != want {
			t.Errorf("after %+v: %d hits", place, len(r.Hits))
		}
	}
	if refused, err := e.Put(t.Context(), nil); err != nil || len(refused) > 0 {
		t.Errorf("an empty Put gives %v, %v", refused, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Search(ended, Query{Chat: scope, Text: "cat", Limit: 1}); err == nil {
		t.Error("a search goes on after its context has ended")
	}
	if _, err := e.Put(ended, messages(scope, "cat")); err == nil {
		t.Error("a Put goes on after its context has ended")
	}
}

func testLongBodies(t *testing.T, e engine) {
	scope := newScope()
	fill := func(s, end string) string { return strings.Repeat(s, (chat.MaxBody-len(end))/len(s)) + end }
	put(t, e, messages(scope,
		fill("word ", "lastone"), fill("a", "b"), fill("😀", "needle"), fill("ﷺ", "hay"), fill("\x00", "zero"),
		fill("日", "本"), fill("<", "bracket"), fill("e\u0301", "nd"), fill("\u0301", "marks"),
	)...)
	for text, want := range map[string][]int64{
		"lastone": {1}, strings.Repeat("a", 200) + "b": {2}, strings.Repeat("a", 256): {2}, "needle": {3}, "😀": {3},
		"hay": {4}, "zero": {5}, "日本": {6}, "bracket": {7}, "éénd": {8}, "marks": {9},
	} {
		r := find(t, e, scope, text)
		if got := numbers(r); !slices.Equal(got, want) {
			t.Errorf("%.20q… finds %v, want %v", text, got, want)
			continue
		}
		if h := r.Hits[0].Highlight; !strings.Contains(h, "<em>") || len(h) > 10*maxHighlight {
			t.Errorf("%.20q… highlights %d bytes: %.300q", text, len(h), h)
		}
	}
}

// testAnyText asks for texts that make the largest queries.
func testAnyText(t *testing.T, e engine) {
	scope := newScope()
	each := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return string([]rune(b.String())[:min(chat.MaxSearch, len([]rune(b.String())))])
	}
	worst := []string{
		each(128, func(i int) string { return string(rune(0x4E00+i)) + " " }),
		each(128, func(i int) string { return string(rune(0x0561+i%38)) + " " }),
		each(64, func(i int) string { return fmt.Sprintf("%03d ", i) }),
		each(64, func(i int) string { return fmt.Sprintf("%c++ ", 0x4E00+i) }),
		each(64, func(i int) string { return fmt.Sprintf("%c-%c ", 0x4E00+i, 0x5E00+i) }),
		each(256, func(i int) string { return string(rune(0x4E00 + i)) }),
		each(256, func(int) string { return "ﷺ" }),
		each(256, func(int) string { return "x" }),
		each(256, func(i int) string { return string(rune(0x3300 + i)) }), // squares of several characters each
		each(256, func(int) string { return "\x00" }),
		each(256, func(int) string { return "\U0010FFFF" }),
	}
	put(t, e, messages(scope, worst...)...)
	for i, text := range worst {
		if got := numbers(find(t, e, scope, text)); !slices.Contains(got, int64(i+1)) {
			t.Errorf("%.40q… finds %v, not itself, %d", text, got, i+1)
		}
	}
}

func testConcurrentUse(t *testing.T, e engine) {
	var wg sync.WaitGroup
	scopes := make([]chat.Scope, 4)
	for i := range scopes {
		scopes[i] = newScope()
		wg.Go(func() {
			for _, m := range messages(scopes[i], make([]string, 20)...) {
				m.Body = fmt.Sprintf("cat %d", m.Number)
				if _, err := e.Put(t.Context(), []chat.Message{m}); err != nil {
					t.Error(err)
				}
				if _, err := e.Search(t.Context(), Query{Chat: scopes[i], Text: "cat", Limit: 5}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	e.settle(t)
	for _, s := range scopes {
		if r := find(t, e, s, "cat"); len(r.Hits) != 20 {
			t.Errorf("%d of 20 found", len(r.Hits))
		}
	}
}

var lastScope atomic.Int64

// newScope gives a chat that nothing else uses.
func newScope() chat.Scope {
	return chat.Scope{Application: 1<<61 + lastScope.Add(1)*1_000_000, Chat: 7}
}

// messages are numbered from 1.
func messages(s chat.Scope, bodies ...string) []chat.Message {
	at := time.UnixMicro(1_764_000_000_000_001).UTC()
	out := make([]chat.Message, len(bodies))
	for i, b := range bodies {
		out[i] = chat.Message{
			ApplicationID: s.Application, ChatNumber: s.Chat, Number: int64(i + 1), Body: b,
			Version: chat.VersionAt(at.UnixMilli()) + chat.Version(i), CreatedAt: at, UpdatedAt: at,
		}
	}
	return out
}

func put(t *testing.T, e engine, messages ...chat.Message) {
	t.Helper()
	refused, err := e.Put(t.Context(), messages)
	if err != nil || len(refused) > 0 {
		t.Fatalf("Put: %v, refused %v", err, refused)
	}
	e.settle(t)
}

func search(t *testing.T, i Index, q Query) Result {
	t.Helper()
	r, err := i.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("%.60q: %v", q.Text, err)
	}
	return r
}

func find(t *testing.T, i Index, s chat.Scope, text string) Result {
	t.Helper()
	return search(t, i, Query{Chat: s, Text: text, Limit: chat.MaxLimit})
}

// allPages follows the cursors. Every page but the last is full, and there is an end.
func allPages(t *testing.T, i Index, s chat.Scope, text string, limit int) []chat.Hit {
	t.Helper()
	var hits []chat.Hit
	q := Query{Chat: s, Text: text, Limit: limit}
	for range 1000 {
		r := search(t, i, q)
		hits = append(hits, r.Hits...)
		if r.Next == "" {
			return hits
		}
		if len(r.Hits) != limit {
			t.Fatalf("a page of %d hits, and more to come", len(r.Hits))
		}
		q.After = parse(t, r.Next)
	}
	t.Fatalf("%.60q has no last page", text)
	return nil
}

func parse(t *testing.T, next string) *Cursor {
	t.Helper()
	c, err := ParseCursor(next)
	if err != nil {
		t.Fatalf("%q: %v", next, err)
	}
	return c
}

func numbers(r Result) []int64 {
	var out []int64
	for _, h := range r.Hits {
		out = append(out, h.Number)
	}
	return out
}
