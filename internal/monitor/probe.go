package monitor

import (
	"context"
	"errors"
	"sync"
	"time"
)

const probeTimeout = time.Second

var errNoAnswer = errors.New("no answer in time")

// probe asks one engine, one question at a time. Not every client heeds a deadline, so whoever asks waits beside it.
type probe[T any] struct {
	mu     sync.Mutex
	flight *flight[T] // nil: none
}

type flight[T any] struct {
	done  chan struct{}
	value T
	took  time.Duration
	err   error
}

// ask gives the answer and how long it took, or errNoAnswer. A question that is still under way is not asked again: its answer
// counts.
func (p *probe[T]) ask(ctx context.Context, question func(context.Context) (T, error)) (value T, took time.Duration, err error) {
	p.mu.Lock()
	f := p.flight
	if f == nil {
		f = &flight[T]{done: make(chan struct{})}
		p.flight = f
		go p.fly(context.WithoutCancel(ctx), f, question)
	}
	p.mu.Unlock()
	patience := time.NewTimer(probeTimeout)
	defer patience.Stop()
	select {
	case <-f.done:
		return f.value, f.took, f.err
	case <-patience.C:
	case <-ctx.Done():
	}
	return value, probeTimeout, errNoAnswer
}

func (p *probe[T]) fly(ctx context.Context, f *flight[T], question func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	begin := time.Now()
	f.value, f.err = question(ctx)
	f.took = time.Since(begin)
	p.mu.Lock()
	p.flight = nil
	p.mu.Unlock()
	close(f.done)
}
