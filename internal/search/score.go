package search

import (
	"slices"
	"strings"
)

// A hit's score is the sum of what its words bring and of what the whole text brings. A hit may have none of it.
const (
	scoreWhole  = 2 // a word stands as a whole word
	scorePhrase = 1 // all words of the text stand side by side, as whole words
	scoreExact  = 1 // the text stands there as typed, with its punctuation
)

// score says whether a folded body is a hit, and how good a one.
func (t terms) score(folded string) (score int, hit bool) {
	words := texts(folded, wordsOf(folded))
	for _, w := range t.words {
		if !w.in(folded, words) {
			return 0, false
		}
		if w.isWholeIn(words) {
			score += scoreWhole
		}
	}
	if t.whole != nil && contains(words, t.whole, false) {
		score += scorePhrase
	}
	if t.exact != "" && strings.Contains(folded, t.exact) {
		score += scoreExact
	}
	return score, len(t.words) > 0
}

// in says whether the term is in a folded text, whose words are given.
func (w term) in(folded string, words []string) bool {
	if !w.short {
		return strings.Contains(folded, w.text)
	}
	return contains(words, w.words, !w.closed) || w.typed != "" && strings.Contains(folded, w.typed)
}

func (w term) isWholeIn(words []string) bool {
	return len(w.words) > 0 && contains(words, w.words, false)
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
