package enginetest

import (
	_ "embed" // clock.c
	"fmt"
	"os"
	"path/filepath"
	"time"
)

//go:embed clock/clock.c
var clockSource []byte

// Clock is the wall clock of an engine, which a test sets.
type Clock struct {
	t    TB
	file string
}

// RedisWithClock starts a Redis as Redis does, with a clock of its own. It needs a C compiler, which `make engines` installs.
func RedisWithClock(t TB, flags ...string) (*RedisServer, *Clock) {
	t.Helper()
	needEngines(t)
	s, addr, err := redisServer(flags)
	if err != nil {
		t.Fatalf("%v", err)
	}
	c := &Clock{t, filepath.Join(s.dir, "clock")}
	source, library := filepath.Join(s.dir, "clock.c"), filepath.Join(s.dir, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	if _, err := output([]string{"cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"}); err != nil {
		t.Fatalf("%v", err)
	}
	c.Set(0)
	s.env = append(s.env, "LD_PRELOAD="+library, "CHAT_TEST_CLOCK="+c.file)
	return &RedisServer{Process: own(t, s), Addr: addr, URL: "redis://" + addr + "/0"}, c
}

// Set lets the clock be off by whole seconds, from now on.
func (c *Clock) Set(off time.Duration) {
	c.t.Helper()
	next := c.file + ".next"
	err := os.WriteFile(next, fmt.Appendf(nil, "%d\n", int64(off.Seconds())), 0o600)
	if err == nil {
		err = os.Rename(next, c.file) // it is read at any time
	}
	if err != nil {
		c.t.Fatalf("%v", err)
	}
}
