package enginetest

import (
	"fmt"
	"os"
	"slices"
)

// Standalone is the TB of a program that is no test, such as the benchmark. It is used by one goroutine.
type Standalone struct {
	cleanups []func()
	failed   bool
}

// Close stops what was started; the engines die with the process in any case.
func (s *Standalone) Close() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
	s.cleanups = nil
}

// Cleanup lets f run at Close.
func (s *Standalone) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Fatalf prints, closes and ends the program with status 1.
func (s *Standalone) Fatalf(format string, args ...any) {
	s.failed = true
	s.Logf(format, args...)
	s.Close()
	os.Exit(1)
}

// Logf prints a line on standard error.
func (s *Standalone) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Skip is never called: -short belongs to tests.
func (s *Standalone) Skip(args ...any) { s.Fatalf("skipped: %s", fmt.Sprint(args...)) }

// Failed tells whether Fatalf was called.
func (s *Standalone) Failed() bool { return s.failed }

// Name is that of the program.
func (s *Standalone) Name() string { return os.Args[0] }

// Helper does nothing.
func (s *Standalone) Helper() {}
