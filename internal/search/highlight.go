package search

import (
	"cmp"
	"html"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

const (
	maxHighlight = 1000 // bytes of a body that are shown at most; a longer one is shown in excerpts
	excerptRim   = 60   // bytes shown on both sides of a match
	ellipsis     = "…"
)

// highlight shows where a body matches: HTML, encoded but for <em> and </em>.
func (t terms) highlight(body string) string {
	f := newFolding(body)
	marks := merge(f.sources(t.marks(f.text)))
	var b strings.Builder
	at := 0 // up to here the body is shown or left out
	for _, show := range excerpts(body, marks) {
		if show.from > at {
			b.WriteString(ellipsis)
		}
		at = show.from
		for _, m := range marks {
			m = span{max(m.from, show.from), min(m.to, show.to)}
			if m.from >= m.to {
				continue
			}
			b.WriteString(html.EscapeString(body[at:m.from]))
			b.WriteString("<em>" + html.EscapeString(body[m.from:m.to]) + "</em>")
			at = m.to
		}
		b.WriteString(html.EscapeString(body[at:show.to]))
		at = show.to
	}
	if at < len(body) {
		b.WriteString(ellipsis)
	}
	return b.String()
}

// marks finds every place of a folded text where a term matches.
func (t terms) marks(folded string) []span {
	places := wordsOf(folded)
	words := texts(folded, places)
	var marks []span
	for _, w := range t.words {
		if !w.short {
			marks = appendPlaces(marks, folded, w.text)
			continue
		}
		if w.typed != "" {
			marks = appendPlaces(marks, folded, w.typed)
		}
		for i, n := 0, len(w.words); i+n <= len(words); i++ {
			if contains(words[i:i+n], w.words, !w.closed) {
				last := places[i+n-1].from + len(w.words[n-1]) // of a beginning, no more than was typed
				marks = append(marks, span{places[i].from, last})
			}
		}
	}
	return marks
}

func appendPlaces(marks []span, s, part string) []span {
	for at := 0; ; {
		i := strings.Index(s[at:], part)
		if i < 0 {
			return marks
		}
		marks = append(marks, span{at + i, at + i + len(part)})
		at += i + len(part)
	}
}

// folding is a folded text that knows where it comes from.
type folding struct {
	text   string
	at     []int  // where in text each piece begins, ascending
	source []span // and what of the original it stands for
}

func newFolding(s string) folding {
	f := folding{at: make([]int, 0, len(s)), source: make([]span, 0, len(s))} // a piece for each byte of plain text
	var b strings.Builder
	b.Grow(len(s))
	foldEach(s, func(folded string, from, to int) {
		f.at = append(f.at, b.Len())
		f.source = append(f.source, span{from, to})
		b.WriteString(folded)
	})
	f.text = b.String()
	return f
}

// sources translates ranges of the folded text into ranges of the original.
func (f folding) sources(spans []span) []span {
	piece := func(at int) span { return f.source[sort.SearchInts(f.at, at+1)-1] }
	out := make([]span, len(spans))
	for i, s := range spans {
		out[i] = span{piece(s.from).from, piece(s.to - 1).to}
	}
	return out
}

// merge sorts ranges and joins those that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// excerpts chooses what of a body to show: all of a short one, else the first matches with a rim.
func excerpts(body string, marks []span) []span {
	if len(body) <= maxHighlight {
		return []span{{0, len(body)}}
	}
	if len(marks) == 0 {
		marks = []span{{0, 0}}
	}
	shown, rims := 0, []span(nil)
	for _, m := range marks {
		rim := span{runeStart(body, m.from-excerptRim), runeStart(body, min(m.to+excerptRim, m.from+maxHighlight/2))}
		if shown += rim.to - rim.from; shown > maxHighlight {
			break
		}
		rims = append(rims, rim)
	}
	return merge(rims)
}

// runeStart is the first byte of a character at or before i, within the text.
func runeStart(s string, i int) int {
	i = min(max(i, 0), len(s))
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
