package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

// connected makes a queue on an address, as the service does.
func connected(t *testing.T, url string, quorum int) bundle {
	t.Helper()
	client, err := Connect(url, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	db := newMemory()
	c := Config{Partitions: 4, MaxEntries: 100_000, WriteQuorum: quorum, Shebang: true, Log: slog.New(slog.NewTextHandler(logTo{t}, nil))}
	return bundle{New(c, client, db), nil, db}
}

func awaitFor(t *testing.T, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	err := f()
	for deadline := time.Now().Add(2 * time.Minute); err != nil; err = f() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// acknowledged waits until a replica acknowledges what its master writes: its link is up a while before.
func (b *bundle) acknowledged(t *testing.T) {
	t.Helper()
	awaitFor(t, "a replica acknowledges", func() error {
		pipe := b.q.rdb.Pipeline() // on one connection: WAIT is for what that has written
		pipe.Set(t.Context(), "acknowledged", 1, 0)
		replicas := pipe.Do(t.Context(), "WAIT", 1, 1000)
		if _, err := pipe.Exec(t.Context()); err != nil {
			return err
		}
		if n, err := replicas.Int(); err != nil || n > 0 {
			return err
		}
		return errors.New("none")
	})
}

func TestPartitionsLieOnTheNodesOfACluster(t *testing.T) {
	t.Parallel()
	var nodes []*redis.Client
	var addrs []string
	for i := range 2 {
		_, bus, _ := net.SplitHostPort(enginetest.FreeAddr(t))
		s := enginetest.Redis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		node := redis.NewClient(&redis.Options{Addr: s.Addr})
		t.Cleanup(func() { _ = node.Close() })
		if err := node.ClusterAddSlotsRange(t.Context(), 8192*i, 8192*i+8191).Err(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(s.Addr)
			if err := nodes[0].Do(t.Context(), "cluster", "meet", host, port, bus).Err(); err != nil {
				t.Fatal(err)
			}
		}
		nodes, addrs = append(nodes, node), append(addrs, s.Addr)
	}
	for _, n := range nodes {
		awaitFor(t, "the cluster is whole", func() error {
			info, err := n.ClusterInfo(t.Context()).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:2")) {
				err = errors.New(info)
			}
			return err
		})
	}
	b := connected(t, "redis://"+addrs[0]+"?addr="+addrs[1], 0)
	const apps = 12
	scopes := map[int]bool{}
	for a := range int64(apps) {
		b.must(t, newChat(a+1))
		for i := range 3 {
			w := newMessage(a+1, 1, fmt.Sprint("message ", i))
			scopes[b.q.Partition(w.Scope)] = true
			if r := b.must(t, w); r.Number != int64(i+1) {
				t.Fatalf("application %d: number %d", a+1, r.Number)
			}
		}
	}
	for i, n := range nodes {
		if keys, err := n.DBSize(t.Context()).Result(); err != nil || keys == 0 {
			t.Fatalf("node %d holds %d keys, %v", i, keys, err)
		}
	}
	for a := range int64(apps) {
		s := chat.Scope{Application: a + 1, Chat: 1}
		if v, err := b.q.Views(t.Context(), s, []int64{2}); err != nil || v.Last != 3 || v.Pending[0] == nil || v.Pending[0].Body != "message 1" {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	for p := range scopes {
		batch, err := b.q.Read(t.Context(), p, Position{}, 1000)
		if err != nil || !batch.Follows || len(batch.Entries) < 4 {
			t.Fatalf("partition %d: %+v, %v", p, batch, err)
		}
		if _, err := b.q.Clean(t.Context(), p, 0, batch.Entries, 0); err != nil {
			t.Fatal(err)
		}
		seen, err := b.q.Backlogs(t.Context(), []Above{{p, 0, 1}, {p, batch.Entries[0].Version, 1}})
		if err != nil || seen[0].Added != int64(len(batch.Entries)) || seen[0].Oldest != batch.Entries[0].Version || seen[1].Oldest != batch.Entries[1].Version {
			t.Fatalf("partition %d: %+v, %v", p, seen, err)
		}
	}
	if m, err := b.q.Memory(t.Context()); err != nil || m.Used == 0 || m.Crowded() {
		t.Fatalf("%+v, %v", m, err)
	}
	client, err := Connect("redis://"+addrs[0]+"?addr="+addrs[1], func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	told(t, client, modeUnknown)
	if d, err := client.Durability(t.Context()); err != nil || len(d.Weaknesses)+len(d.Unfit) > 0 || !client.Cluster() {
		t.Fatalf("%+v, %v", d, err)
	}
	told(t, client, modeAlways)
	if err := nodes[1].ConfigSet(t.Context(), "appendfsync", "everysec").Err(); err != nil {
		t.Fatal(err)
	}
	if d, err := client.Durability(t.Context()); err != nil || len(d.Weaknesses) != 1 {
		t.Fatalf("one node does not sync every write: %+v, %v", d, err)
	}
	told(t, client, modeEverySec)
}

func TestASentinelTellsTheMasterAndPromotesItsReplica(t *testing.T) {
	t.Parallel()
	master := enginetest.Redis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	enginetest.Redis(t, "--replicaof", host+" "+port)
	sentinel := enginetest.FreeAddr(t)
	_, sentinelPort, _ := net.SplitHostPort(sentinel)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor chat %s %s 1\nsentinel down-after-milliseconds chat 60000\n", sentinelPort, host, port)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel") // Spawn ends it
	if err := enginetest.Spawn(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	asked := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer func() { _ = asked.Close() }()
	awaitFor(t, "the sentinel knows the replica", func() error {
		replicas, err := asked.Replicas(t.Context(), "chat").Result()
		if err == nil && (len(replicas) == 0 || replicas[0]["master-link-status"] != "ok") {
			err = fmt.Errorf("%v", replicas)
		}
		return err
	})
	b := connected(t, "redis://"+sentinel+"?master_name=chat", 1)
	b.acknowledged(t)
	if r := b.must(t, newChat(app)); r.Number != 1 {
		t.Fatalf("%+v", r)
	}
	b.drain(t, chat.Scope{Application: app})
	b.must(t, newChat(app)) // accepted and not stored
	b.q.WriteQuorum = 0     // there is one node left
	// only now: a master that stood still before would be replaced too early
	if err := asked.Set(t.Context(), "chat", "down-after-milliseconds", "500").Err(); err != nil {
		t.Fatal(err)
	}
	master.Kill()
	awaitFor(t, "the replica is promoted", func() error {
		r, err := b.q.Accept(t.Context(), newChat(app))
		if err == nil && r.Number != 3 {
			t.Fatalf("the promoted replica goes on with %d", r.Number)
		}
		return err
	})
}

func TestAWriteIsAcknowledgedOnceTheQuorumHasIt(t *testing.T) {
	t.Parallel()
	master := enginetest.Redis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := enginetest.Redis(t, "--replicaof", host+" "+port)
	b := connected(t, master.URL, 1)
	b.acknowledged(t)
	b.must(t, newChat(app))
	of := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer func() { _ = of.Close() }()
	b.must(t, newMessage(app, 1, "on both"))
	s := chat.Scope{Application: app, Chat: 1}
	if n, err := of.HLen(t.Context(), pendingKey(b.q.Partition(s), s)).Result(); err != nil || n != 1 {
		t.Fatalf("an acknowledged write is not on the replica: %d, %v", n, err)
	}
	replica.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	key := chat.Idempotency{Key: [16]byte{1}, Payload: [16]byte{2}, Given: true}
	w := newMessage(app, 1, "on one")
	w.Idempotency = key
	m, counted := b.q.metrics, 0
	for counted < 2 && ctx.Err() == nil { // the first time, and sent again; on a slow machine one may end otherwise
		if r, err := b.q.Accept(ctx, w); code(err) != chat.OutcomeUnknown {
			t.Fatalf("without its replica: %+v, %v", r, err)
		}
		n := int(testutil.ToFloat64(m.refused.WithLabelValues("quorum")))
		if n > counted+1 {
			t.Fatalf("%d are counted where %d were", n, counted)
		}
		counted = n
	}
	if accepted := testutil.ToFloat64(m.messages); counted != 2 || accepted != 1 {
		t.Errorf("%d are counted as without a quorum, and %v as accepted", counted, accepted)
	}
	replica.Start()
	awaitFor(t, "the same write is acknowledged under its number", func() error {
		r, err := b.q.Accept(ctx, w)
		if err == nil && (r.Number != 2 || !r.Replayed) {
			t.Fatalf("%+v", r)
		}
		return err
	})
}
