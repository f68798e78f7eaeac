package test

import "testing"

// rounds is how often each fault strikes within its test, and between how many acknowledged writes.
const (
	rounds  = 6
	between = 120
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
}

func TestLocalModeIsKilled(t *testing.T) {
	t.Parallel()
	s := newLocal(t)
	l := s.load(5, 10)
	for range rounds {
		l.more(between / 2)
		s.pods[0].kill()
		s.pods[0].start()
		s.pods[0].ready()
	}
	l.more(between / 2)
	l.check(s)
}

func TestTermAnswersWhatWasAccepted(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.load(5, 10)
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
}
