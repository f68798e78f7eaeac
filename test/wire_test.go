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
