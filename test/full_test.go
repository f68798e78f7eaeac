package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

func TestAQueueThatIsFullRefusesAndDrains(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 0, "QUEUE_MAX_ENTRIES=2000")
	l := s.newLoad(loadOptions{chats: 5, writers: 20, posts: true})
	l.isRefused()
	s.nothingIsHalfDone()
	f := s.addFlusher()
	for range 3 {
		f.start()
		l.more(3000) // more than the queue holds: what was flushed makes room
		f.kill()
		l.isRefused()
	}
	f.start()
	l.check(s)
}

func TestARedisThatIsOutOfMemoryRefusesAndDrains(t *testing.T) {
	t.Parallel()
	s := newServiceOn(t, enginetest.MySQL(t), enginetest.Redis(t, "--maxmemory", "12mb"), 2, 0)
	l := s.newLoad(loadOptions{chats: 5, writers: 20, posts: true, padding: 4000})
	l.isRefused()
	s.nothingIsHalfDone()
	s.redis.Kill() // and comes back as full as it was
	s.redis.Start()
	l.isRefused()
	s.nothingIsHalfDone()
	l.mu.Lock()
	want := l.messages[1][1].body
	l.mu.Unlock()
	var m struct{ Body string }
	if !l.read(l.path(1)+"/1", &m) || m.Body != want {
		t.Errorf("what is pending in a full Redis reads %.50q", m.Body)
	}
	f := s.addFlusher()
	f.start()
	l.more(5000) // more than the memory holds: what was flushed makes room
	l.check(s)
}

// isRefused waits until the load is refused.
func (l *load) isRefused() {
	l.t.Helper()
	want := l.refused.Load() + 200
	until(l.t, "writes are refused", func() bool { return l.refused.Load() >= want })
	if said := *l.refusal.Load(); !strings.Contains(said, "nothing was done") {
		l.t.Errorf("a write is refused with %s", said)
	}
}

// whole is true of a Redis from which nothing was flushed: as many numbers were given as writes are pending, and each has
// its entry.
var whole = redis.NewScript(`#!lua flags=no-writes
local given, pending, entries = 0, 0, 0
for _, key in ipairs(redis.call('KEYS', 'chat:*:seq:*')) do given = given + redis.call('HGET', key, 'n') end
for _, key in ipairs(redis.call('KEYS', 'chat:*:pending:*')) do pending = pending + redis.call('HLEN', key) end
for _, key in ipairs(redis.call('KEYS', 'chat:*:stream')) do
  for _, e in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if string.sub(e[2][2], 1, 1) ~= 'k' then entries = entries + 1 end
  end
end
return {given, pending, entries}`)

func (s *service) nothingIsHalfDone() {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	n, err := whole.Run(s.t.Context(), client, nil).Int64Slice()
	if err != nil || n[0] == 0 || n[0] != n[1] || n[1] != n[2] {
		s.t.Errorf("%v: numbers given, writes pending, entries: %v", fmt.Sprint(n), err)
	}
}
