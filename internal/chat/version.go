package chat

import (
	"errors"
	"strconv"
	"strings"
)

const sequenceBits = 21

// MaxSequence is the highest sequence of a stream entry's id that a Version can hold.
const MaxSequence = 1<<sequenceBits - 1

const maxMillis = 1<<42 - 1

// ErrVersion says that a stream entry's id is malformed or does not fit a Version.
var ErrVersion = errors.New("chat: not a stream entry id of 42 bits of milliseconds and 21 bits of sequence")

// ParseVersion packs a stream entry's id, «milliseconds-sequence».
func ParseVersion(id string) (Version, error) {
	ms, seq, ok := strings.Cut(id, "-")
	if !ok || !digits(ms) || !digits(seq) {
		return 0, ErrVersion
	}
	m, err := strconv.ParseUint(ms, 10, 64)
	if err != nil || m > maxMillis {
		return 0, ErrVersion
	}
	s, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || s > MaxSequence {
		return 0, ErrVersion
	}
	return Version(m<<sequenceBits | s), nil //nolint:gosec // both were checked: 63 bits
}

func digits(s string) bool {
	if s == "" || (len(s) > 1 && s[0] == '0') {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// ID is the stream entry's id, the inverse of ParseVersion.
func (v Version) ID() string {
	b := make([]byte, 0, 24)
	b = strconv.AppendInt(b, v.Millis(), 10)
	b = append(b, '-')
	return string(strconv.AppendInt(b, int64(v)&MaxSequence, 10))
}

// Millis is the Redis clock, in Unix milliseconds, when the write was accepted.
func (v Version) Millis() int64 { return int64(v) >> sequenceBits }

// VersionAt is the lowest version of a millisecond.
func VersionAt(millis int64) Version { return Version(max(0, millis) << sequenceBits) }
