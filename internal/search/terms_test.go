package search

import (
	"encoding/json"
	"html"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"chat-system/internal/chat"
)

func TestTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]terms{
		"":     {},
		" ?! ": {},
		"cat":  {words: []term{{text: "cat", words: []string{"cat"}}}},
		"Cat,": {words: []term{{text: "cat", words: []string{"cat"}, closed: true}}, exact: "cat,"},
		"C++":  {words: []term{{text: "c", words: []string{"c"}, short: true, closed: true, typed: "c++"}}, exact: "c++"},
		"c#":   {words: []term{{text: "c", words: []string{"c"}, short: true, closed: true}}},
		"???":  {words: []term{{text: "???"}}},
		"北京":   {words: []term{{text: "北京", words: []string{"北", "京"}, short: true}}},
		"so so": {
			words: []term{{text: "so", words: []string{"so"}, short: true}}, whole: []string{"so", "so"},
		},
	} {
		if got := termsOf(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q asks for %+v, want %+v", text, got, want)
		}
	}
}

func TestHighlight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, body, want string }{
		{"cat", "a cat, Cats and scatter", "a <em>cat</em>, <em>Cat</em>s and s<em>cat</em>ter"},
		{"ca", "cat scat", "<em>ca</em>t scat"},
		{"a b", "a b ab", "<em>a</em> <em>b</em> <em>a</em>b"},
		{"cafe", "Cafe\u0301 CAFÉ", "<em>Cafe\u0301</em> <em>CAFÉ</em>"},
		{"fis", "ﬁsh", "<em>ﬁs</em>h"},
		{"<em>", "<em>x</em>", "<em>&lt;em&gt;</em>x&lt;/<em>em</em>&gt;"},
		{"C++", "C++ and c", "<em>C++</em> and <em>c</em>"},
		{"foobar oba", "foobar", "<em>foobar</em>"},
		{"日本", "日本日", "<em>日本</em>日"},
		{"hello", "nothing", "nothing"},
		{"abcabc", "abcabcabc", "<em>abcabc</em>abc"},
	} {
		if got := termsOf(c.text).highlight(c.body); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.text, c.body, got, c.want)
		}
	}
}

func TestHighlightOfALongBody(t *testing.T) {
	t.Parallel()
	filling := strings.Repeat("x ", 5000)
	for name, c := range map[string]struct{ text, body, begins, has, ends string }{
		"in the middle":    {"cat", filling + "cat" + filling, "…", "x <em>cat</em>x", "…"},
		"at the beginning": {"cat", "cat " + filling, "<em>cat</em> x", "", "…"},
		"at the end":       {"cat", filling + "cat", "…", "x <em>cat</em>", "</em>"},
		"twice":            {"cat", filling + "cat " + filling + "cat" + filling, "…", "…x", "…"},
		"everywhere":       {"cat", strings.Repeat("cat ", 5000), "<em>cat</em> <em>", "", "…"},
		"one long match":   {strings.Repeat("y", 200), strings.Repeat("y", 5000), "<em>y", "", "…"},
		"nowhere":          {"cat", filling, "x x", "", "…"},
		"not through ä":    {"cat", strings.Repeat("ä", 1000) + "cat" + strings.Repeat("ä", 1000), "…ä", "ä<em>cat</em>ä", "ä…"},
	} {
		got := termsOf(c.text).highlight(c.body)
		if !strings.HasPrefix(got, c.begins) || !strings.Contains(got, c.has) || !strings.HasSuffix(got, c.ends) || !utf8.ValidString(got) {
			t.Errorf("%s: %q", name, got)
		}
		if shown := len(plain(got)); shown > maxHighlight+20 || shown < 60 {
			t.Errorf("%s: %d bytes are shown", name, shown)
		}
	}
}

// plain takes the marks and the encoding away.
func plain(highlighted string) string {
	return html.UnescapeString(strings.NewReplacer("<em>", "", "</em>", "").Replace(highlighted))
}

// FuzzQuery: whatever the text and the body, the query for Elasticsearch is well-formed and bounded, and a highlight is
// the body, encoded, with marks in a body that matches.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"cat", "C++", "a b c", "???", "日本", "e\u0301", `"\x"`, "😀a", "ﷺ", "* OR [", "c# (a", "\x00"} {
		f.Add(s, "a "+s+" cat")
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		text, body = strings.ToValidUTF8(text, "?"), strings.ToValidUTF8(body, "?")
		if utf8.RuneCountInString(text) > chat.MaxSearch || len(body) > 10*maxHighlight {
			return
		}
		terms := termsOf(text)
		query := newSearchBody(terms, Query{Text: text, After: &Cursor{1, 1}}, 10)
		encoded, err := json.Marshal(query)
		if err != nil || len(encoded) > 256<<10 {
			t.Fatalf("%q: a query of %d bytes, %v", text, len(encoded), err)
		}
		if n := checkClause(t, query.Query); n > 1024 || len(query.Query.Bool.Filter) != 1+len(terms.words) {
			t.Errorf("%q: %d clauses, %d filters", text, n, len(query.Query.Bool.Filter))
		}
		score, hit := terms.score(fold(body))
		highlighted := terms.highlight(body)
		if marked := strings.Contains(highlighted, "<em>"); hit && !marked {
			t.Errorf("%q matches %q, and nothing is marked", text, body)
		}
		if strings.Count(highlighted, "<em>") != strings.Count(highlighted, "</em>") || strings.Contains(highlighted, "<em></em>") {
			t.Errorf("%q in %q: %q", text, body, highlighted)
		}
		if len(body) <= maxHighlight && plain(highlighted) != body {
			t.Errorf("%q in %q shows %q", text, body, plain(highlighted))
		}
		if score < 0 || score > maxScore {
			t.Errorf("%q scores %d", text, score)
		}
	})
}

// checkClause counts clauses, each of which is of exactly one kind.
func checkClause(t *testing.T, c clause) int {
	kinds, n := 0, 1
	for _, kind := range reflect.ValueOf(c).Fields() {
		if !kind.IsNil() {
			kinds++
		}
	}
	var inner []clause
	if c.Bool != nil {
		inner = slices.Concat(c.Bool.Filter, c.Bool.Should)
	}
	if c.Score != nil {
		inner = append(inner, c.Score.Filter)
	}
	if kinds != 1 {
		t.Errorf("%+v is of %d kinds", c, kinds)
	}
	for _, i := range inner {
		n += checkClause(t, i)
	}
	return n
}
