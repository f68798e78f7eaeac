package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// CreateApplication makes an application with a token of its own, which is the right to all below it.
func (s *Store) CreateApplication(ctx context.Context, name string, key chat.Idempotency) (app chat.Application, replayed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	app = chat.Application{ID: randomID(), Token: rand.Text(), Name: name, CreatedAt: now, UpdatedAt: now}
	err = s.db.WithTx(ctx, func(q *db.Queries) error {
		if key.Given { // first: a second one with the same key waits here, then fails
			err := q.InsertIdempotencyKeys(ctx, []db.InsertIdempotencyKeysRow{{
				KeyHash: key.Key[:], PayloadHash: key.Payload[:], Answer: app.ID, CreatedAt: now,
			}})
			if err != nil {
				return err
			}
		}
		failpoint.Hit(s.db, "application.insert")
		err := q.InsertApplication(ctx, db.InsertApplicationParams{ID: app.ID, Token: app.Token, Name: name, CreatedAt: now, UpdatedAt: now})
		failpoint.Hit(s.db, "application.commit")
		return err
	})
	if key.Given && db.IsDuplicate(err) {
		return s.replayApplication(ctx, key)
	}
	if err != nil {
		return app, false, unwritten(err)
	}
	s.tokens.put(app.Token, app.ID)
	return app, false, nil
}

func (s *Store) replayApplication(ctx context.Context, key chat.Idempotency) (chat.Application, bool, error) {
	failpoint.Hit(s.db, "application.doubled")
	stored, err := s.db.IdempotencyKey(ctx, db.IdempotencyKeyParams{KeyHash: key.Key[:]})
	if err != nil {
		return chat.Application{}, false, unwritten(err)
	}
	if [16]byte(stored.PayloadHash) != key.Payload {
		return chat.Application{}, false, chat.Errorf(chat.KeyReused, "The Idempotency-Key was used with another payload.")
	}
	failpoint.Hit(s.db, "application.replay")
	row, err := s.db.ApplicationByID(ctx, stored.Answer)
	if err != nil {
		return chat.Application{}, false, unwritten(err)
	}
	return application(row), true, nil
}

// unwritten: a write to the database itself failed. Whether a lost COMMIT was done is not known.
func unwritten(err error) error {
	return &chat.Error{
		Code: chat.OutcomeUnknown, Err: err,
		Message: "Whether the write was accepted is not known. Sent again with the Idempotency-Key that it had, it is never done twice.",
	}
}

// randomID is a random number of 63 bits: one that the database counted up could come twice after a failover.
func randomID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])                                // never fails
	return int64(binary.LittleEndian.Uint64(b[:])>>1 | 1) //nolint:gosec // 63 bits
}

func application(a db.Application) chat.Application {
	return chat.Application{ID: a.ID, Token: a.Token, Name: a.Name, ChatsCount: a.ChatsCount, CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC()}
}

// Application reads an application; its count includes chats that are accepted and not stored yet.
func (s *Store) Application(ctx context.Context, token string) (chat.Application, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	row, err := s.db.ApplicationByToken(ctx, token)
	switch {
	case missing(err):
		return chat.Application{}, chat.Errorf(chat.NotFound, "There is no such application.")
	case err != nil:
		return chat.Application{}, unreadable(err)
	}
	apps, err := s.withCounts(ctx, []db.Application{row})
	if err != nil {
		return chat.Application{}, err
	}
	return apps[0], nil
}

func (s *Store) withCounts(ctx context.Context, rows []db.Application) ([]chat.Application, error) {
	scopes := make([]chat.Scope, len(rows))
	for i, r := range rows {
		scopes[i].Application = r.ID
	}
	failpoint.Hit(s.db, "application.row")
	lasts, err := s.lasts(ctx, scopes)
	if err != nil {
		return nil, err
	}
	apps := make([]chat.Application, len(rows))
	for i, r := range rows {
		apps[i] = application(r)
		apps[i].ChatsCount = max(apps[i].ChatsCount, lasts[i])
	}
	return apps, nil
}

// RenameApplication gives an application another name.
func (s *Store) RenameApplication(ctx context.Context, token, name string) (chat.Application, error) {
	app, err := s.Application(ctx, token)
	if err != nil {
		return app, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	app.Name, app.UpdatedAt = name, time.Now().UTC().Truncate(time.Microsecond)
	if !app.UpdatedAt.After(app.CreatedAt) { // the clock was set back
		app.UpdatedAt = app.CreatedAt.Add(time.Microsecond)
	}
	failpoint.Hit(s.db, "rename.read")
	if err := s.db.RenameApplication(ctx, db.RenameApplicationParams{Name: name, UpdatedAt: app.UpdatedAt, Token: token}); err != nil {
		return app, unwritten(err)
	}
	return app, nil
}

// Applications lists applications, oldest first, from an opaque cursor (empty: the first); next is empty at the end.
func (s *Store) Applications(ctx context.Context, cursor string, limit int) (apps []chat.Application, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	after, id, err := decodeCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.db.ApplicationsPage(ctx, db.ApplicationsPageParams{CreatedAt: after, ID: id, Limit: int32(limit + 1)}) //nolint:gosec // ≤ 201
	if err != nil {
		return nil, "", unreadable(err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = encodeCursor(rows[limit-1].CreatedAt, rows[limit-1].ID)
	}
	apps, err = s.withCounts(ctx, rows)
	return apps, next, err
}

func encodeCursor(at time.Time, id int64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMicro()))
	binary.BigEndian.PutUint64(b[8:], uint64(id)) //nolint:gosec // positive
	return base64.RawURLEncoding.EncodeToString(b[:])
}

var errCursor = errors.New("no cursor")

func decodeCursor(s string) (at time.Time, id int64, err error) {
	if s == "" {
		return time.UnixMicro(0).UTC(), 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && len(b) == 16 {
		us, id := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
		if us < 1<<53 && id < 1<<63 && base64.RawURLEncoding.EncodeToString(b) == s { // one form alone
			return time.UnixMicro(int64(us)).UTC(), int64(id), nil //nolint:gosec // checked
		}
	}
	return at, 0, &chat.Error{
		Code: chat.Invalid, Message: "The request is invalid.", Err: errCursor,
		Fields: []chat.Field{{Parameter: "cursor", Detail: "must be a cursor from a Link of this list"}},
	}
}
