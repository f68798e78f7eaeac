package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"chat-system/internal/enginetest/kubernetes"
	"chat-system/internal/lease"
)

func TestMain(m *testing.M) { kubernetes.Main(m) }

// cluster is a namespace with Leases and pods; what its pods lead is on the board.
type cluster struct {
	t *testing.T
	*kubernetes.Server
	shards int

	mu      sync.Mutex
	leaders map[int][]string // by shard: the pods that lead it at this moment
	changed chan struct{}
}

func setup(t *testing.T, shards int) *cluster {
	t.Helper()
	c := &cluster{t: t, Server: kubernetes.Start(t), shards: shards, leaders: map[int][]string{}, changed: make(chan struct{}, 1)}
	for i := range shards {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("flusher-%d", i)}}
		if _, err := c.Clients.CoordinationV1().Leases(c.Namespace).Create(t.Context(), l, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// ready makes a pod that is ready, as the kubelet would.
func (c *cluster) ready(name string) {
	c.t.Helper()
	pods := c.Clients.CoreV1().Pods(c.Namespace)
	p, err := pods.Create(c.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "flusher"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "flusher", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err == nil {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		_, err = pods.UpdateStatus(c.t.Context(), p, metav1.UpdateOptions{})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// gone removes a pod.
func (c *cluster) gone(name string) {
	c.t.Helper()
	now := int64(0)
	if err := c.Clients.CoreV1().Pods(c.Namespace).Delete(c.t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		c.t.Fatal(err)
	}
}

// user gives the credentials of a user who may do no more than the rules say.
func (c *cluster) user(name string, rules ...rbacv1.PolicyRule) *rest.Config {
	c.t.Helper()
	name = c.Namespace + "-" + name
	rbac := c.Clients.RbacV1()
	_, err := rbac.Roles(c.Namespace).Create(c.t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{})
	if err == nil {
		_, err = rbac.RoleBindings(c.Namespace).Create(c.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Subjects:   []rbacv1.Subject{{Kind: "User", Name: name}},
			RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: name},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.User(c.t, name)
}

// pod is a process that takes part.
type pod struct {
	*cluster
	name string
	*lease.Election
	stop context.CancelFunc
	cut  context.CancelFunc // takes the API server away from it
	done chan struct{}
}

func (c *cluster) join(name string) *pod {
	c.t.Helper()
	return c.joinAs(name, c.Config)
}

func (c *cluster) joinAs(name string, user *rest.Config) *pod {
	c.t.Helper()
	net, cut := breakable()
	config := rest.CopyConfig(user)
	config.Dial = net
	e, err := lease.New(lease.Config{
		API: config, Namespace: c.Namespace, Name: "flusher", Shards: c.shards, Pod: name, Peers: "app=flusher",
		Log: slog.New(slog.NewTextHandler(c.t.Output(), nil)).With("pod", name),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &pod{cluster: c, name: name, Election: e, stop: stop, cut: cut, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		e.Run(ctx, p.lead)
	}()
	c.t.Cleanup(p.end)
	return p
}

// end stops the process and waits until it has given everything back.
func (p *pod) end() {
	p.stop()
	<-p.done
}

func (p *pod) lead(ctx context.Context, shard int) {
	p.note(func() { p.leaders[shard] = append(p.leaders[shard], p.name) })
	<-ctx.Done()
	p.note(func() {
		var rest []string
		for _, name := range p.leaders[shard] {
			if name != p.name {
				rest = append(rest, name)
			}
		}
		p.leaders[shard] = rest
	})
}

func (c *cluster) note(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// await waits until every shard has one leader and the pods lead as many as is said. It gives how long that took.
func (c *cluster) await(want map[string]int) time.Duration {
	c.t.Helper()
	begin := time.Now()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		have := map[string]int{}
		c.mu.Lock()
		whole := true
		for shard := range c.shards {
			whole = whole && len(c.leaders[shard]) == 1
			for _, name := range c.leaders[shard] {
				have[name]++
			}
		}
		c.mu.Unlock()
		if whole && fmt.Sprint(have) == fmt.Sprint(want) {
			return time.Since(begin)
		}
		select {
		case <-c.changed:
		case <-timeout.C:
			c.t.Fatalf("the shards are led so: %v, and not so: %v", have, want)
		}
	}
}

// breakable gives a network that can be cut: what is open then ends, and nothing connects any more.
func breakable() (dial func(context.Context, string, string) (net.Conn, error), cut context.CancelFunc) {
	broken, cut := context.WithCancel(context.Background())
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if broken.Err() != nil {
			return nil, errors.New("the network is cut")
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(broken, func() { _ = conn.Close() })
		}
		return conn, err
	}, cut
}

func TestShardsAreSharedFairly(t *testing.T) {
	t.Parallel()
	c := setup(t, 4)
	c.ready("a")
	c.join("a")
	c.await(map[string]int{"a": 4})
	c.ready("b")
	c.join("b")
	c.await(map[string]int{"a": 2, "b": 2})
	c.ready("c")
	third := c.join("c")
	c.await(map[string]int{"a": 2, "b": 1, "c": 1})
	c.gone("c")
	third.stop()
	c.await(map[string]int{"a": 2, "b": 2})
}

func TestALeaderThatStopsIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	c := setup(t, 2)
	c.ready("a")
	a := c.join("a")
	c.await(map[string]int{"a": 2})
	c.join("b") // not ready: nothing falls to it while a is there
	c.gone("a")
	a.end()
	if took := c.await(map[string]int{"b": 2}); took > 8*time.Second { // one that was not given back is there for longer
		t.Errorf("that took %s", took)
	}
}

func TestALeaderThatIsCutOffIsReplaced(t *testing.T) {
	t.Parallel()
	c := setup(t, 2)
	c.ready("a")
	a := c.join("a")
	c.await(map[string]int{"a": 2})
	c.ready("b") // and stays so: who lets Leases expire is replaced whoever's share they are
	b := c.join("b")
	c.await(map[string]int{"a": 1, "b": 1})
	a.cut()
	if took := c.await(map[string]int{"b": 2}); took > 20*time.Second { // a Lease's time is 10 s
		t.Errorf("that took %s", took)
	}
	if a.Problem() == "" {
		t.Error("a pod that can't reach the API server says nothing")
	}
	if problem := b.Problem(); problem != "" {
		t.Error(problem)
	}
}

func TestWhatKeepsAPodFromTakingPartIsSaid(t *testing.T) {
	t.Parallel()
	c := setup(t, 1)
	pods := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}
	for _, test := range []struct {
		name  string
		rules []rbacv1.PolicyRule
		want  string
	}{
		{"nothing", nil, "service account"},
		{"noleases", []rbacv1.PolicyRule{pods}, "does not let this pod get the Lease flusher-0"},
		{"nopods", []rbacv1.PolicyRule{{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"}}}, "does not let this pod list the pods"},
	} {
		p := c.joinAs(test.name, c.user(test.name, test.rules...))
		says(t, p, test.want)
		p.end()
	}
}

func TestAPodThatCouldNotWriteALeaseIsWellOnceAnotherHasIt(t *testing.T) {
	t.Parallel()
	c := setup(t, 1)
	a := c.joinAs("a", c.user("reader", // which is not ready for it: nothing falls to it in b's eyes
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get"}}))
	says(t, a, "does not let this pod update the Lease flusher-0")
	c.join("b")
	c.await(map[string]int{"b": 1})
	says(t, a, "")
}

func TestALeaseThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	c := setup(t, 1)
	c.shards = 2
	says(t, c.join("a"), "flusher-1, which is not there")
}

func says(t *testing.T, p *pod, want string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		problem := p.Problem()
		if strings.Contains(problem, want) && (want != "" || problem == "") {
			return
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("%q is said, and nothing with %q", problem, want)
		}
	}
}
