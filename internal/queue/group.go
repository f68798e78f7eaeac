package queue

import "sync"

// Group gathers items while a call is in flight and hands them over together when it is done: the busier the service,
// the larger the batches, with no timer and no wait when it is idle.
type Group[T any] struct {
	run     func([]T)
	most    int // items a call
	bound   int // items waiting at most
	mu      sync.Mutex
	waiting []T
	spare   []T
	running bool
}

// NewGroup makes a Group whose calls run takes at most most items; run must not keep the slice.
func NewGroup[T any](most, bound int, run func([]T)) *Group[T] {
	return &Group[T]{run: run, most: most, bound: bound}
}

// Add queues an item; false: too many wait already.
func (g *Group[T]) Add(item T) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= g.bound {
		return false
	}
	g.waiting = append(g.waiting, item)
	if !g.running {
		g.running = true
		go g.work()
	}
	return true
}

func (g *Group[T]) work() {
	for {
		g.mu.Lock()
		batch := g.waiting
		if len(batch) == 0 {
			g.running = false
			g.mu.Unlock()
			return
		}
		g.waiting, g.spare = g.spare[:0], nil
		g.mu.Unlock()
		for rest := batch; len(rest) > 0; {
			n := min(len(rest), g.most)
			g.run(rest[:n])
			rest = rest[n:]
		}
		clear(batch)
		g.mu.Lock()
		g.spare = batch[:0]
		g.mu.Unlock()
	}
}
