package search

import (
	"slices"
	"strings"
)

// A hit's score is the sum of what its words bring and of what the whole text brings.
const (
	scoreWhole  = 4 // the word stands as a whole word
	scorePrefix = 2 // at the beginning of one
	scorePart   = 1 // somewhere
	scorePhrase = 2 // all words of the text stand side by side, as whole words
	scoreExact  = 1 // the text stands there as typed, punctuation included
)

// score says how well a folded body matches; 0: it is no hit.
func (t terms) score(folded string) int {
	words := texts(folded, wordsOf(folded))
	sum := 0
	for _, w := range t.words {
		s := w.score(folded, words)
		if s == 0 {
			return 0
		}
		sum += s
	}
	if len(t.words) == 0 {
		return 0
	}
	if t.whole != nil && contains(words, t.whole, false) {
		sum += scorePhrase
	}
	if t.exact != "" && strings.Contains(folded, t.exact) {
		sum += scoreExact
	}
	return sum
}

func (w term) score(folded string, words []string) int {
	if !w.short && !strings.Contains(folded, w.text) {
		return 0
	}
	switch {
	case len(w.words) > 0 && contains(words, w.words, false):
		return scoreWhole
	case w.begins() && contains(words, w.words, true):
		return scorePrefix
	case !w.short, w.typed != "" && strings.Contains(folded, w.typed):
		return scorePart
	}
	return 0
}

// begins says whether the term counts as the beginning of a word.
func (w term) begins() bool {
	if w.short {
		return !w.closed
	}
	return len(w.words) == 1
}

// contains finds run within words, its last one as a beginning where prefix is set.
func contains(words, run []string, prefix bool) bool {
	last := len(run) - 1
	for i := 0; i+last < len(words); i++ {
		if !slices.Equal(words[i:i+last], run[:last]) {
			continue
		}
		if w := words[i+last]; w == run[last] || prefix && strings.HasPrefix(w, run[last]) {
			return true
		}
	}
	return false
}
