package api

import (
	"context"
	"sync"
	"time"
)

// lazyContext is a context with a deadline, whose timer comes into being only when somebody waits for it: most requests
// are answered before anybody does. It is cancelled when the request ends.
type lazyContext struct {
	context.Context // the parent, for its values
	deadline        time.Time

	mu     sync.Mutex
	timed  context.Context // nil: nobody has waited yet
	cancel context.CancelFunc
}

var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (l *lazyContext) wait() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.deadline)
	}
	return l.timed
}

// Deadline implements context.Context.
func (l *lazyContext) Deadline() (time.Time, bool) { return l.deadline, true }

// Done implements context.Context.
func (l *lazyContext) Done() <-chan struct{} { return l.wait().Done() }

// Err implements context.Context.
func (l *lazyContext) Err() error { return l.wait().Err() }

// Value implements context.Context. The timed context answers once it is there, so that contexts derived from this one
// find it and hang on to it without a goroutine of their own.
func (l *lazyContext) Value(key any) any {
	l.mu.Lock()
	ctx := l.timed
	l.mu.Unlock()
	if ctx == nil {
		ctx = l.Context
	}
	return ctx.Value(key)
}

// end cancels it.
func (l *lazyContext) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
		return
	}
	l.timed, l.cancel = ended, func() {}
}
