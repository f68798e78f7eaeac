package search

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                               "",
		"Hello":                          "hello",
		"a \t\r\n\u00A0\u2003\u0085 b":   "a b",
		"é e\u0301 E\u0301\u0327":        "e e e",
		"\u0301 leading":                 " leading",
		"Æsop Œuvre ßẞ ŁØĐ":              "aesop oeuvre ssss lod",
		"ΆΣ ας":                          "ασ ασ",
		"Ёй":                             "еи",
		"ﬁ ½ ① Ａ …":                      "fi 1/2 1 a ...",
		"Ʀʀ":                             "rr",
		"“x” ‘y’ – —":                    `"x" 'y' - -`,
		"한\u1112\u1161\u11AB":            "한한",
		"か\u3099 が ｶﾞ":                   "が が ガ",
		"x\u200B\u00AD\uFEFF\u200Dy":     "xy",
		"❤\uFE0F 1\uFE0F\u20E3":          "❤ 1",
		"\x00\x1F":                       "\x00\x1F",
		strings.Repeat("\u0301", 100):    "",
		"क्षि":                           "क्षि",
		"\U00010400 \U0001D400":          "\U00010428 a",
		"\uFFFD":                         "\uFFFD",
		"ｱｲ":                             "アイ",
		"http://Example.ORG/A":           "http://example.org/a",
		"مَرْحَبًا שָׁלוֹם":              "مرحبا שלום",
		"\u115F\u3164hangul\uFFA0filler": "hangulfiller",
	} {
		if got := fold(in); got != want {
			t.Errorf("%+q folds to %+q, want %+q", in, got, want)
		}
	}
}

// Every character folds like its other cases, and what is folded is folded.
func TestFoldEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := range rune(0x20000) { // above are ideographs, private and invisible characters
		folded := fold(string(r))
		if twice := fold(folded); twice != folded {
			t.Errorf("%U folds to %+q, and that to %+q", r, folded, twice)
		}
		if unicode.Is(unicode.M, r) {
			continue // U+0345 is an accent whose capital is a letter
		}
		if upper, lower := fold(string(unicode.ToUpper(r))), fold(string(unicode.ToLower(r))); folded != upper || folded != lower {
			t.Errorf("%U folds to %+q, its capital to %+q, its small letter to %+q", r, folded, upper, lower)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                       "",
		" ?! ":                   "",
		"foo-bar foo_bar it's":   "foo|bar|foo|bar|it|s",
		"node.js 3.14 abc123":    "node|js|3|14|abc123",
		"日本go ひら カタカナ 한글":        "日|本|go|ひ|ら|カタカナ|한글",
		"hi😀you ©":               "hi|😀|you|©",
		"a\x00b":                 "a|b",
		"ไทย कि":                 "ไทย|कि",
		"\U0001FAE8\U000FFFFFx":  "\U0001FAE8|\U000FFFFF|x",
		strings.Repeat("a", 201): strings.Repeat("a", 100) + "|" + strings.Repeat("a", 100) + "|a",
		"a+b=c<d $5 5€":          "a|b|c|d|5|5",
	} {
		if got := strings.Join(texts(in, wordsOf(in)), "|"); got != want {
			t.Errorf("%q has %q, want %q", in, got, want)
		}
	}
}

// FuzzFold: whatever the text, folding keeps it valid, changes nothing the second time, and knows where all came from.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Hello", "e\u0301", " \n ", "ßﬁ½ﷺ", "한\u1112\u1161", "か\u3099", "\u0301\u200D", "👨‍👩‍👧", "ΣΑΣ", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "\uFFFD") // what isn't valid never gets here
		folded := fold(s)
		if !utf8.ValidString(folded) {
			t.Fatalf("%+q folds to %+q", s, folded)
		}
		if twice := fold(folded); twice != folded {
			t.Errorf("%+q folds to %+q, and that to %+q", s, folded, twice)
		}
		if f := newFolding(s); f.text != folded {
			t.Errorf("%+q folds to %+q and to %+q", s, folded, f.text)
		}
		at := 0
		foldEach(s, func(piece string, from, to int) {
			if piece == "" || from < at || to <= from || to > len(s) {
				t.Errorf("%+q: %+q comes from %d to %d, after %d", s, piece, from, to, at)
			}
			at = to
		})
		for _, w := range texts(folded, wordsOf(folded)) {
			if w == "" || utf8.RuneCountInString(w) > maxWord || strings.ContainsAny(w, " \t\n") {
				t.Errorf("%+q has the word %+q", s, w)
			}
		}
	})
}
