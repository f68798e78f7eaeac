package search

import (
	"unicode"
	"unicode/utf8"
)

// maxWord bounds a word, in characters; a longer run of letters is several words. Lucene cuts at 255 units of UTF-16 by
// itself, which this stays below.
const maxWord = 100

// span is a range of bytes, to excluded.
type span struct{ from, to int }

// wordsOf finds the words of a folded text: runs of letters, marks and digits, and every character alone of scripts
// that put no space between words, and every emoji.
func wordsOf(folded string) []span {
	var words []span
	start, length := -1, 0
	end := func(at int) {
		if start >= 0 {
			words = append(words, span{start, at})
		}
		start, length = -1, 0
	}
	for i, r := range folded {
		switch kindOf(r) {
		case letter:
			if length == maxWord {
				end(i)
			}
			if start < 0 {
				start = i
			}
			length++
		case alone:
			end(i)
			words = append(words, span{i, i + utf8.RuneLen(r)})
		case between:
			end(i)
		}
	}
	end(len(folded))
	return words
}

type kind int

const (
	between kind = iota // separates words
	letter              // continues a word
	alone               // is a word
)

func kindOf(r rune) kind {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return letter
		}
		return between
	case unicode.In(r, unicode.Han, unicode.Hiragana):
		return alone
	case unicode.In(r, unicode.L, unicode.M, unicode.N):
		return letter
	case unicode.In(r, unicode.So, unicode.Co, unicode.Cn): // Cn, unknown to this Go: most likely a newer emoji
		return alone
	}
	return between
}

// texts gives what the spans hold.
func texts(s string, spans []span) []string {
	out := make([]string, len(spans))
	for i, w := range spans {
		out[i] = s[w.from:w.to]
	}
	return out
}
