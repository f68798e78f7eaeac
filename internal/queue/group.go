package queue

import (
	"slices"
	"sync"
)

// Group gathers items while a call is in flight and hands them over together when it is done: the busier the service,
// the larger the batches, with no timer and no wait when it is idle. Small calls may overlap: while one of no more than
// overlap items is in flight a second begins, once as many items wait as that one took.
type Group[T any] struct {
	run     func([]T)
	most    int // items a call
	overlap int // items of a call beside which another may run; 0: none
	bound   int // items waiting at most
	mu      sync.Mutex
	waiting []T
	spare   []T
	running int
	taken   int // items of the call that began last
}

// NewGroup makes a Group whose calls run takes at most most items; run must not keep the slice, and with an overlap it runs
// twice at a time.
func NewGroup[T any](most, overlap, bound int, run func([]T)) *Group[T] {
	return &Group[T]{run: run, most: most, overlap: overlap, bound: bound}
}

// Add queues an item; false: too many wait already.
func (g *Group[T]) Add(item T) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= g.bound {
		return false
	}
	g.waiting = append(g.waiting, item)
	g.begin()
	return true
}

// begin begins a call if one may. The lock is held.
func (g *Group[T]) begin() {
	if len(g.waiting) == 0 || g.running > 1 || (g.running == 1 && (g.taken > g.overlap || len(g.waiting) < g.taken)) {
		return
	}
	batch := g.waiting
	g.waiting, g.spare = g.spare[:0], nil
	g.taken = len(batch)
	g.running++
	go g.work(batch)
}

func (g *Group[T]) work(batch []T) {
	for some := range slices.Chunk(batch, g.most) {
		g.run(some)
	}
	clear(batch)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.spare = batch[:0]
	g.begin()
}
