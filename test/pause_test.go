package test

import (
	"syscall"
	"testing"
)

// A flusher that is stopped inside its transaction and woken later has lost its lock, or commits before its twin begins;
// the cursor's compare-and-set keeps both right.
func TestAPausedFlusherStoresNothingTwice(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 2)
	l := s.load(5, 10)
	for i := range 2 * rounds {
		f := s.flushers[i%2]
		l.more(between / 4)
		if err := f.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		l.more(between)
		if err := f.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	l.check(s)
}
