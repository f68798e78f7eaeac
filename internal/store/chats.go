package store

import (
	"context"

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
	l, err := s.Chats(ctx, token, chat.Page{After: number - 1, Limit: 1})
	switch {
	case err != nil:
		return chat.Chat{}, err
	case len(l.Items) == 0:
		return chat.Chat{}, chat.Errorf(chat.NotFound, "There is no such chat.")
	}
	return l.Items[0], nil
}

// Chats lists a page of an application's chats.
func (s *Store) Chats(ctx context.Context, token string, page chat.Page) (l chat.List[chat.Chat], err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	app, err := s.application(ctx, token)
	if err != nil {
		return l, err
	}
	scope := chat.Scope{Application: app}
	w := newWindow(page)
	v, err := s.view(ctx, scope, w.numbers())
	if err != nil {
		return l, err
	}
	failpoint.Hit(s.db, "chats.pending")
	rows, err := s.db.ChatsAfter(ctx, db.ChatsAfterParams{ApplicationID: app, Number: w.from - 1, Limit: int32(page.Limit + 1)}) //nolint:gosec // ≤ 201
	if err != nil {
		return l, unreadable(err)
	}
	found := map[int64]chat.Chat{}
	highest := v.Last
	for _, r := range rows {
		found[r.Number] = chat.Chat{
			ApplicationID: app, Number: r.Number, MessagesCount: r.MessagesCount, Version: chat.Version(r.Version),
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		}
		highest = max(highest, r.Number)
	}
	for i, p := range v.Pending {
		n := w.from + int64(i)
		if _, ok := found[n]; !ok && p != nil {
			found[n] = pendingChat(app, n, p)
			highest = max(highest, n)
		}
	}
	failpoint.Hit(s.db, "chats.rows")
	if err := s.refusedChats(ctx, scope, w, found); err != nil {
		return l, err
	}
	for n := range found {
		highest = max(highest, n)
	}
	l = list(w, found, highest)
	failpoint.Hit(s.db, "chats.counts")
	return l, s.countMessages(ctx, l.Items)
}

func pendingChat(app, number int64, p *queue.Pending) chat.Chat {
	return chat.Chat{ApplicationID: app, Number: number, Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

// refusedChats adds chats that the database refused: they read as accepted.
func (s *Store) refusedChats(ctx context.Context, scope chat.Scope, w window, found map[int64]chat.Chat) error {
	dead, err := s.deadMessages(ctx, scope, w.from, w.to)
	for n, d := range dead {
		if _, ok := found[n]; !ok && d.Number != 0 {
			found[n] = chat.Chat{ApplicationID: scope.Application, Number: n, Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
		}
	}
	return err
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
