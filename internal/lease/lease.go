package lease

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

const (
	duration = 10 * time.Second // after which a Lease that is not renewed may be taken
	deadline = 7 * time.Second  // after which a leader that can't renew gives up
	// client-go waits up to 2.2 times as long between two attempts: a Lease that was given back is taken within 1.2 s.
	retry = 500 * time.Millisecond

	callTime = 3 * time.Second // of one call of the API server
	calls    = 100             // a second, at most
)

// Config of an Election.
type Config struct {
	API       *rest.Config // address and credentials of the API server
	Namespace string       // of the Leases and the pods
	Name      string       // of the Leases, which are Name-0, Name-1 and so on
	Shards    int
	Pod       string // this pod's name, by which it holds Leases
	Peers     string // label selector of the pods among which the shards are dealt
	Log       *slog.Logger
}

// Election leads what falls to this pod.
type Election struct {
	Config
	leases coordinationv1.CoordinationV1Interface
	pods   corev1.PodInterface
	health health
	share  share
}

// New prepares an Election; it calls nothing yet.
func New(c Config) (*Election, error) {
	api := rest.CopyConfig(c.API)
	api.Timeout, api.QPS, api.Burst = callTime, calls, calls
	leases, err := coordinationv1.NewForConfig(api)
	if err != nil {
		return nil, err
	}
	core, err := corev1.NewForConfig(api)
	if err != nil {
		return nil, err
	}
	if _, err := metav1.ParseToLabelSelector(c.Peers); err != nil {
		return nil, err
	}
	return &Election{
		Config: c, leases: leases, pods: core.Pods(c.Namespace), health: health{log: c.Log, failures: map[string]failure{}},
		share: share{terms: map[int]*term{}, target: c.Shards},
	}, nil
}

// Run calls lead for each shard that is won; its context ends when the shard is to be given up, and the Lease is given back
// when lead returns. Run returns when ctx has ended and every Lease is given back.
func (e *Election) Run(ctx context.Context, lead func(ctx context.Context, shard int)) {
	var wg sync.WaitGroup
	for shard := range e.Shards {
		wg.Go(func() {
			for ctx.Err() == nil {
				e.term(ctx, shard, lead)
			}
		})
	}
	wg.Go(func() { e.watch(ctx) })
	wg.Wait()
}

// Problem is a sentence about what keeps this pod from taking part, empty: nothing does.
func (e *Election) Problem() string { return e.health.problem() }

// term is one time of leading a shard: it waits for the Lease, leads, and gives it back.
func (e *Election) term(ctx context.Context, shard int, lead func(ctx context.Context, shard int)) {
	t := &term{shard: shard}
	// the election goes on until the work has ended, also when ctx has
	quiet := klog.NewContext(context.WithoutCancel(ctx), logr.Discard()) // the lock tells what fails
	electing, giveBack := context.WithCancel(quiet)
	defer giveBack()
	done := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          e.lock(t),
		LeaseDuration: duration, RenewDeadline: deadline, RetryPeriod: retry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				defer close(done)
				defer giveBack()
				work, stop := context.WithCancel(leading)
				defer stop()
				defer context.AfterFunc(ctx, stop)()
				e.share.leading(t, stop)
				lead(work, shard)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		panic(err) // the constants above are wrong
	}
	defer context.AfterFunc(ctx, func() {
		if !e.share.begun(t) {
			giveBack()
		}
	})()
	elector.Run(electing)
	if e.share.held(t) {
		<-done // a Lease may be lost before the work has ended
		e.share.end(t)
	}
}

// lock is the Lease of a shard.
func (e *Election) lock(t *term) *lock {
	name := e.Name + "-" + strconv.Itoa(t.shard)
	return &lock{
		Interface: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: name, Namespace: e.Namespace},
			Client:     e.leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Pod},
		},
		election: e, term: t, name: name,
	}
}

var errNoLease = errors.New("the Lease does not exist")
