package test

import (
	"net/http"
	"strings"
	"testing"
)

func TestADroppedReplyOfRedisNeverDoubles(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 1)
	w := newWire(t, s.redis.Addr)
	faulty := s.addPod("REDIS_URL=redis://" + w.addr() + "/0")
	faulty.start()
	faulty.ready()
	l := s.load(5, 10)
	for range 2 * rounds {
		l.more(between / 4)
		w.dropReplies()
		l.more(between / 4)
		w.restore()
	}
	l.check(s)
}

// A flusher that does not learn whether its transaction was committed reads the cursor before anything else; a pod that
// does not learn whether it opened a partition starts over.
func TestADroppedReplyOfMySQLNeverDoubles(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 0)
	w := newWire(t, s.mysql.Addr)
	through := "DATABASE_URL=" + strings.Replace(s.mysql.DSN, s.mysql.Addr, w.addr(), 1)
	s.env = append(s.env, through)
	f := s.addFlusher()
	f.start()
	pod := s.addPod()
	pod.start()
	pod.ready()
	l := s.load(5, 10)
	for range 2 * rounds {
		l.more(between / 4)
		failed := f.log.has("flush failed")
		w.dropReplies()
		until(t, "a flush fails", func() bool { return f.log.has("flush failed") > failed || t.Failed() })
		w.restore()
	}
	l.check(s)
}

func TestALostReplyIsToldAsUnknown(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 1)
	l := s.load(1, 1)
	l.more(10)
	l.end()
	w := newWire(t, s.redis.Addr)
	faulty := s.addPod("REDIS_URL=redis://" + w.addr() + "/0")
	faulty.start()
	faulty.ready()
	l.reach([]string{faulty.addr})
	w.dropReplies()
	status, answer, err := l.send(http.MethodPost, l.path(1), "once", map[string]string{"body": "once"})
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(string(answer), "Idempotency-Key") {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	w.restore()
	var m struct {
		Number int64 `json:"message_number"`
	}
	l.insist(http.MethodPost, l.path(1), "once", map[string]string{"body": "once"}, &m)
	l.posted(1, m.Number, "once")
	l.check(s)
}
