package lease

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// peersEvery is how often it is looked which pods are ready: a pod may have to see that before it takes what another one gave back, and both
// are to be done within two seconds.
const peersEvery = 500 * time.Millisecond

// term is the time in which this pod holds a shard's Lease, or tries to take it.
type term struct {
	shard   int
	held    bool   // the Lease was written
	stop    func() // ends the work, nil before it begins
	leaving bool   // it is to be given back
}

// share is what this pod leads and how much of it falls to it.
type share struct {
	mu     sync.Mutex
	terms  map[int]*term // by shard: held, or about to be
	target int
}

// take counts a shard as this pod's, unless that would be more than falls to it. needed: it is taken all the same.
func (s *share) take(t *term, needed bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terms[t.shard] == t {
		return true
	}
	if !needed && s.kept() >= s.target {
		return false
	}
	s.terms[t.shard] = t
	return true
}

// written says how writing the Lease went. One that was held already is renewed later, or lost.
func (s *share) written(t *term, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		t.held = true
	} else if !t.held {
		delete(s.terms, t.shard)
	}
}

func (s *share) leading(t *term, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.stop = stop
}

// begun says whether the work of a term has begun: then its end ends the term.
func (s *share) begun(t *term) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.stop != nil
}

func (s *share) end(t *term) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.terms, t.shard)
}

func (s *share) held(t *term) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.held
}

// kept is how many shards are led and stay so.
func (s *share) kept() int {
	n := 0
	for _, t := range s.terms {
		if !t.leaving {
			n++
		}
	}
	return n
}

// set changes what falls to this pod, and begins to give back what is too much.
func (s *share) set(target int) (surplus []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = target
	var shards []int
	for shard, t := range s.terms {
		if !t.leaving && t.stop != nil {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	for s.kept() > target && len(shards) > 0 {
		last := shards[len(shards)-1]
		shards = shards[:len(shards)-1]
		s.terms[last].leaving = true
		s.terms[last].stop()
		surplus = append(surplus, last)
	}
	return surplus
}

// watch looks which pods are ready, and adapts the share to it.
func (e *Election) watch(ctx context.Context) {
	tick := time.NewTicker(peersEvery)
	defer tick.Stop()
	for {
		// from the API server's memory: a pod more or less is seen a moment later
		pods, err := e.pods.List(ctx, metav1.ListOptions{LabelSelector: e.Peers, ResourceVersion: "0"})
		if ctx.Err() != nil {
			return
		}
		e.health.note("list the pods", err)
		if err == nil {
			target := falls(e.Pod, pods.Items, e.Shards)
			if surplus := e.share.set(target); len(surplus) > 0 {
				e.Log.Info("giving shards back to pods that have fewer", "shards", surplus, "share", target)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// falls is how many of the shards fall to a pod when they are dealt in turn, by name, to it and to all that are ready.
func falls(pod string, pods []v1.Pod, shards int) int {
	members := []string{pod}
	for i := range pods {
		if p := &pods[i]; p.Name != pod && ready(p) {
			members = append(members, p.Name)
		}
	}
	slices.Sort(members)
	rank := slices.Index(members, pod)
	n := shards / len(members)
	if rank < shards%len(members) {
		n++
	}
	return n
}

func ready(p *v1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c v1.PodCondition) bool {
		return c.Type == v1.PodReady && c.Status == v1.ConditionTrue
	})
}
