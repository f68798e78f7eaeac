package chat

import "time"

// Application is a tenant. Its token is the capability for everything below it.
type Application struct {
	ID         int64 // random 63-bit number, never shown
	Token      string
	Name       string
	ChatsCount int64
	CreatedAt  time.Time // UTC, microseconds, as all times here
	UpdatedAt  time.Time
}

// Chat is the Number-th chat of its application, counted from 1.
type Chat struct {
	ApplicationID int64
	Number        int64
	MessagesCount int64
	Version       Version
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Message is the Number-th message of its chat, counted from 1.
type Message struct {
	ApplicationID int64
	ChatNumber    int64
	Number        int64
	Body          string
	Version       Version // of the newest write: the create or the last edit
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Hit is a message that a search found. Highlight is its body, or pieces of it, HTML-encoded but for the <em> around what
// matched.
type Hit struct {
	Message
	Highlight string
}

// Scope is where numbers are counted: the chats of an application (Chat 0) or the messages of a chat.
type Scope struct {
	Application int64
	Chat        int64
}

// Page asks for a window of a list by number: the Limit numbers above After, or, where Before is set, the Limit numbers
// just below Before. Both ascend.
type Page struct {
	After  int64
	Before int64 // 0: not set
	Limit  int   // 1..MaxLimit
}

// Window gives the numbers that a page covers, from and to included; empty when from > to.
func (p Page) Window() (from, to int64) {
	if p.Before > 0 {
		return max(1, p.Before-int64(p.Limit)), p.Before - 1
	}
	if p.After == MaxNumber {
		return MaxNumber, MaxNumber - 1
	}
	if p.After > MaxNumber-int64(p.Limit) {
		return p.After + 1, MaxNumber
	}
	return p.After + 1, p.After + int64(p.Limit)
}

// List is one page of a list by number, ascending.
type List[T any] struct {
	Items    []T
	From, To int64 // the window of numbers that the page covers
	Next     bool  // there is something above To
	Prev     bool  // there is something below From
}

// Idempotency is a client's key for a POST and what was sent under it. The zero value means that no key was given.
type Idempotency struct {
	Key     [16]byte // hash of application, path and key
	Payload [16]byte // hash of what was sent
	Given   bool
}

// Version orders the writes of a partition: the stream entry's id, its milliseconds in the upper 42 bits of 63 and its
// sequence in the lower 21.
type Version int64
