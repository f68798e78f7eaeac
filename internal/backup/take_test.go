package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

func TestABackupHoldsWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for _, method := range []Method{Auto, Replication, Dump} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			s, rdb := redisOf(t)
			accepted := fill(t, s.URL, 6, 40)
			c := configured(t, s.URL)
			c.Method = method
			m := mustTake(t, c, "first")
			keys := rdb.DBSize(t.Context()).Val()
			if !m.Verified() || m.Consistent == (method == Dump) || (m.Method == Dump) != (method == Dump) || m.Keys != keys || m.Partitions == 0 ||
				m.Entries != int64(accepted+m.Partitions) || m.RedisVersion == "" || len(m.Details) != m.Partitions || m.FinishedAt.Before(m.StartedAt) {
				t.Fatalf("%+v with %d keys", m, keys)
			}
			mustHold(t, c, "first", accepted)
			stored, err := ReadManifest(t.Context(), c.Storage, "first")
			if err != nil || stored.Size != m.Shards[0].Size || stored.VerifiedAt == nil || len(stored.Details) != m.Partitions {
				t.Fatalf("%+v, %v", stored, err)
			}
			plain := filepath.Join(t.TempDir(), "plain.rdb")
			if _, err := Fetch(t.Context(), c.Storage, "first", plain); err != nil {
				t.Fatal(err)
			}
			scratch, err := StartScratch(t.Context(), c.Programs, plain, 0)
			if err != nil {
				t.Fatal(err)
			}
			if n := scratch.Redis.DBSize(t.Context()).Val(); n != keys {
				t.Errorf("the plain RDB has %d keys, Redis %d", n, keys)
			}
			if err := scratch.Close(); err != nil {
				t.Error(err)
			}
			if _, err := Fetch(t.Context(), c.Storage, "first", plain); ReasonOf(err) != Invalid {
				t.Errorf("fetched over a file: %v", err)
			}
		})
	}
}

func TestARunThatIsTriedAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 1, 10)
	c := configured(t, s.URL)
	unverified := c
	unverified.Verify = false
	first := mustTake(t, unverified, "same")
	if first.Verified() || first.Entries != int64(accepted+first.Partitions) || first.Keys == 0 {
		t.Fatalf("%+v", first)
	}
	fill(t, s.URL, 2, 20)
	second := mustTake(t, c, "same") // was not verified yet
	third := mustTake(t, c, "same")
	if second.Shards[0] != first.Shards[0] || !second.Verified() || third.Shards[0] != first.Shards[0] || !third.VerifiedAt.Equal(*second.VerifiedAt) {
		t.Fatalf("%+v\n%+v\n%+v", first, second, third)
	}
	mustHold(t, c, "same", accepted)
}

// Backups are taken while the queue is written to: each is of one moment, and the queue goes on, though Redis takes a new
// master_replid.
func TestTheQueueGoesOnWhileItIsBackedUp(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	q := queueOn(t, s.URL)
	accepted := accept(t, q, 4, 20)
	before := field(rdb.Info(t.Context(), "replication").Val(), "master_replid")
	c := configured(t, s.URL)
	more := make(chan int)
	go func() { more <- accept(t, q, 4, 400) }()
	for _, name := range []string{"one", "two"} {
		if m := mustTake(t, c, name); !m.Verified() || !m.Consistent || m.Entries < int64(accepted) {
			t.Fatalf("%+v", m)
		}
	}
	accepted += <-more
	if after := field(rdb.Info(t.Context(), "replication").Val(), "master_replid"); after == before || after == "" {
		t.Fatalf("the replid stayed %s: this test does not show what it is for", before)
	}
	accepted += accept(t, q, 4, 1)
	mustTake(t, c, "three")
	mustHold(t, c, "three", accepted)
}

func TestAutoFallsBackWhereRedisRefusesReplication(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	accepted := fill(t, s.URL, 3, 20)
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "reader", "on", ">s3cret", "~chat:*", "+@all", "-psync", "-sync").Err(); err != nil {
		t.Fatal(err)
	}
	c := configured(t, "redis://reader:s3cret@"+s.Addr+"/0")
	if m := mustTake(t, c, "dumped"); m.Method != Dump || m.Consistent || !m.Verified() {
		t.Fatalf("%+v", m)
	}
	mustHold(t, c, "dumped", accepted)
	c.Method = Replication
	_, err := Take(t.Context(), c, "replicated")
	mustFail(t, err, Refused)
}

