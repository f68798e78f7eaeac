package chat

import (
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
)

// The limits of what a client may send.
const (
	MaxName      = 255    // characters
	MaxBody      = 65_535 // bytes of UTF-8
	MaxSearch    = 256    // characters
	MaxKey       = 255    // characters of an Idempotency-Key
	MaxLimit     = 200    // elements of a page
	DefaultLimit = 50
	MaxNumber    = math.MaxInt64
)

// ValidName says what is wrong with an application's name, or "".
func ValidName(s string) string {
	switch {
	case blank(s):
		return "must not be blank"
	case utf8.RuneCountInString(s) > MaxName:
		return fmt.Sprintf("must have at most %d characters", MaxName)
	}
	return ""
}

// ValidBody says what is wrong with a message's body, or "".
func ValidBody(s string) string {
	switch {
	case blank(s):
		return "must not be blank"
	case len(s) > MaxBody:
		return fmt.Sprintf("must have at most %d bytes of UTF-8", MaxBody)
	}
	return ""
}

// ValidSearch says what is wrong with a search text, or "".
func ValidSearch(s string) string {
	switch {
	case blank(s):
		return "must not be blank"
	case utf8.RuneCountInString(s) > MaxSearch:
		return fmt.Sprintf("must have at most %d characters", MaxSearch)
	}
	return ""
}

// ValidKey says what is wrong with an Idempotency-Key, or "".
func ValidKey(s string) string {
	if len(s) < 1 || len(s) > MaxKey {
		return fmt.Sprintf("must have 1 to %d characters", MaxKey)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "must be printable ASCII"
		}
	}
	return ""
}

// blank: nothing but characters of Unicode's White_Space property.
func blank(s string) bool {
	for _, r := range s {
		if !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}
