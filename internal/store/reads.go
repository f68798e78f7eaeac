package store

import (
	"context"
	"errors"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// read is one message that is read by its place, together with others.
type read struct {
	place   queue.Place
	pending *queue.Pending // nil: nothing
	row     *row           // nil: none
	err     error
	done    chan struct{}
}

// row is what the database has of a message.
type row struct {
	chat.Message
	refused bool // some edit waits as a dead letter, maybe one of it
}

// read reads what the queue and then what the database have of a message. Reads that come while one is in flight go
// together.
func (s *Store) read(ctx context.Context, place queue.Place) (*read, error) {
	r := &read{place: place, done: make(chan struct{})}
	if !s.reads.Add(r) {
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
	return r, nil
}

func (s *Store) readAll(batch []*read) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	at := make(map[queue.Place]int, len(batch))
	places := make([]queue.Place, 0, len(batch))
	for _, r := range batch {
		if _, ok := at[r.place]; !ok {
			at[r.place] = len(places)
			places = append(places, r.place)
		}
	}
	pending, rows, err := s.readPlaces(ctx, places, at)
	for _, r := range batch {
		if r.err = err; err == nil {
			r.pending, r.row = pending[at[r.place]], rows[at[r.place]]
		}
		close(r.done)
	}
}

// readPlaces asks the queue first: a write that is flushed in between would be seen in neither if it came second.
func (s *Store) readPlaces(ctx context.Context, places []queue.Place, at map[queue.Place]int) (pending []*queue.Pending, rows []*row, err error) {
	pending, rows = make([]*queue.Pending, len(places)), make([]*row, len(places))
	if s.pending {
		if pending, err = s.queue.Pending(ctx, places); err != nil {
			return nil, nil, err
		}
	}
	failpoint.Hit(s.db, "message.pending")
	keys := make([]db.MessagesByKeysRow, len(places))
	for i, p := range places {
		keys[i] = db.MessagesByKeysRow{ApplicationID: p.Scope.Application, ChatNumber: p.Scope.Chat, Number: p.Number}
	}
	found, err := s.db.MessagesByKeys(ctx, keys)
	for i := range found {
		m := &found[i]
		place := queue.Place{Scope: chat.Scope{Application: m.ApplicationID, Chat: m.ChatNumber}, Number: m.Number}
		rows[at[place]] = &row{message(m.Message()), m.EditsRefused}
	}
	return pending, rows, err
}
