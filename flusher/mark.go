package flusher

import (
	"context"
	"sync"

	"chat-system/internal/chat"
)

// mark is a version that only rises, for which others wait.
type mark struct {
	mu      sync.Mutex
	at      chat.Version
	changed chan struct{}
}

func newMark() *mark { return &mark{changed: make(chan struct{})} }

func (m *mark) raise(v chat.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v > m.at {
		m.at = v
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

func (m *mark) wait(ctx context.Context, v chat.Version) error {
	for {
		m.mu.Lock()
		at, changed := m.at, m.changed
		m.mu.Unlock()
		if at >= v {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
