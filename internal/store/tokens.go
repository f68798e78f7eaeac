package store

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"chat-system/internal/chat"
)

// maxTokens bounds the cache: about 10 MiB.
const maxTokens = 100_000

// tokens remembers the application of a token, which never changes. What is unknown is not remembered.
type tokens struct {
	mu     sync.RWMutex
	ids    map[string]int64
	flight singleflight.Group

	lookups      *prometheus.CounterVec
	hits, misses prometheus.Counter
}

func newTokens() *tokens {
	t := &tokens{ids: map[string]int64{}, lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_token_cache_lookups_total", Help: "Lookups of an application by its token; a miss asks the database.",
	}, []string{"result"})}
	t.hits, t.misses = t.lookups.WithLabelValues("hit"), t.lookups.WithLabelValues("miss")
	return t
}

func (t *tokens) get(token string) (int64, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, ok := t.ids[token]
	if ok {
		t.hits.Inc()
	} else {
		t.misses.Inc()
	}
	return id, ok
}

func (t *tokens) put(token string, id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ids) >= maxTokens {
		for old := range t.ids { // any: what is used comes back
			delete(t.ids, old)
			break
		}
	}
	t.ids[token] = id
}

// application gives the id of a token's application.
func (s *Store) application(ctx context.Context, token string) (int64, error) {
	if id, ok := s.tokens.get(token); ok {
		return id, nil
	}
	id, err, _ := s.tokens.flight.Do(token, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		app, err := s.db.ApplicationByToken(ctx, token)
		switch {
		case missing(err):
			return nil, chat.Errorf(chat.NotFound, "There is no such application.")
		case err != nil:
			return nil, unreadable(err)
		}
		s.tokens.put(app.Token, app.ID) // its own copy of the token
		return app.ID, nil
	})
	if err != nil {
		return 0, err
	}
	return id.(int64), nil
}
