//go:build e2e

package e2e

import (
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

// gaps watches the Leases and gives, when it is stopped, how long each was led by nobody after it was given back.
func (c *cluster) gaps() (stop func() map[string]time.Duration) {
	c.t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.t.Fatal(err)
	}
	w, err := clients.CoordinationV1().Leases(c.namespace).Watch(c.t.Context(), metav1.ListOptions{LabelSelector: selector("flusher")})
	if err != nil {
		c.t.Fatal(err)
	}
	longest, free, held := map[string]time.Duration{}, map[string]time.Time{}, map[string]bool{}
	var done sync.WaitGroup
	done.Go(func() {
		for e := range w.ResultChan() {
			l, ok := e.Object.(*coordinationv1.Lease)
			if !ok || e.Type == watch.Deleted {
				continue
			}
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
	})
	return func() map[string]time.Duration {
		w.Stop()
		done.Wait()
		for name, since := range free {
			longest[name] = time.Since(since)
		}
		return longest
	}
}

// stamp of who released or is about to take a Lease, before the call that does it; both have the node's clock.
func stamp(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Now()
	}
	return t.Time
}

// moves does what ends leaders, and holds them to hand each shard over within two seconds.
func (c *cluster) moves(do func()) {
	c.t.Helper()
	stop := c.gaps()
	do()
	c.spread()
	var told []string
	for name, gap := range stop() {
		told = append(told, fmt.Sprintf("%s %.2f s", name, gap.Seconds()))
		if gap > 2*time.Second {
			c.t.Errorf("%s was led by nobody for %s", name, gap)
		}
	}
	c.t.Logf("longest times without a leader: %s", strings.Join(told, ", "))
}
