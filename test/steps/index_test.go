//go:build failpoint

package steps

import (
	"context"
	"errors"
	"maps"
	"sync"

	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/search"
)

// index is a search index that keeps what it is given, by the rules of search.Index.
type index struct {
	search.Index // what searches; nobody does here
	mu           sync.Mutex
	docs         map[place]chat.Message
	away         bool
	refusing     bool // refuses every message
	gone         bool // there is none
}

// Current implements flusher.Indexes.
func (i *index) Current(context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone {
		return "", search.ErrNoIndex
	}
	return "index", nil
}

// Create implements flusher.Indexes.
func (i *index) Create(context.Context) error {
	i.set(func(i *index) { i.gone = false })
	return nil
}

// Exists implements flusher.Indexes.
func (i *index) Exists(context.Context, string) (bool, error) { return true, nil }

// At implements flusher.Indexes.
func (i *index) At(string) search.Index { return i }

func (i *index) Put(_ context.Context, ms []chat.Message) (refused []search.Refusal, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away {
		return nil, errors.New("the index is away")
	}
	for n, m := range ms {
		if i.refusing {
			refused = append(refused, search.Refusal{Index: n, Reason: "refused"})
		} else if at := (place{m.ChatNumber, m.Number}); i.docs[at].Version <= m.Version {
			i.docs[at] = m
		}
	}
	return refused, nil
}

func (i *index) set(f func(*index)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f(i)
}

func (s *scene) indexes() flusher.Indexes {
	if s.index == nil {
		return nil
	}
	return s.index
}

// indexed says that the index holds what the tables hold.
func (s *scene) indexed() bool {
	_, messages := s.h.stored(s.t, s.world)
	found := map[place]row{}
	s.index.set(func(i *index) {
		for at, m := range i.docs {
			found[at] = row{m.Body, m.Version}
		}
	})
	return maps.Equal(found, messages)
}

func (s *scene) checkIndex() {
	s.t.Helper()
	s.index.set(func(i *index) { i.away, i.refusing = false, false })
	until(s.t, "the index holds what is stored", func() bool {
		if len(s.openLetters(s.b)) > 0 { // of a bulk that was under way when the index began to take them
			retry(s)
		}
		return s.indexed()
	})
}
