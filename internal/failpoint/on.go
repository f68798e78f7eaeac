//go:build failpoint

package failpoint

import "sync"

var (
	mu    sync.RWMutex
	steps = map[place]func(){}
)

// place is a step of one owner; of every owner where there is none.
type place struct {
	owner any
	step  string
}

// Hit runs what a test has set for the step, in the goroutine that came to it. The owner is a pointer that tells tests in
// one process apart: the queue or the database of whoever came.
func Hit(owner any, step string) {
	mu.RLock()
	f, ok := steps[place{owner, step}]
	if !ok {
		f = steps[place{nil, step}]
	}
	mu.RUnlock()
	if f != nil {
		f()
	}
}

// Set lets f run whenever an owner comes to the step, until the returned function is called. A nil owner is every one.
func Set(owner any, step string, f func()) (undo func()) {
	mu.Lock()
	defer mu.Unlock()
	steps[place{owner, step}] = f
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(steps, place{owner, step})
	}
}
