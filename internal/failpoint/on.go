//go:build failpoint

package failpoint

import "sync"

var (
	mu    sync.Mutex
	steps = map[string]func(){}
)

// Hit runs what a test has set for the step, in the goroutine that came to it.
func Hit(step string) {
	mu.Lock()
	f := steps[step]
	mu.Unlock()
	if f != nil {
		f()
	}
}

// Set lets f run whenever a goroutine comes to the step, until the returned function is called.
func Set(step string, f func()) (undo func()) {
	mu.Lock()
	defer mu.Unlock()
	steps[step] = f
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(steps, step)
	}
}
