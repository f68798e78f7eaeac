package store

import (
	"context"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// CreateChat accepts a chat and gives its number.
func (s *Store) CreateChat(ctx context.Context, token string, key chat.Idempotency) (number int64, replayed bool, err error) {
	app, err := s.application(ctx, token)
	if err != nil {
		return 0, false, err
	}
	r, err := s.queue.Accept(ctx, queue.Write{Kind: queue.ChatCreated, Scope: chat.Scope{Application: app}, Idempotency: key})
	return r.Number, r.Replayed, err
}

// Chat reads a chat; its count includes messages that are accepted and not stored yet.
func (s *Store) Chat(ctx context.Context, token string, number int64) (chat.Chat, error) {
	l, letters, err := s.chats(ctx, token, chat.Page{After: number - 1, Limit: 1})
	switch {
	case err != nil:
		return chat.Chat{}, err
	case len(l.Items) == 0 && letters[number].discarded:
		return chat.Chat{}, chat.Errorf(chat.Gone, "The chat was discarded.")
	case len(l.Items) == 0:
		return chat.Chat{}, chat.Errorf(chat.NotFound, "There is no such chat.")
	}
	return l.Items[0], nil
}

// Chats lists a page of an application's chats.
func (s *Store) Chats(ctx context.Context, token string, page chat.Page) (chat.List[chat.Chat], error) {
	l, _, err := s.chats(ctx, token, page)
	return l, err
}

// chats also gives what the dead letters hold of the page.
func (s *Store) chats(ctx context.Context, token string, page chat.Page) (l chat.List[chat.Chat], letters map[int64]letter, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	app, err := s.application(ctx, token)
	if err != nil {
		return l, nil, err
	}
	scope := chat.Scope{Application: app}
	w := newWindow(page)
	v, err := s.view(ctx, scope, w.numbers())
	if err != nil {
		return l, nil, err
	}
	failpoint.Hit(s.db, "chats.pending")
	if letters, err = s.letters(ctx, scope, w.from, w.to); err != nil { // before the rows, which a retry makes of them
		return l, nil, err
	}
	failpoint.Hit(s.db, "chats.letters")
	rows, err := s.db.ChatsAfter(ctx, db.ChatsAfterParams{ApplicationID: app, Number: w.from - 1, Limit: int32(page.Limit + 1)}) //nolint:gosec // ≤ 201
	if err != nil {
		return l, nil, unreadable(err)
	}
	found := map[int64]chat.Chat{}
	highest := v.Last
	for _, r := range rows {
		found[r.Number] = chat.Chat{
			ApplicationID: app, Number: r.Number, MessagesCount: r.MessagesCount, Version: chat.Version(r.Version),
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		}
	}
	add := func(n int64, v chat.Version, created, updated time.Time) {
		if _, ok := found[n]; !ok {
			found[n] = chat.Chat{ApplicationID: app, Number: n, Version: v, CreatedAt: created, UpdatedAt: updated}
		}
	}
	for i, p := range v.Pending {
		if p != nil {
			add(w.from+int64(i), p.Version, p.CreatedAt, p.UpdatedAt)
		}
	}
	for n, letter := range letters {
		if m := letter.first; m.Number != 0 {
			add(n, m.Version, m.CreatedAt, m.UpdatedAt)
		}
	}
	for n := range found {
		highest = max(highest, n)
	}
	l = list(w, found, highest)
	failpoint.Hit(s.db, "chats.counts")
	return l, letters, s.countMessages(ctx, l.Items)
}

func (s *Store) countMessages(ctx context.Context, chats []chat.Chat) error {
	scopes := make([]chat.Scope, len(chats))
	for i, c := range chats {
		scopes[i] = chat.Scope{Application: c.ApplicationID, Chat: c.Number}
	}
	lasts, err := s.lasts(ctx, scopes)
	for i, n := range lasts {
		chats[i].MessagesCount = max(chats[i].MessagesCount, n)
	}
	return err
}
