package store

import (
	"context"
	"encoding/json"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// CreateMessage accepts a message and gives its number.
func (s *Store) CreateMessage(ctx context.Context, token string, chatNumber int64, body string, key chat.Idempotency) (number int64, replayed bool, err error) {
	app, err := s.application(ctx, token)
	if err != nil {
		return 0, false, err
	}
	r, err := s.queue.Accept(ctx, queue.Write{
		Kind: queue.MessageCreated, Scope: chat.Scope{Application: app, Chat: chatNumber}, Body: body, Idempotency: key,
	})
	return r.Number, r.Replayed, err
}

// EditMessage accepts a new body for a message.
func (s *Store) EditMessage(ctx context.Context, token string, chatNumber, number int64, body string) (chat.Message, error) {
	m, err := s.Message(ctx, token, chatNumber, number)
	if err != nil {
		return m, err
	}
	failpoint.Hit(s.db, "edit.read")
	r, err := s.queue.Accept(ctx, queue.Write{
		Kind: queue.MessageEdited, Scope: chat.Scope{Application: m.ApplicationID, Chat: chatNumber}, Number: number,
		CreatedAt: m.CreatedAt, Body: body,
	})
	if err != nil {
		return m, err
	}
	m.Body, m.Version, m.UpdatedAt = body, r.Version, r.UpdatedAt
	return m, nil
}

// Message reads a message in its newest accepted form.
func (s *Store) Message(ctx context.Context, token string, chatNumber, number int64) (chat.Message, error) {
	app, err := s.application(ctx, token)
	if err != nil {
		return chat.Message{}, err
	}
	scope := chat.Scope{Application: app, Chat: chatNumber}
	r, err := s.read(ctx, queue.Place{Scope: scope, Number: number})
	if err != nil {
		return chat.Message{}, err
	}
	var m chat.Message
	if r.row != nil {
		m = message(*r.row)
	}
	if overlay(&m, scope, number, r.pending); m.Number != 0 {
		return m, nil
	}
	failpoint.Hit(s.db, "message.row")
	return s.withoutRow(ctx, scope, number)
}

// withoutRow answers for a number that has no row: an accepted write that the database refused reads as accepted until
// an operator decides; one that was discarded is gone.
func (s *Store) withoutRow(ctx context.Context, scope chat.Scope, number int64) (chat.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	dead, err := s.deadMessages(ctx, scope, number, number)
	if err != nil {
		return chat.Message{}, err
	}
	switch d, ok := dead[number]; {
	case !ok:
		return chat.Message{}, chat.Errorf(chat.NotFound, "There is no such message.")
	case d.Number == 0:
		return chat.Message{}, chat.Errorf(chat.Gone, "The message was discarded.")
	default:
		return d, nil
	}
}

// deadMessages gives the messages of a window of numbers that are dead letters; the zero Message for a discarded one.
func (s *Store) deadMessages(ctx context.Context, scope chat.Scope, from, to int64) (map[int64]chat.Message, error) {
	rows, err := s.db.DeadLettersInWindow(ctx, db.DeadLettersInWindowParams{
		ApplicationID: scope.Application, ChatNumber: scope.Chat, FromNumber: from, ToNumber: to,
	})
	if err != nil {
		return nil, unreadable(err)
	}
	dead := map[int64]chat.Message{}
	for _, r := range rows { // by number and version: an edit comes after its message
		m, seen := dead[r.Number]
		switch {
		case r.State == "discarded" && r.Kind != "edit":
			dead[r.Number] = chat.Message{}
		case r.State != "open" || (r.Kind == "edit" && (!seen || m.Number == 0)):
		default:
			var p struct {
				Body      string `json:"body"`
				CreatedAt int64  `json:"created_at_us"`
				UpdatedAt int64  `json:"updated_at_us"`
			}
			if err := json.Unmarshal(r.Payload, &p); err != nil {
				return nil, err
			}
			dead[r.Number] = chat.Message{
				ApplicationID: scope.Application, ChatNumber: scope.Chat, Number: r.Number, Body: p.Body, Version: chat.Version(r.Version),
				CreatedAt: time.UnixMicro(p.CreatedAt).UTC(), UpdatedAt: time.UnixMicro(p.UpdatedAt).UTC(),
			}
		}
	}
	return dead, nil
}

// Messages lists a page of a chat's messages in their newest accepted form.
func (s *Store) Messages(ctx context.Context, token string, chatNumber int64, page chat.Page) (l chat.List[chat.Message], err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := s.Chat(ctx, token, chatNumber)
	if err != nil {
		return l, err
	}
	failpoint.Hit(s.db, "messages.chat")
	scope := chat.Scope{Application: c.ApplicationID, Chat: chatNumber}
	w := newWindow(page)
	v, err := s.view(ctx, scope, w.numbers())
	if err != nil {
		return l, err
	}
	failpoint.Hit(s.db, "messages.pending")
	rows, err := s.db.MessagesAfter(ctx, db.MessagesAfterParams{
		ApplicationID: scope.Application, ChatNumber: chatNumber, Number: w.from - 1, Limit: int32(page.Limit + 1), //nolint:gosec // ≤ 201
	})
	if err != nil {
		return l, unreadable(err)
	}
	found := map[int64]chat.Message{}
	highest := v.Last
	for _, r := range rows {
		found[r.Number] = message(r)
		highest = max(highest, r.Number)
	}
	failpoint.Hit(s.db, "messages.rows")
	dead, err := s.deadMessages(ctx, scope, w.from, w.to)
	if err != nil {
		return l, err
	}
	for n, d := range dead {
		highest = max(highest, n)
		if found[n].Number == 0 && d.Number != 0 {
			found[n] = d
		}
	}
	for i, p := range v.Pending {
		n := w.from + int64(i)
		m := found[n]
		if overlay(&m, scope, n, p); m.Number != 0 {
			found[n] = m
			highest = max(highest, n)
		}
	}
	return list(w, found, highest), nil
}

// overlay lays a pending write over what the database has; the higher version wins.
func overlay(m *chat.Message, scope chat.Scope, number int64, p *queue.Pending) {
	if p == nil || p.Version <= m.Version {
		return
	}
	*m = chat.Message{
		ApplicationID: scope.Application, ChatNumber: scope.Chat, Number: number,
		Body: p.Body, Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func message(r db.Message) chat.Message {
	return chat.Message{
		ApplicationID: r.ApplicationID, ChatNumber: r.ChatNumber, Number: r.Number, Body: r.Body, Version: chat.Version(r.Version),
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}
