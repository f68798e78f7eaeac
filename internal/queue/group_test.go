package queue

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// held is a group whose calls end when they are told to.
type held struct {
	*Group[int]
	begun chan []int
	end   chan struct{}
}

func newHeld(most, overlap, bound int) *held {
	h := &held{begun: make(chan []int), end: make(chan struct{})}
	h.Group = NewGroup(most, overlap, bound, func(batch []int) {
		h.begun <- slices.Clone(batch)
		<-h.end
	})
	return h
}

func (h *held) add(t *testing.T, items ...int) {
	t.Helper()
	for _, i := range items {
		if !h.Add(i) {
			t.Fatalf("%d is refused", i)
		}
	}
}

func (h *held) begins(t *testing.T, want ...int) {
	t.Helper()
	if got := <-h.begun; !slices.Equal(got, want) {
		t.Fatalf("a call takes %v, want %v", got, want)
	}
}

// runs waits until there are so many calls; one that is about to begin counts.
func (h *held) runs(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		h.mu.Lock()
		got := h.running
		h.mu.Unlock()
		switch {
		case got == want:
			return
		case time.Now().After(deadline):
			t.Fatalf("%d calls run, want %d", got, want)
		}
		runtime.Gosched()
	}
}

func TestAGroupGathersWhileACallIsInFlight(t *testing.T) {
	t.Parallel()
	h := newHeld(3, 0, 10)
	h.add(t, 1)
	h.begins(t, 1)
	h.add(t, 2, 3, 4, 5)
	h.runs(t, 1)
	h.end <- struct{}{}
	h.begins(t, 2, 3, 4)
	h.end <- struct{}{}
	h.begins(t, 5)
	h.end <- struct{}{}
	h.add(t, 6)
	h.begins(t, 6)
	h.end <- struct{}{}
}

func TestASmallCallOverlapsWithOneAsLarge(t *testing.T) {
	t.Parallel()
	h := newHeld(10, 2, 10)
	h.add(t, 1)
	h.begins(t, 1)
	h.add(t, 2)
	h.begins(t, 2) // beside the first
	h.add(t, 3, 4, 5)
	h.runs(t, 2)
	h.end <- struct{}{}
	h.begins(t, 3, 4, 5)
	h.end <- struct{}{}
	h.add(t, 6, 7, 8)
	h.runs(t, 1) // three are too many to begin beside
	h.end <- struct{}{}
	h.begins(t, 6, 7, 8)
	h.end <- struct{}{}
	h.add(t, 9)
	h.begins(t, 9)
	h.add(t, 10)
	h.begins(t, 10)
	h.add(t, 11)
	h.end <- struct{}{}
	h.begins(t, 11)
	h.end <- struct{}{}
	h.end <- struct{}{}
}

func TestAGroupIsBounded(t *testing.T) {
	t.Parallel()
	h := newHeld(10, 0, 2)
	h.add(t, 1)
	h.begins(t, 1)
	h.add(t, 2, 3)
	if h.Add(4) {
		t.Fatal("more wait than may")
	}
	h.end <- struct{}{}
	h.begins(t, 2, 3)
	h.end <- struct{}{}
}

func TestAGroupRunsEveryItemOnce(t *testing.T) {
	t.Parallel()
	const adders, each = 50, 400
	var mu sync.Mutex
	seen := make([]int, adders*each)
	var all sync.WaitGroup
	all.Add(len(seen))
	g := NewGroup(7, 5, len(seen), func(batch []int) {
		mu.Lock()
		defer mu.Unlock()
		for _, i := range batch {
			seen[i]++
			all.Done()
		}
	})
	for a := range adders {
		go func() {
			for i := range each {
				g.Add(a*each + i)
			}
		}()
	}
	all.Wait()
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("item %d was run %d times", i, n)
		}
	}
}
