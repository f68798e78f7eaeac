package search

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// minPart is from how many characters on a word matches within others. Both engines index runs of that length.
const minPart = 3

// terms is what a query's text asks for. Everything in it is folded.
type terms struct {
	words []term   // all must match; none: nothing is found
	whole []string // the words of the whole text, in order, where they are more than those of the only term
	exact string   // the whole text, where its punctuation says more than the words; at least minPart characters
}

// term is one word as it was typed, up to the white space on both sides.
type term struct {
	text   string   // without the punctuation around it
	words  []string // of text; several where it holds punctuation or characters that are words alone; none: only punctuation
	short  bool     // below minPart characters
	closed bool     // punctuation follows
	typed  string   // for a short one: with the punctuation around it, where that makes minPart characters
}

func termsOf(text string) terms {
	text = strings.Trim(fold(text), " ")
	var t terms
	for typed := range strings.SplitSeq(text, " ") {
		words := wordsOf(typed)
		if len(words) == 0 {
			continue // punctuation that stands alone
		}
		from, to := words[0].from, words[len(words)-1].to
		w := term{text: typed[from:to], words: texts(typed, words), closed: to < len(typed)}
		w.short = utf8.RuneCountInString(w.text) < minPart
		if w.short && isPart(typed) {
			w.typed = typed
		}
		if !slices.ContainsFunc(t.words, w.same) {
			t.words = append(t.words, w)
		}
	}
	all := texts(text, wordsOf(text))
	switch {
	case len(t.words) == 0 && isPart(text):
		t.words = []term{{text: text}}
	case len(t.words) > 0 && len(all) > len(t.words[0].words):
		t.whole = all
	}
	if isPart(text) && text != strings.Join(all, " ") && (len(t.words) != 1 || t.words[0].text != text) {
		t.exact = text
	}
	return t
}

// isPart says whether a text is long enough to be found within others.
func isPart(folded string) bool { return utf8.RuneCountInString(folded) >= minPart }

// same says whether both terms find the same.
func (w term) same(v term) bool {
	return w.text == v.text && (!w.short || w.closed == v.closed && w.typed == v.typed)
}
