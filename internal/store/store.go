package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

const (
	readTimeout = 5 * time.Second
	maxReads    = 256      // messages of one grouped read
	maxWaiting  = 64 << 10 // reads that wait for a group
)

// Store answers every use case. It is safe for concurrent use. Its errors are *chat.Error or faults.
type Store struct {
	db      *db.DB
	queue   *queue.Queue
	index   search.Index // nil: search is off
	pending bool         // false: a write is stored before it is acknowledged, so reads ask the database alone
	tokens  *tokens
	reads   *queue.Group[*read]
}

// New makes a Store. With pending false nothing that is acknowledged waits in the queue.
func New(d *db.DB, q *queue.Queue, index search.Index, pending bool) *Store {
	s := &Store{db: d, queue: q, index: index, pending: pending, tokens: newTokens()}
	s.reads = queue.NewGroup(maxReads, 64, maxWaiting, s.readAll)
	return s
}

// Collector shows how the cache of tokens does.
func (s *Store) Collector() prometheus.Collector { return s.tokens.lookups }

// view asks the queue what it knows of a scope beyond the database.
func (s *Store) view(ctx context.Context, scope chat.Scope, numbers []int64) (queue.View, error) {
	if !s.pending {
		return queue.View{Pending: make([]*queue.Pending, len(numbers))}, nil
	}
	v, err := s.queue.Views(ctx, scope, numbers)
	if err != nil {
		return v, unreadable(err)
	}
	return v, nil
}

// lasts asks the queue for the last numbers of scopes, 0 where it knows none.
func (s *Store) lasts(ctx context.Context, scopes []chat.Scope) ([]int64, error) {
	if !s.pending || len(scopes) == 0 {
		return make([]int64, len(scopes)), nil
	}
	ns, err := s.queue.Lasts(ctx, scopes)
	if err != nil {
		return nil, unreadable(err)
	}
	return ns, nil
}

func unreadable(err error) error {
	return &chat.Error{Code: chat.Unavailable, Message: "The store can't be read now; nothing was done.", Err: err}
}

func missing(err error) bool { return errors.Is(err, sql.ErrNoRows) }
