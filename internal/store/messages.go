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
	for retried := false; ; retried = true {
		r, err := s.read(ctx, queue.Place{Scope: scope, Number: number})
		if err != nil {
			return chat.Message{}, err
		}
		var m chat.Message
		if r.row != nil {
			m = r.row.Message
		}
		overlay(&m, scope, number, r.pending)
		if m.Number != 0 && (r.row == nil || !r.row.refused) {
			return m, nil
		}
		failpoint.Hit(s.db, "message.row")
		letters, err := s.letters(ctx, scope, number, number)
		if err != nil {
			return m, err
		}
		l := letters[number]
		l.over(&m, r.row != nil)
		switch {
		case m.Number != 0:
			return m, nil
		case l.stored && !retried: // since the row was not there
		case l.discarded:
			return m, chat.Errorf(chat.Gone, "The message was discarded.")
		default:
			return m, chat.Errorf(chat.NotFound, "There is no such message.")
		}
	}
}

// letter is what the dead letters hold of a number. An accepted write that the database refused reads as accepted until
// an operator decides; one that was discarded is gone.
type letter struct {
	first     chat.Message // what was to make it; the zero Message: nothing that waits
	edit      chat.Message // its newest edit that waits; the zero Message: none
	discarded bool         // what was to make it
	stored    bool         // by an operator's retry
}

// over lays it over what a read has found elsewhere; the higher version wins. An edit needs what it edits.
func (l *letter) over(m *chat.Message, stored bool) {
	if l.first.Version > m.Version {
		*m = l.first
	}
	if (stored || m.Number != 0) && l.edit.Version > m.Version {
		*m = l.edit
	}
}

// letters reads what the dead letters hold of a window of numbers.
func (s *Store) letters(ctx context.Context, scope chat.Scope, from, to int64) (map[int64]letter, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.db.DeadLettersInWindow(ctx, db.DeadLettersInWindowParams{
		ApplicationID: scope.Application, ChatNumber: scope.Chat, FromNumber: from, ToNumber: to,
	})
	if err != nil {
		return nil, unreadable(err)
	}
	letters := map[int64]letter{}
	for _, r := range rows { // by number and version: the newest edit comes last
		l := letters[r.Number]
		switch edit := r.Kind == "edit"; {
		case r.State == "open":
			m, err := waiting(r)
			if err != nil {
				return nil, err
			}
			if edit {
				l.edit = m
			} else {
				l.first = m
			}
		case !edit:
			l.discarded, l.stored = r.State == "discarded", r.State == "stored"
		}
		letters[r.Number] = l
	}
	return letters, nil
}

func waiting(r db.DeadLetter) (chat.Message, error) {
	var p struct {
		Body      string `json:"body"`
		CreatedAt int64  `json:"created_at_us"`
		UpdatedAt int64  `json:"updated_at_us"`
	}
	err := json.Unmarshal(r.Payload, &p)
	return chat.Message{
		ApplicationID: r.ApplicationID, ChatNumber: r.ChatNumber, Number: r.Number, Body: p.Body, Version: chat.Version(r.Version),
		CreatedAt: time.UnixMicro(p.CreatedAt).UTC(), UpdatedAt: time.UnixMicro(p.UpdatedAt).UTC(),
	}, err
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
	letters, err := s.letters(ctx, scope, w.from, w.to) // before the rows, which a retry makes of them
	if err != nil {
		return l, err
	}
	failpoint.Hit(s.db, "messages.letters")
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
	for n, letter := range letters {
		highest = max(highest, n)
		m := found[n]
		if letter.over(&m, m.Number != 0); m.Number != 0 {
			found[n] = m
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
