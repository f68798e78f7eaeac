//go:build e2e

package e2e

import (
	"context"
	"fmt"
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
		if l := &list.Items[i]; l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != "" {
			by[*l.Spec.HolderIdentity]++
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

// handOvers watches the Leases. When it is stopped it gives how long each was led by nobody after it was given back, at most, and
// how long the API server took for one answer meanwhile.
func (c *cluster) handOvers() (stop func() (longest map[string]time.Duration, slowest time.Duration)) {
	c.t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
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
	longest, free, held := map[string]time.Duration{}, map[string]time.Time{}, map[string]bool{}
	see := func(l *coordinationv1.Lease) {
		mu.Lock()
		defer mu.Unlock()
		since, was := free[l.Name]
		is := l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == ""
		switch {
		case is && !was && held[l.Name]: // others belong to no shard
			free[l.Name] = stamp(l.Spec.RenewTime)
		case !is && was:
			longest[l.Name] = max(longest[l.Name], stamp(l.Spec.AcquireTime).Sub(since))
			delete(free, l.Name)
		}
		held[l.Name] = held[l.Name] || !is
	}
	var slowest time.Duration
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
			slowest = max(slowest, time.Since(begun))
		}
	})
	return func() (map[string]time.Duration, time.Duration) {
		c.t.Helper()
		c.until("the events have come", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(free) == 0
		})
		w.Stop()
		cancel()
		done.Wait()
		return longest, slowest
	}
}

// stamp of who released or is about to take a Lease, before the call that does it; both have the node's clock.
func stamp(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Now()
	}
	return t.Time
}

// moves does what ends leaders, and holds them to hand each shard over within two seconds, and what the API server may take for an
// answer at that moment.
func (c *cluster) moves(do func()) {
	c.t.Helper()
	stop := c.handOvers()
	do()
	c.spread()
	longest, slowest := stop()
	var told []string
	for name, gap := range longest {
		told = append(told, fmt.Sprintf("%s %.2f s", name, gap.Seconds()))
		if gap > 2*time.Second+slowest {
			c.t.Errorf("%s was led by nobody for %s, where no answer took longer than %s", name, gap, slowest)
		}
	}
	c.t.Logf("longest times without a leader: %s; the API server's slowest answer %.2f s", strings.Join(told, ", "), slowest.Seconds())
}
