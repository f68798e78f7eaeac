package search

import (
	"context"
	"errors"

	"chat-system/internal/chat"
)

// Query asks for messages of one chat.
type Query struct {
	Chat  chat.Scope // its Chat is set
	Text  string     // as the user typed it: it has no operators and no wildcards
	Limit int        // 1..chat.MaxLimit
	After *Cursor    // nil: from the best hit on
}

// Result is one page: best hits first, the newest (highest number) first among equally good ones. A hit's Highlight is
// HTML: the body, or excerpts of one above 1,000 bytes, encoded, with <em> around what matched.
type Result struct {
	Hits []chat.Hit
	Next string // the cursor of the next page; empty when there is none
}

// Refusal is a message that the engine will never take as it is.
type Refusal struct {
	Index  int // into the messages of that Put
	Reason string
}

// Index finds messages by their text. Implementations are safe for concurrent use.
type Index interface {
	// Put writes messages. One replaces the one with the same application, chat and number unless that is of a higher
	// version; either way it is done. What is refused for its data is returned, the rest is written and durable. With an
	// error nothing may be assumed of any message and the whole Put is to be repeated later: after a longer pause when
	// the error is ErrBusy. Times keep their microseconds.
	Put(ctx context.Context, messages []chat.Message) ([]Refusal, error)
	// Search gives one page of hits. All pages together hold every hit once as long as nothing is written meanwhile.
	// When the engine can't answer, the error is a *chat.Error with chat.Unavailable.
	Search(ctx context.Context, q Query) (Result, error)
	// Ready says why a search can't be answered now, or nil.
	Ready(ctx context.Context) error
	// Close gives everything back. Closing twice is fine.
	Close() error
}

// ErrBusy says that the engine is there and asks for fewer writes.
var ErrBusy = errors.New("search: the engine is overloaded")

func unavailable(err error) error {
	return &chat.Error{Code: chat.Unavailable, Message: "Search is not available now.", Err: err}
}

// pageSize keeps a limit within what a page may have.
func pageSize(limit int) int { return min(max(limit, 1), chat.MaxLimit) }
