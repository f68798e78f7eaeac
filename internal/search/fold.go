package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis/char/asciifolding"
	"golang.org/x/text/unicode/norm"
)

// fold makes texts comparable that differ in case, accents, width, ligatures, composition, invisible characters or the
// amount of white space alone. An engine's own filters would not do: Lucene's asciifolding leaves Greek and Cyrillic
// accents and every accent that is a character of its own.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	foldEach(s, func(folded string, _, _ int) { b.WriteString(folded) })
	return b.String()
}

// foldEach gives the folded text piece by piece, each with the bytes from..to of s that it comes from. No piece is empty.
func foldEach(s string, emit func(folded string, from, to int)) {
	space := false // the text so far ends in white space
	for i := 0; i < len(s); {
		n := 1
		var piece string
		if s[i] < utf8.RuneSelf && (i+1 == len(s) || s[i+1] < utf8.RuneSelf) {
			piece = foldedASCII[s[i] : s[i]+1]
		} else { // up to where nothing that follows can join it
			n = max(1, norm.NFKC.NextBoundaryInString(s[i:], true))
			piece = foldCluster(s[i : i+n])
		}
		if space {
			piece = strings.TrimLeft(piece, " ")
		}
		if piece != "" {
			emit(piece, i, i+n)
			space = piece[len(piece)-1] == ' '
		}
		i += n
	}
}

// foldedASCII is indexed by character.
var foldedASCII = func() string {
	b := make([]byte, utf8.RuneSelf)
	for i := range b {
		b[i] = byte(foldRune(rune(i)))
	}
	return string(b)
}()

// foldCluster folds a character with everything that joins it.
func foldCluster(s string) string {
	s = strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
	s = norm.NFC.String(s)                  // what is no accent belongs together again: Korean syllables, Japanese voiced sounds
	s = asciiFold(strings.Map(foldRune, s)) // not every capital has an ASCII form where its small letter has one
	return strings.Map(foldRune, s)         // and the ASCII form of some small letters is a capital
}

// ignorable: accents, and what nobody sees.
func ignorable(r rune) bool {
	if r == 0x3099 || r == 0x309A { // the Japanese voiced sound marks make other letters
		return false
	}
	return unicode.Is(unicode.M, r) && unicode.In(r, unicode.Inherited, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic) ||
		unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point)
}

var asciiFilter = asciifolding.New()

// asciiFold writes letters that are variants of ASCII ones, but have no decomposition, with these: ø, ß, æ, ł, ’ …
func asciiFold(s string) string {
	for _, r := range s {
		if r >= 0x80 && (r < 0x2E80 || r >= 0xA720 && r < 0xA800) {
			return string(asciiFilter.Filter([]byte(s)))
		}
	}
	return s
}

func foldRune(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	return unicode.ToLower(unicode.ToUpper(r)) // both, for letters with two lower cases: σ and ς
}