func TestADumpKeepsExpiry(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	rdb.Set(t.Context(), "chat:{0}:idem:1:x", "v", time.Hour)
	rdb.Set(t.Context(), "chat:{0}:idem:1:y", "v", 0)
	rdb.Set(t.Context(), "another", "v", 0)
	c := configured(t, s.URL)
	c.Method = Dump
	mustTake(t, c, "dumped")
	l, err := Open(t.Context(), c.Storage, "dumped", c.Programs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	copied := l.shards[0].Redis
	if ttl := copied.PTTL(t.Context(), "chat:{0}:idem:1:x").Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("expires in %s", ttl)
	}
	if ttl := copied.PTTL(t.Context(), "chat:{0}:idem:1:y").Val(); ttl != -1 {
		t.Errorf("what stays expires in %s", ttl)
	}
	if n := copied.DBSize(t.Context()).Val(); n != 2 {
		t.Errorf("%d keys", n)
	}
}

func TestAnotherDatabaseNumber(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t, "--databases", "40")
	for _, method := range []Method{Replication, Dump} {
		at := "redis://" + s.Addr + "/33"
		c := configured(t, at)
		c.Method = method
		m := mustTake(t, c, "empty")
		if m.Database != 33 || m.Entries != 0 || !m.Verified() {
			t.Fatalf("%+v", m)
		}
		if method == Dump { // both have an empty one now
			accepted := fill(t, at, 2, 5)
			mustTake(t, c, "full")
			mustHold(t, c, "full", accepted)
			c.Method = Replication
			mustTake(t, c, "replicated")
			mustHold(t, c, "replicated", accepted)
		}
	}
}

func TestEveryMasterOfAClusterIsTaken(t *testing.T) {
	t.Parallel()
	url, _ := cluster(t)
	accepted := fill(t, url, 12, 10)
	for _, method := range []Method{Auto, Dump} {
		c := configured(t, url)
		c.Method = method
		m := mustTake(t, c, "both")
		if len(m.Shards) != 2 || !m.Verified() || m.Entries != int64(accepted+m.Partitions) || m.Partitions != partitions {
			t.Fatalf("%+v", m)
		}
		mustHold(t, c, "both", accepted)
		to := filepath.Join(t.TempDir(), "folder")
		if _, err := Fetch(t.Context(), c.Storage, "both", to); err != nil {
			t.Fatal(err)
		}
		for i, s := range m.Shards {
			if info, err := os.Stat(filepath.Join(to, fmt.Sprintf("%d.rdb", i))); err != nil || info.Size() != s.RDBSize {
				t.Errorf("shard %d: %v", i, err)
			}
		}
	}
}

func TestAClusterThatLacksSlotsIsNotTaken(t *testing.T) {
	t.Parallel()
	url, nodes := cluster(t)
	c := configured(t, url)
	for _, n := range nodes { // they serve what they have
		if err := n.ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
		if err := n.ClusterDelSlots(t.Context(), 7).Err(); err != nil && !strings.Contains(err.Error(), "unassigned") {
			t.Fatal(err)
		}
	}
	_, err := Take(t.Context(), c, "gap")
	mustFail(t, err, Unreachable)
	mustBeEmpty(t, c.Storage)
}

// cluster is one of two masters.
func cluster(t *testing.T) (url string, nodes []*redis.Client) {
	t.Helper()
	var addrs []string
	for i := range 2 {
		_, bus, _ := net.SplitHostPort(enginetest.FreeAddr(t))
		s, node := redisOf(t, "--cluster-enabled", "yes", "--cluster-port", bus)
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
		await(t, "the cluster is whole", func() error {
			info, err := n.ClusterInfo(t.Context()).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:2")) {
				err = errors.New(info)
			}
			return err
		})
	}
	return "redis://" + addrs[0] + "?addr=" + addrs[1], nodes
}

func TestASentinelTellsTheMaster(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 2, 10)
	host, port, _ := net.SplitHostPort(s.Addr)
	sentinel := enginetest.FreeAddr(t)
	_, sentinelPort, _ := net.SplitHostPort(sentinel)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor chat %s %s 1\n", sentinelPort, host, port)
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
	c := configured(t, "redis://"+sentinel+"?master_name=chat")
	await(t, "the sentinel answers", func() error {
		from, err := connect(t.Context(), c.Redis)
		if err == nil {
			from.close()
		}
		return err
	})
	if m := mustTake(t, c, "by-sentinel"); m.Method != Replication {
		t.Fatalf("%+v", m)
	}
	mustHold(t, c, "by-sentinel", accepted)
}

func TestWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	fill(t, s.URL, 1, 1)
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	away := enginetest.FreeAddr(t)
	for name, c := range map[string]struct {
		url    string
		change func(*Config)
		name   string
		want   Reason
	}{
		"Redis is away":          {"redis://:s3cret@" + away + "/0", nil, "x", Unreachable},
		"a wrong password":       {"redis://reader:s3cret-wrong@" + s.Addr + "/0", nil, "x", Refused},
		"a wrong name":           {s.URL, nil, "../x", Invalid},
		"redis-cli is missing":   {s.URL, func(c *Config) { c.Programs.CLI = "no-redis-cli" }, "x", ProgramMissing},
		"a dump, and no server":  {s.URL, func(c *Config) { c.Programs.Server, c.Method = "no-redis-server", Dump }, "x", ProgramMissing},
		"the storage is removed": {s.URL, func(c *Config) { _ = os.RemoveAll(c.Storage.Location()) }, "x", StorageUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := configured(t, c.url)
			if c.change != nil {
				c.change(&run)
			}
			m, err := Take(t.Context(), run, c.name)
			mustFail(t, err, c.want)
			if m.Reason != c.want || m.Error != err.Error() || strings.Contains(m.Error, "s3cret") || strings.Contains(string(m.Report()), "s3cret") {
				t.Fatalf("%+v", m)
			}
			if c.want != StorageUnreachable {
				mustBeEmpty(t, run.Storage)
			}
		})
	}
}

// A server is missing when all is stored: the backup is there, and not verified.
func TestABackupThatCannotBeVerifiedHereStays(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 1, 5)
	c := configured(t, s.URL)
	without := c
	without.Programs.Server = "no-redis-server"
	m, err := Take(t.Context(), without, "x")
	mustFail(t, err, ProgramMissing)
	if !strings.Contains(err.Error(), "REDIS_SERVER") || m.Reason != ProgramMissing {
		t.Fatalf("%v, %+v", err, m)
	}
	all, err := List(t.Context(), c.Storage)
	if err != nil || len(all) != 1 || all[0].Error != "" || all[0].VerifiedAt != nil {
		t.Fatalf("%+v, %v", all, err)
	}
	if m := mustTake(t, c, "x"); !m.Verified() {
		t.Fatalf("%+v", m)
	}
	mustHold(t, c, "x", accepted)
}

// Redis stands still while it is copied: the run ends in time and leaves nothing.
func TestARunEndsInTimeAndWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Reason{"in time": TimedOut, "told to": Interrupted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rdb := redisOf(t, "--repl-diskless-sync-delay", "3600") // it answers, and never begins
			c := configured(t, s.URL)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if want == TimedOut {
				ctx, stop = context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer stop()
			} else {
				go func() {
					for rdb.Info(ctx, "replication").Val() != "" && !strings.Contains(rdb.Info(ctx, "replication").Val(), "connected_slaves:1") {
						continue
					}
					stop()
				}()
			}
			_, err := Take(ctx, c, "x")
			mustFail(t, err, want)
			mustBeEmpty(t, c.Storage)
		})
	}
}

func mustBeEmpty(t *testing.T, s Storage) {
	t.Helper()
	files, err := s.List(t.Context())
	if err != nil || len(files) > 0 {
		t.Fatalf("the storage holds %+v, %v", files, err)
	}
}

func TestReportsFitIntoATerminationMessage(t *testing.T) {
	t.Parallel()
	m := at(day0)
	for i := range 40 {
		m.Shards = append(m.Shards, Shard{shardFile(m.Name, i), 1, strings.Repeat("a", 64), 1})
	}
	m.Location = "s3://" + strings.Repeat("b", 60)
	for _, text := range []string{"", strings.Repeat("€", 5000), strings.Repeat("\x00", 5000)} {
		m.Error = text
		report := m.Report()
		var read Manifest
		if err := json.Unmarshal(report, &read); err != nil || len(report) > 4096 || read.Name != m.Name || (text != "") != (read.Error != "") {
			t.Fatalf("%d bytes, %v: %s", len(report), err, report)
		}
	}
	m.Location = strings.Repeat("x", 9000)
	if n := len(m.Report()); n > 4096 {
		t.Fatalf("%d bytes", n)
	}
}
