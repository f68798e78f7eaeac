package search

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
)

// Cursor is the place of a hit in the order of a query's hits: score descending, then number descending.
type Cursor struct {
	score  int
	number int64
}

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("search: not a cursor")

// maxScore is above every score that a query can give, and exact as a float32, which is what Elasticsearch counts in.
const maxScore = 1 << 20

// 4 bytes of score and 8 of number make 16 characters without padding, so that every cursor has one form alone.
const cursorBytes = 12

// String is the opaque form that ParseCursor takes: 16 characters, safe in a URL.
func (c Cursor) String() string {
	var b [cursorBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(c.score))   //nolint:gosec // 0..maxScore
	binary.BigEndian.PutUint64(b[4:], uint64(c.number)) //nolint:gosec // positive
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ParseCursor is the inverse of String. It gives ErrCursor for everything that String never made.
func ParseCursor(s string) (*Cursor, error) {
	if len(s) != base64.RawURLEncoding.EncodedLen(cursorBytes) {
		return nil, ErrCursor
	}
	var b [cursorBytes]byte
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(s))
	if err != nil || n != cursorBytes { // the decoder skips line breaks
		return nil, ErrCursor
	}
	score, number := binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint64(b[4:])
	if score > maxScore || number < 1 || number > math.MaxInt64 {
		return nil, ErrCursor
	}
	return &Cursor{score: int(score), number: int64(number)}, nil
}

// precedes says whether a hit at c comes before one at d.
func (c Cursor) precedes(d Cursor) bool {
	if c.score != d.score {
		return c.score > d.score
	}
	return c.number > d.number
}
