package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat-system/internal/enginetest"
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
	log  record
}

// newProcess prepares a command; start runs it.
func newProcess(t *testing.T, command string, env ...string) *process {
	p := &process{t: t, command: command, addr: enginetest.FreeAddr(t), ops: enginetest.FreeAddr(t)}
	p.env = append(os.Environ(), "RATE_LIMIT_PER_MINUTE=0", "LISTEN_ADDR="+p.addr, "METRICS_ADDR="+p.ops)
	p.env = append(p.env, env...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the last lines of chat %s:\n%s", command, p.log.tail())
		}
	})
	return p
}

// start runs the command, with more in its environment for this run; ready waits for it.
func (p *process) start(env ...string) {
	p.t.Helper()
	p.cmd = exec.Command(chatProgram(p.t), p.command)
	p.cmd.Env = append(append([]string(nil), p.env...), env...)
	p.cmd.Stderr, p.cmd.Stdout = &p.log, &p.log
	if err := enginetest.Spawn(p.cmd); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(done)
	}()
	p.done = done
}

// ready waits until the process can serve.
func (p *process) ready() { p.t.Helper(); p.answers(http.StatusOK) }

// unready waits until it says that it can't.
func (p *process) unready() { p.t.Helper(); p.answers(http.StatusServiceUnavailable) }

func (p *process) answers(status int) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("chat %s answers /readyz with %d", p.command, status), func() bool { return p.readiness() == status })
}

func (p *process) isReady() bool { return p.readiness() == http.StatusOK }

// readiness is what it answers at /readyz, 0 for nothing.
func (p *process) readiness() int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.ops+"/readyz", nil)
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// kill is kill -9. It ends a process that is stopped, too.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// term is SIGTERM; the process has to end well.
func (p *process) term() {
	p.t.Helper()
	p.end(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("chat %s ended with %d after SIGTERM", p.command, code)
	}
}

func (p *process) end(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s) // it may be gone
	<-p.done
}

// signal lets it live.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// gone waits until the process has ended by itself, as it does at a failpoint that kills.
func (p *process) gone() {
	p.t.Helper()
	until(p.t, "chat "+p.command+" ends", p.ended)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stopped waits until the process has stopped itself at a failpoint.
func (p *process) stopped() {
	p.t.Helper()
	until(p.t, "chat "+p.command+" stops", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		return err == nil && strings.Contains(string(stat), ") T ")
	})
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

// record keeps the end of what is written to it.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const (
	recordSize = 1 << 20
	tailSize   = 8 << 10
)

// Write implements io.Writer.
func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf.Write(b)
	if over := r.buf.Len() - recordSize; over > 0 {
		r.buf.Next(over)
	}
	return len(b), nil
}

// has counts the lines that hold a text.
func (r *record) has(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Count(r.buf.Bytes(), []byte(text))
}

func (r *record) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buf.Bytes()
	return string(b[max(0, len(b)-tailSize):])
}

// run runs a command to its end and gives what it printed.
func run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	program := chatProgram(t) // the first one is built, which may take longer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("chat %v: %w: %s", args, err, out)
	}
	return string(out), err
}

// lines gives those that hold a text.
func (r *record) lines(text string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.buf.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// metric reads a series of the process; 0 where there is none.
func (p *process) metric(series string) (value float64) {
	p.t.Helper()
	r, err := http.Get("http://" + p.ops + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, series+" "); ok {
			_, _ = fmt.Sscan(number, &value)
		}
	}
	return value
}
