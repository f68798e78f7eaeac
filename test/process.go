package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one run after another of a command of chat, on the same ports.
type process struct {
	t       *testing.T
	command string
	env     []string
	addr    string // public port
	ops     string // health and metrics

	cmd  *exec.Cmd
	done chan struct{}
	log  tail
}

// newProcess prepares a command; start runs it.
func newProcess(t *testing.T, command string, env ...string) *process {
	p := &process{t: t, command: command, addr: freeAddr(t), ops: freeAddr(t)}
	p.env = append(os.Environ(), "RATE_LIMIT_PER_MINUTE=0", "LISTEN_ADDR="+p.addr, "METRICS_ADDR="+p.ops)
	p.env = append(p.env, env...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the last lines of chat %s:\n%s", command, p.log.String())
		}
	})
	return p
}

func freeAddr(t *testing.T) string {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// start runs the command; ready waits for it.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(chatProgram(p.t), p.command)
	p.cmd.Env, p.cmd.Stderr, p.cmd.Stdout = p.env, &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ended is its own affair
		close(done)
	}()
	p.done = done
}

// ready waits until the process can serve.
func (p *process) ready() {
	p.t.Helper()
	until(p.t, "chat "+p.command+" is ready", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.ops+"/readyz", nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// kill is kill -9.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

// term is SIGTERM, and waits until the process is gone.
func (p *process) term() { p.signal(syscall.SIGTERM) }

func (p *process) signal(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s) // it may be gone
	<-p.done
}

// until polls a condition.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("not within 90 s: %s", what)
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 16 << 10

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(b)
	if over := l.buf.Len() - tailSize; over > 0 {
		l.buf.Next(over)
	}
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run runs a command to its end and gives what it printed.
func run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chatProgram(t), args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("chat %v: %w: %s", args, err, out)
	}
	return string(out), err
}
