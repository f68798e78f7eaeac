package search

import (
	"slices"
	"strings"
	"testing"

	"chat-system/internal/chat"
)

// finds is what both engines must find: by hand, best first.
var finds = []struct {
	name   string
	bodies []string // numbered from 1
	text   string
	want   []int64
}{
	{"a whole word", []string{"the cat sat", "the dog sat"}, "cat", []int64{1}},
	{"whole before the rest", []string{"a cat", "concatenate", "catalogue"}, "cat", []int64{1, 3, 2}},
	{"newest first among equals", []string{"a cat", "cat", "the cat"}, "cat", []int64{3, 2, 1}},
	{"one letter begins", []string{"cat", "act", "c"}, "c", []int64{3, 1}},
	{"two letters begin", []string{"cat", "scat"}, "ca", []int64{1}},
	{"three letters anywhere", []string{"scatter"}, "att", []int64{1}},
	{"two letters not within", []string{"scatter"}, "at", nil},
	{"a long beginning", []string{"internationalisation of", "nationalisation"}, "internationalis", []int64{1}},
	{"a long part", []string{"preinternationalisation"}, "internationalis", []int64{1}},
	{
		"a very long word", []string{strings.Repeat("a", 255) + strings.Repeat("b", 45), "x" + strings.Repeat("b", 45) + "x"},
		strings.Repeat("b", 45), []int64{2, 1}, // both a part: where the engine cuts a long word must not matter
	},
	{"more than the word", []string{"cat"}, "cats", nil},

	{"all words", []string{"red fox", "red hen", "a fox, red"}, "red fox", []int64{1, 3}},
	{"each word in its way", []string{"scatter brained foxes", "cat fox"}, "cat fox", []int64{2, 1}},
	{"a phrase before its words", []string{"new york", "york is new", "york, not new york"}, "new york", []int64{3, 1, 2}},
	{"a phrase in spite of punctuation", []string{"new, york", "york new"}, "new york", []int64{1, 2}},
	{"as typed before a phrase", []string{"red,\n\t fox", "red fox"}, "red, fox", []int64{1, 2}},
	{"the same word twice", []string{"so", "so so"}, "so so", []int64{2, 1}},
	{"line breaks and tabs", []string{"red\n\n\tfox"}, "\t red \n fox ", []int64{1}},

	{"case", []string{"HeLLo"}, "hEllO", []int64{1}},
	{"accents", []string{"Café crème", "cafe\u0301 CRE\u0300ME", "cafe creme"}, "CAFÉ crème", []int64{3, 2, 1}},
	{"accents as characters", []string{"Café", "cafe\u0301", "cafe"}, "cafe\u0301", []int64{3, 2, 1}},
	{"many accents on one letter", []string{"z" + strings.Repeat("\u0301", 80) + "algo"}, "zalgo", []int64{1}},
	{"letters without decomposition", []string{"Straße Łódź Ærø Đà"}, "STRASSE lodz aero da", []int64{1}},
	{"Turkish", []string{"İstanbul ılık"}, "istanbul ilik", []int64{1}},
	{"Greek", []string{"Ο ΟΔΥΣΣΕΎΣ", "οδυσσέας"}, "οδυσσευς", []int64{1}},
	{"Cyrillic", []string{"Ёлка"}, "елка", []int64{1}},
	{"Hebrew points", []string{"שָׁלוֹם"}, "שלום", []int64{1}},
	{"Arabic vowels", []string{"مَرْحَبًا"}, "مرحبا", []int64{1}},
	{"ligatures and width", []string{"ﬁsh ＦＵＬＬ ①"}, "fish full 1", []int64{1}},
	{"invisible characters", []string{"hel\u00ADlo wor\u200Bld"}, "hello world", []int64{1}},
	{"curly quotes", []string{"it’s"}, "it's", []int64{1}},

	{"Chinese, part of a run", []string{"我们今天去北京", "北京"}, "北京", []int64{2, 1}},
	{"Chinese, one character", []string{"我们今天去北京"}, "今", []int64{1}},
	{"Chinese, not side by side", []string{"我们今天去北京"}, "今京", nil},
	{"Japanese", []string{"ひらがなとカタカナ"}, "らがな", []int64{1}},
	{"Japanese voiced sounds differ", []string{"かき"}, "がき", nil},
	{"Korean syllables", []string{"안녕하세요"}, "안녕", []int64{1}},
	{"Korean, not part of a syllable", []string{"안녕"}, "아", nil},
	{"Thai", []string{"ภาษาไทยง่าย"}, "ไทย", []int64{1}},
	{"Devanagari vowels count", []string{"कि"}, "कु", nil},
	{"emoji", []string{"so happy 😀", "sad 😢"}, "😀", []int64{1}},
	{"emoji without space", []string{"hi😀you"}, "😀", []int64{1}},
	{"emoji with skin tone", []string{"ok 👍🏽"}, "👍", []int64{1}},
	{"an emoji family", []string{"👨‍👩‍👧 hi", "👨 👩"}, "👨‍👩‍👧", []int64{1}},
	{"an emoji and a beginning", []string{"😀abc"}, "😀a", []int64{1}},
	{"heart with and without selector", []string{"I ❤️ Go"}, "❤", []int64{1}},

	{"a word of several", []string{"foo-bar", "foo bar", "xfoo-barx"}, "foo-bar", []int64{1, 3}},
	{"part of several", []string{"foo-bar"}, "o-b", []int64{1}},
	{"words within a name", []string{"foo_bar node.js"}, "bar js", []int64{1}},
	{"decimals", []string{"pi is 3.14159"}, "3.14", []int64{1}},
	{"an address", []string{"see https://example.org/a?b=c#d"}, "example.org/a?b=c", []int64{1}},
	{"C++", []string{"I like C++", "a cat", "c or d", "objc++x"}, "C++", []int64{1, 3, 4}},
	{"C#", []string{"C# and F#", "cat"}, "c#", []int64{1}},
	{"punctuation around", []string{"hello world"}, `"hello," (wor`, []int64{1}},
	{"punctuation before a beginning", []string{"cat"}, "(c", []int64{1}},
	{"punctuation that stands alone", []string{"red fox"}, "red - fox", []int64{1}},
	{"punctuation alone", []string{"what?!?", "what?!", "?!?"}, "?!?", []int64{3, 1}},
	{"punctuation with space", []string{"a : -) b"}, ": -)", []int64{1}},
	{"little punctuation", []string{"?!", "!"}, "?!", nil},
	{"invisible alone", []string{"a\u200Bb"}, "\u200B\u200B\u200B", nil},
	{"NUL", []string{"a\x00b\x00c"}, "b\x00c", []int64{1}},

	{"a star is no wildcard", []string{"hello", "h*o"}, "h*o", []int64{2}},
	{"nor alone", []string{"anything"}, "*", nil},
	{"nor three", []string{"anything", "***"}, "***", []int64{2}},
	{"a question mark is none", []string{"hello"}, "he?lo", nil},
	{"OR is a word", []string{"cat", "dog", "cat or dog"}, "cat OR dog", []int64{3}},
	{"NOT is a word", []string{"cat"}, "NOT cat", nil},
	{"a hyphen before does not exclude", []string{"cat"}, "-cat", []int64{1}},
	{"a field is none", []string{"cat", "body:cat"}, "body:cat", []int64{2}},
	{"JSON", []string{"x", `{"match_all":{}}`}, `{"match_all":{}}`, []int64{2}},
	{"escapes", []string{`a\"b`, "ab"}, `a\"b`, []int64{1}},
	{"a range", []string{"cat"}, "[a TO z]", nil},
	{"SQL", []string{"x", "' OR 1=1 --"}, "' OR 1=1 --", []int64{2}},
	{"fuzzy", []string{"cat"}, "cot~1", nil},
	{"nothing there", nil, "cat", nil},
}

func testFinds(t *testing.T, e engine) {
	scopes := make([]chat.Scope, len(finds))
	var all []chat.Message
	for i, c := range finds {
		scopes[i] = newScope()
		all = append(all, messages(scopes[i], c.bodies...)...)
	}
	put(t, e, all...)
	for i, c := range finds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := numbers(find(t, e, scopes[i], c.text)); !slices.Equal(got, c.want) {
				t.Errorf("%q in %q finds %v, want %v", c.text, c.bodies, got, c.want)
			}
		})
	}
}
