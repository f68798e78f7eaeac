package store

import (
	"context"
	"errors"

	"chat-system/db"
)

// rowRead is one message that is read by its key, together with others.
type rowRead struct {
	key  db.MessagesByKeysRow
	row  *db.Message
	err  error
	done chan struct{}
}

// row reads a message by its key; nil where there is none. Reads that come while one is in flight go together.
func (s *Store) row(ctx context.Context, key db.MessagesByKeysRow) (*db.Message, error) {
	r := &rowRead{key: key, done: make(chan struct{})}
	if !s.rows.Add(r) {
		return nil, unreadable(errors.New("store: too many reads wait"))
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, unreadable(ctx.Err())
	}
	if r.err != nil {
		return nil, unreadable(r.err)
	}
	return r.row, nil
}

func (s *Store) readRows(batch []*rowRead) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	at := make(map[db.MessagesByKeysRow]int, len(batch))
	keys := make([]db.MessagesByKeysRow, 0, len(batch))
	for _, r := range batch {
		if _, ok := at[r.key]; !ok {
			at[r.key] = len(keys)
			keys = append(keys, r.key)
		}
	}
	rows, err := s.db.MessagesByKeys(ctx, keys)
	found := make([]*db.Message, len(keys))
	for i := range rows {
		m := &rows[i]
		found[at[db.MessagesByKeysRow{ApplicationID: m.ApplicationID, ChatNumber: m.ChatNumber, Number: m.Number}]] = m
	}
	for _, r := range batch {
		r.row, r.err = found[at[r.key]], err
		close(r.done)
	}
}
