package test

import (
	"syscall"
	"testing"
)

// The only flusher is killed at each step of its protocol; the next one goes on alone from there.
func TestAFlusherIsKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 0)
	f := s.addFlusher()
	l := s.load(5, 10)
	for range 2 {
		for _, kill := range []string{
			"flush.cursor=kill@3", "flush.read=kill@9", "flush.begin=kill@9", "flush.moved=kill@9", "flush.chats=kill@9",
			"flush.messages=kill@9", "flush.commit=kill@9", "flush.committed=kill@9",
		} {
			f.start("FAILPOINT=" + kill)
			f.gone()
			l.more(between / 3)
		}
	}
	f.start()
	l.check(s)
}

// A pod is killed with writes on their way to Redis, and with writes that Redis has accepted and nobody has answered.
func TestAPodIsKilledAtEveryStepOfAccepting(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 1)
	pod := s.addPod()
	l := s.load(5, 10)
	l.reach(s.addrs())
	for range rounds / 2 {
		for _, step := range []string{"accept.send", "accept.reply"} {
			pod.start("FAILPOINT=" + step + "=kill@40")
			pod.gone()
			l.more(between)
		}
	}
	pod.start()
	l.check(s)
	if l.replayed.Load() == 0 { // not each kill has one: a batch may have asked for a counter alone, or was refused
		t.Error("no write was replayed though answers were killed")
	}
}

// After each restart of Redis every partition is opened and every counter seeded again; whoever begins it is killed on
// the way, and the others finish it.
func TestWhoeverOpensAPartitionIsKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 1)
	pod, f := s.addPod(), s.addFlusher()
	l := s.load(5, 10)
	l.reach(s.addrs())
	for range 2 {
		for _, step := range []string{"open.bump", "open.script", "open.done", "seed.read", "seed.write"} {
			pod.start("FAILPOINT=" + step + "=kill@1")
			f.start("FAILPOINT=" + step + "=kill@1")
			until(t, "the pod is ready, or was killed by the first write of a new chat", func() bool { return pod.ended() || pod.isReady() })
			for !pod.ended() && !f.ended() && !t.Failed() {
				s.redis.Kill()
				s.redis.Start()
				l.more(between)
			}
			pod.kill()
			f.kill()
		}
	}
	l.check(s)
}

// A flusher that is stopped inside its transaction holds the cursor's lock until the database gives its connection up.
// Its successor goes on; woken, it stores nothing twice.
func TestAFlusherStopsInItsTransactionAndWakesBehindItsSuccessor(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"flush.moved", "flush.commit", "flush.committed"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newService(t, 1, 0)
			f := s.addFlusher()
			l := s.load(5, 10)
			f.start("FAILPOINT=" + step + "=stop@20")
			successor := s.addFlusher()
			for range 3 {
				f.stopped()
				if successor.cmd == nil {
					successor.start()
				}
				s.passed()
				failed := f.log.has("flush failed")
				f.signal(syscall.SIGCONT)
				if step != "flush.committed" {
					until(t, "the transaction that was stopped fails", func() bool { return f.log.has("flush failed") > failed })
				}
				l.more(between)
			}
			f.kill() // it may have stopped once more
			l.check(s)
		})
	}
}

// The same at random moments.
func TestAFlusherIsPausedAndWoken(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 2)
	l := s.load(5, 10)
	for i := range 2 * rounds {
		f := s.flushers[i%2]
		l.more(between / 4)
		f.signal(syscall.SIGSTOP)
		l.more(between)
		f.signal(syscall.SIGCONT)
	}
	l.check(s)
}
