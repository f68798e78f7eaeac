package store

import (
	"context"
	"errors"

	"chat-system/internal/chat"
	"chat-system/internal/search"
)

// Search finds messages of a chat by their text, best first, from an opaque cursor on (empty: the best).
func (s *Store) Search(ctx context.Context, token string, chatNumber int64, text, cursor string, limit int) (hits []chat.Hit, next string, err error) {
	if s.index == nil {
		return nil, "", chat.Errorf(chat.NotEnabled, "Search is switched off.")
	}
	q := search.Query{Text: text, Limit: limit}
	if cursor != "" {
		if q.After, err = search.ParseCursor(cursor); errors.Is(err, search.ErrCursor) {
			return nil, "", &chat.Error{
				Code: chat.Invalid, Message: "The request is invalid.",
				Fields: []chat.Field{{Parameter: "cursor", Detail: "must be a cursor from a Link of this search"}},
			}
		}
	}
	c, err := s.Chat(ctx, token, chatNumber)
	if err != nil {
		return nil, "", err
	}
	q.Chat = chat.Scope{Application: c.ApplicationID, Chat: chatNumber}
	r, err := s.index.Search(ctx, q)
	return r.Hits, r.Next, err
}
