package enginetest

import (
	"os"
	"syscall"
	"testing"
)

// TB is what this package needs of a testing.TB. Programs that are no tests (the benchmark) bring their own.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
	Cleanup(func())
	Failed() bool
	Name() string
}

// needEngines skips the test when -short is set: the one place where tests are skipped.
func needEngines(t TB) {
	t.Helper()
	if testing.Testing() && testing.Short() {
		t.Skip("needs an engine, and -short is set")
	}
}

// Process is an engine that belongs to one test. Its methods fail the test when the engine does not obey, and are to be
// called from the test's own goroutine, one at a time.
type Process struct {
	Dir string // its data folder, which stays the same while it is down

	t TB
	s *server
}

// own starts a server that ends with the test.
func own(t TB, s *server) *Process {
	t.Helper()
	p := &Process{Dir: s.dir, t: t, s: s}
	t.Cleanup(func() {
		_ = s.kill()
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", s.name, s.logTail())
		}
		_ = os.RemoveAll(s.dir)
	})
	p.Start()
	return p
}

// Start starts it again after Kill or Stop, on the same port and data, and waits until it answers.
func (p *Process) Start() { p.t.Helper(); p.must(p.s.start()) }

// Kill sends SIGKILL and waits until the process is gone. It may be paused or down.
func (p *Process) Kill() { p.t.Helper(); p.must(p.s.kill()) }

// Stop sends SIGTERM and waits until the process is gone. It may be paused or down.
func (p *Process) Stop() { p.t.Helper(); p.must(p.s.stop()) }

// Pause sends SIGSTOP and waits until every thread has stopped: connections stay open and nothing answers any more.
func (p *Process) Pause() { p.t.Helper(); p.must(p.s.pause()) }

// Resume ends a Pause.
func (p *Process) Resume() { p.t.Helper(); p.must(p.s.signal(syscall.SIGCONT)) }

// Pid is the number of the process that runs now, or ran last.
func (p *Process) Pid() int { return p.s.cmd.Process.Pid }

// Log gives the last lines that the engine printed.
func (p *Process) Log() string { return p.s.logTail() }

func (p *Process) must(err error) {
	if err != nil {
		p.t.Helper()
		p.t.Fatalf("%v", err)
	}
}
