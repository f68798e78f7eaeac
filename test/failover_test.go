package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

// pair is a master and its replica, reached through a wire that is turned to the new master.
type pair struct {
	t       *testing.T
	master  *enginetest.RedisServer
	replica *enginetest.RedisServer
	wire    *wire
}

// newPair starts both; a write is acknowledged once the replica has it.
func newPair(t *testing.T) (*pair, *service) {
	t.Helper()
	p := &pair{t: t, master: enginetest.Redis(t), replica: enginetest.Redis(t)}
	p.follow(p.replica, p.master)
	p.wire = newWire(t, p.master.Addr)
	s := newServiceOn(t, enginetest.MySQL(t), p.master, 2, 1, "WRITE_QUORUM=1", "REDIS_URL=redis://"+p.wire.addr()+"/0")
	return p, s
}

func (p *pair) follow(r, of *enginetest.RedisServer) {
	p.t.Helper()
	host, port, _ := net.SplitHostPort(of.Addr)
	p.do(r, "replicaof", host, port)
}

// promote makes the replica the master, and turns the service to it.
func (p *pair) promote(s *service) {
	p.t.Helper()
	p.do(p.replica, "replicaof", "no", "one")
	p.master, p.replica = p.replica, p.master
	s.redis = p.master
	p.wire.turn(p.master.Addr)
}

func (p *pair) do(r *enginetest.RedisServer, words ...any) {
	p.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer func() { _ = client.Close() }()
	if err := client.Do(p.t.Context(), words...).Err(); err != nil {
		p.t.Fatal(err)
	}
}

// The master is killed and its replica promoted, again and again; what was the master comes back as the replica. Nothing is
// acknowledged in between, and nothing that was is lost.
func TestAReplicaIsPromotedAndTheOldMasterComesBack(t *testing.T) {
	t.Parallel()
	p, s := newPair(t)
	l := s.load(5, 10)
	for i := range 4 {
		l.more(between)
		if i%2 == 1 { // the replica is behind: what it lacks was not acknowledged, and may be stored
			p.replica.Pause()
			refused := l.refused.Load()
			until(t, "writes wait for the replica in vain", func() bool { return l.refused.Load() >= refused+10 })
			p.master.Kill()
			p.replica.Resume()
		} else {
			p.master.Kill()
		}
		p.promote(s)
		p.replica.Start()
		p.follow(p.replica, p.master)
	}
	l.more(between)
	l.check(s)
}

// A master that was superseded and not demoted, with a pod that still reaches it alone: nothing that the pod accepts there
// is acknowledged. A pod that has learnt of the new master says so, and nothing it was sent is given a number.
func TestASupersededMasterAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	p, s := newPair(t)
	l := s.load(5, 10)
	l.more(between)
	l.storesAll(s)
	old := p.master
	cutOff := newWire(t, old.Addr)
	stray := newProcess(t, "api", append(s.env, "REDIS_URL=redis://"+cutOff.addr()+"/0")...)
	stray.start()
	stray.ready()
	post := func(i int) (int, string) {
		t.Helper()
		body := fmt.Sprintf("to the superseded master, %d", i)
		status, got, err := l.sendTo(stray.addr, http.MethodPost, l.path(1), body, map[string]string{"body": body})
		if err != nil {
			t.Fatal(err)
		}
		return status, string(got)
	}
	var first struct {
		Number int64 `json:"message_number"`
	}
	until(t, "it knows the partition and its generation", func() bool {
		status, got := post(0)
		return status == http.StatusAccepted && json.Unmarshal([]byte(got), &first) == nil
	})
	l.posted(1, first.Number, "to the superseded master, 0")
	p.promote(s)
	refuses := func(from int) string {
		t.Helper()
		var got string
		for i := range 3 {
			var status int
			status, got = post(from + i)
			if status != http.StatusServiceUnavailable {
				t.Errorf("acknowledged by a superseded master: %d %s", status, got)
			}
		}
		return got
	}
	if got := refuses(1); !strings.Contains(got, "Idempotency-Key") {
		t.Errorf("its outcome is not called unknown: %s", got)
	}
	// the new master has its replica, and opened every partition
	third := enginetest.Redis(t)
	p.follow(third, p.master)
	l.more(2 * between)
	refuses(4)
	stray.kill()
	stray.start() // it reads the new generation first
	stray.ready()
	if got := refuses(7); !strings.Contains(got, "nothing was done") {
		t.Errorf("a master that is known to be superseded: %s", got)
	}
	until(t, "the log says why", func() bool { return stray.log.has("superseded as master") > 0 })
	l.more(between)
	p.follow(old, p.master) // demoted at last, it forgets what nobody acknowledged
	cutOff.turn(p.master.Addr)
	l.reach(append(s.addrs(), stray.addr))
	for i := range 9 {
		l.post(1, fmt.Sprintf("to the superseded master, %d", i+1))
	}
	l.more(between)
	l.check(s)
}
