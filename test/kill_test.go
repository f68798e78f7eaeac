package test

import "testing"

// rounds is how often each fault strikes within its test, and between how many acknowledged writes.
const (
	rounds  = 16
	between = 150
)

func TestPodsAreKilled(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 1)
	l := s.load(5, 10)
	for i := range rounds {
		l.more(between)
		pod := s.pods[i%2]
		pod.kill()
		l.more(between / 2) // the other one goes on
		pod.start()
		pod.ready()
	}
	l.check(s)
	if l.cut.Load() < rounds {
		t.Errorf("%d kills cut %d requests: they struck an idle pod", rounds, l.cut.Load())
	}
}

func TestFlushersAreKilled(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 2)
	l := s.load(5, 10)
	for i := range rounds {
		l.more(between)
		f := s.flushers[i%2]
		f.kill()
		l.more(between / 2)
		f.start()
	}
	l.check(s)
}

func TestRedisIsKilled(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 1)
	l := s.load(5, 10)
	for range rounds {
		l.more(between)
		s.redis.Kill()
		s.redis.Start()
	}
	l.more(between)
	l.check(s)
	if l.refused.Load() < rounds {
		t.Errorf("%d kills let %d requests fail: they struck an idle Redis", rounds, l.refused.Load())
	}
}

func TestMySQLIsKilled(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 1)
	l := s.load(5, 10)
	for range rounds / 2 {
		l.more(between)
		s.mysql.Kill()
		s.mysql.Start() // edits, which read their message first, wait for it; posts to known chats do not
	}
	l.more(between)
	l.check(s)
	if n := s.flushers[0].log.has("flush failed"); n < rounds/2 {
		t.Errorf("%d kills let %d flushes fail: they struck an idle database", rounds/2, n)
	}
}

// endsUnderLoad ends local mode and starts it again, in every round, and checks what was acknowledged.
func (s *service) endsUnderLoad(writers int, end func(*process)) *load {
	s.t.Helper()
	l := s.load(5, writers)
	for range rounds {
		l.more(between / 2)
		end(s.pods[0])
		s.pods[0].start()
		s.pods[0].ready()
	}
	l.more(between / 2)
	l.check(s)
	return l
}

func TestLocalModeIsKilled(t *testing.T) {
	t.Parallel()
	l := newLocal(t).endsUnderLoad(10, (*process).kill)
	if l.cut.Load() < rounds {
		t.Errorf("%d kills cut %d requests: they struck an idle process", rounds, l.cut.Load())
	}
}

// A request that was accepted and whose answer was cut off would be seen when it is sent again: its answer is replayed
// then. Without such a fault no answer ever is.
func TestTermAnswersWhatWasAccepted(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.load(5, 20)
	for i := range rounds {
		l.more(between)
		s.pods[i%2].term()
		s.flushers[i%2].term()
		l.more(between / 2)
		s.pods[i%2].start()
		s.flushers[i%2].start()
		s.pods[i%2].ready()
	}
	l.check(s)
	if n := l.lost.Load(); n > 0 {
		t.Errorf("%d requests were accepted and not answered", n)
	}
}

func TestTermOfLocalModeAnswersWhatWasAccepted(t *testing.T) {
	t.Parallel()
	l := newLocal(t).endsUnderLoad(20, (*process).term)
	if n := l.lost.Load(); n > 0 {
		t.Errorf("%d requests were accepted and not answered", n)
	}
}
