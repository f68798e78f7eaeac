package queue

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chat-system/internal/chat"
)

// Kind is what an entry of the stream does.
type Kind byte

// The kinds, as the scripts write them.
const (
	ChatCreated    Kind = 'c'
	MessageCreated Kind = 'm'
	MessageEdited  Kind = 'e'
	Marker         Kind = 'k' // begins a stretch of the stream that follows on the position After, not on what lies below
)

// Entry is one accepted write, or a marker.
type Entry struct {
	Version     chat.Version // also its place in the stream
	Kind        Kind
	Generation  int64
	Scope       chat.Scope // of the number: Scope.Chat is 0 for a created chat
	Number      int64      // of the chat or message
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Body        string
	Idempotency chat.Idempotency
	After       chat.Version // of a marker: the cursor above which it was put
	Trace       TraceContext // in which the write was accepted, where that is sampled
}

// Position is the place of an entry: its version and its generation, since ids can come twice where Redis lost some.
type Position struct {
	Version    chat.Version
	Generation int64
}

// Position of the entry.
func (e *Entry) Position() Position { return Position{e.Version, e.Generation} }

// Size is about how many bytes of memory the entry takes.
func (e *Entry) Size() int { return len(e.Body) + 160 }

var errEntry = errors.New("queue: malformed stream entry")

// decodeEntry reads a stream entry: fields h (header), b (body; none in a marker), k (idempotency; where there is one) and
// t (trace; where it is sampled). Others are left to newer programs.
func decodeEntry(id string, fields []string) (Entry, error) {
	bad := func(what string) (Entry, error) { return Entry{}, fmt.Errorf("%w: %s of %q", errEntry, what, id) }
	v, err := chat.ParseVersion(id)
	if err != nil {
		return bad("id")
	}
	e := Entry{Version: v}
	if len(fields)%2 != 0 || len(fields) < 2 || fields[0] != "h" {
		return bad("fields")
	}
	words := words{rest: fields[1]}
	kind := words.next()
	if len(kind) != 1 {
		return bad("kind")
	}
	e.Kind = Kind(kind[0])
	e.Generation = words.number()
	switch e.Kind {
	case Marker:
		if e.After, err = chat.ParseVersion(words.next()); err != nil {
			return bad("marker")
		}
	case ChatCreated, MessageCreated, MessageEdited:
		e.Scope.Application = words.number()
		e.Scope.Chat = words.number()
		e.Number = words.number()
		e.CreatedAt = micros(words.number())
		e.UpdatedAt = micros(words.number())
	default:
		return bad("kind")
	}
	if words.bad || words.rest != "" {
		return bad("header")
	}
	for i := 2; i < len(fields); i += 2 {
		switch fields[i] {
		case "b":
			e.Body = fields[i+1]
		case "k":
			if e.Idempotency, err = decodeIdempotency(fields[i+1]); err != nil {
				return bad("key")
			}
		case "t":
			e.Trace = decodeTrace(fields[i+1])
		}
	}
	return e, nil
}

func decodeIdempotency(s string) (k chat.Idempotency, err error) {
	key, payload, _ := strings.Cut(s, " ")
	if len(key) != 32 || len(payload) != 32 {
		return k, errEntry
	}
	if _, err = hex.Decode(k.Key[:], []byte(key)); err != nil {
		return k, errEntry
	}
	if _, err = hex.Decode(k.Payload[:], []byte(payload)); err != nil {
		return k, errEntry
	}
	k.Given = true
	return k, nil
}

// words takes a string apart at single spaces.
type words struct {
	rest string
	bad  bool
}

func (w *words) next() string {
	word, rest, _ := strings.Cut(w.rest, " ")
	w.rest = rest
	return word
}

func (w *words) number() int64 {
	n, err := strconv.ParseInt(w.next(), 10, 64)
	if err != nil || n < 0 {
		w.bad = true
	}
	return n
}

func micros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// Pending is an accepted write as reads see it before it is stored.
type Pending struct {
	Version   chat.Version
	Kind      Kind
	CreatedAt time.Time
	UpdatedAt time.Time
	Body      string
}

// decodePending reads «id kind created updated body».
func decodePending(s string) (p Pending, err error) {
	w := words{rest: s}
	if p.Version, err = chat.ParseVersion(w.next()); err != nil {
		return p, errEntry
	}
	kind := w.next()
	p.CreatedAt, p.UpdatedAt = micros(w.number()), micros(w.number())
	if w.bad || len(kind) != 1 {
		return p, errEntry
	}
	p.Kind, p.Body = Kind(kind[0]), w.rest
	return p, nil
}
