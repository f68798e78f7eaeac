//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const shards = 4

// leaders gives how many shards each pod leads, and whether every shard is led.
func (c *cluster) leaders() (by map[string]int, all bool) {
	c.t.Helper()
	var list coordinationv1.LeaseList
	c.get(&list, "leases", "--selector", selector("flusher"))
	by, led := map[string]int{}, 0
	for i := range list.Items {
		if pod := holder(&list.Items[i]); pod != "" {
			by[pod]++
			led++
		}
	}
	return by, led == shards
}

// spread waits until every shard is led by a pod that is there, and none leads two more than another.
func (c *cluster) spread() {
	c.t.Helper()
	c.until("the shards are led evenly", func() bool {
		by, all := c.leaders()
		pods := c.pods("flusher")
		least, most, sum := shards, 0, 0
		for i := range pods {
			n := by[pods[i].Metadata.Name]
			least, most, sum = min(least, n), max(most, n), sum+n
		}
		return all && sum == shards && most-least <= 1
	})
}

// span is a time that something took.
type span struct{ from, to time.Time }

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// longestOf gives how long the longest took of those that were under way in the span.
func (s span) longestOf(others []span) (longest time.Duration) {
	for _, o := range others {
		if o.from.Before(s.to) && o.to.After(s.from) {
			longest = max(longest, o.length())
		}
	}
	return longest
}

// handOvers watches the Leases. When it is stopped it gives when each was led by nobody after it was given back, and how long the
// API server took for answers meanwhile.
func (c *cluster) handOvers() (stop func() (without map[string][]span, answers []span)) {
	c.t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
	config.QPS = -1 // else the client's own limit is in its answers
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	leases, ours := clients.CoordinationV1().Leases(c.namespace), metav1.ListOptions{LabelSelector: selector("flusher")}
	w, err := leases.Watch(ctx, ours)
	if err != nil {
		c.t.Fatal(err)
	}
	var mu sync.Mutex
	without, answers, free, seen := map[string][]span{}, []span(nil), map[string]time.Time{}, map[string]coordinationv1.Lease{}
	see := func(l *coordinationv1.Lease) {
		mu.Lock()
		defer mu.Unlock()
		last, known := seen[l.Name]
		since, was := free[l.Name]
		switch {
		case holder(l) == "" && !was && known && holder(&last) != "": // others belong to no shard
			free[l.Name] = stamp(l.Spec.RenewTime)
		case holder(l) != "" && was:
			without[l.Name] = append(without[l.Name], span{since, stamp(l.Spec.AcquireTime)})
			delete(free, l.Name)
		}
		seen[l.Name] = *l
	}
	var done sync.WaitGroup
	done.Go(func() {
		for e := range w.ResultChan() {
			if l, ok := e.Object.(*coordinationv1.Lease); ok && e.Type != watch.Deleted {
				see(l)
			}
		}
	})
	done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; <-tick.C {
			begun := time.Now()
			_, _ = leases.List(ctx, ours) // also one that fails has taken its time
			answers = append(answers, span{begun, time.Now()})
		}
	})
	return func() (map[string][]span, []span) {
		c.t.Helper()
		c.until("the events have come", func() bool {
			list, err := leases.List(ctx, ours)
			mu.Lock()
			defer mu.Unlock()
			return err == nil && !slices.ContainsFunc(list.Items, func(l coordinationv1.Lease) bool {
				last, known := seen[l.Name]
				return !known || holder(&last) != holder(&l)
			})
		})
		w.Stop()
		cancel()
		done.Wait()
		return without, answers
	}
}

func holder(l *coordinationv1.Lease) string {
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// stamp of who released or is about to take a Lease, before the call that does it; both have the node's clock.
func stamp(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Now()
	}
	return t.Time
}

// moves does what ends leaders, and holds them to hand each shard over within two seconds, and what the API server took for its
// slowest answer of that time.
func (c *cluster) moves(do func()) {
	c.t.Helper()
	stop := c.handOvers()
	do()
	c.spread()
	without, answers := stop()
	var told []string
	for name, spans := range without {
		var longest time.Duration
		for _, gap := range spans {
			longest = max(longest, gap.length())
			if slowest := gap.longestOf(answers); gap.length() > 2*time.Second+slowest {
				c.t.Errorf("%s was led by nobody for %s, where no answer took longer than %s", name, gap.length(), slowest)
			}
		}
		told = append(told, fmt.Sprintf("%s %.2f s", name, longest.Seconds()))
	}
	c.t.Logf("longest times without a leader: %s", strings.Join(told, ", "))
}
