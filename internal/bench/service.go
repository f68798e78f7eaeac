package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chat-system/internal/enginetest"
)

// bench holds what the scenarios share. It is an enginetest.TB for the engines of one scenario.
type bench struct {
	options
	ctx      context.Context
	dir      string
	chat     string // the program
	figures  []figure
	costs    []costRow
	cleanups []func()
	fatal    error
}

var errFatal = errors.New("bench: an engine failed")

func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "chat-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, ctx: ctx, dir: dir, chat: filepath.Join(dir, "chat")}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.chat, "./cmd/chat") //nolint:gosec // ours
	build.Stderr = os.Stderr
	return b, build.Run()
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// The methods of enginetest.TB.

func (b *bench) Helper()                         {}
func (b *bench) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (b *bench) Skip(...any)                     {}
func (b *bench) Cleanup(f func())                { b.cleanups = append(b.cleanups, f) }
func (b *bench) Failed() bool                    { return b.fatal != nil }
func (b *bench) Name() string                    { return "bench" }
func (b *bench) Fatalf(format string, args ...any) {
	b.fatal = fmt.Errorf(format, args...)
	panic(errFatal)
}

func (b *bench) cleanup() {
	for len(b.cleanups) > 0 {
		last := len(b.cleanups) - 1
		f := b.cleanups[last]
		b.cleanups = b.cleanups[:last]
		f()
	}
}

// process is a running program of ours.
type process struct {
	cmd  *exec.Cmd
	addr string // public port
	ops  string
	done chan error
}

func freeAddr() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return ""
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// start runs a command of chat until the scenario ends, and waits until it is ready.
func (b *bench) start(env []string, command string) (*process, error) {
	p := &process{addr: freeAddr(), ops: freeAddr()}
	p.cmd = exec.CommandContext(b.ctx, b.chat, command) //nolint:gosec // ours
	p.cmd.Env = append(os.Environ(), append(env, "LISTEN_ADDR="+p.addr, "METRICS_ADDR="+p.ops, "RATE_LIMIT_PER_MINUTE=0", "LOG_LEVEL=warn")...)
	return p, b.launch(p, "http://"+p.ops+"/readyz")
}

// startBare runs the baseline of HTTP.
func (b *bench) startBare() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{addr: freeAddr()}
	p.cmd = exec.CommandContext(b.ctx, self, "-bare", p.addr) //nolint:gosec // ours
	return p, b.launch(p, "http://"+p.addr+"/")
}

// spawn starts a process that ends with the scenario.
func (b *bench) spawn(p *process) error {
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.done = make(chan error, 1)
	go func() { p.done <- p.cmd.Wait() }()
	b.Cleanup(p.stop)
	return nil
}

// launch spawns a process and waits until it answers.
func (b *bench) launch(p *process, ready string) error {
	if err := b.spawn(p); err != nil {
		return err
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		r, err := http.Get(ready) //nolint:gosec,noctx // our own port
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK || !strings.HasSuffix(ready, "readyz") {
				return nil
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s ended: %w", p.cmd, err)
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready within 30 s", p.cmd)
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := <-p.done
	p.done <- err
}

// resident memory of the process in MiB.
func (p *process) resident() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kib)[0], 64)
			return n / 1024
		}
	}
	return 0
}

// cpu is the processor time that a process has used, in seconds.
func cpu(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // USER_HZ, the same on every Linux
}

// costs notes what processes cost; the function it gives renders that as µs a request, since then.
func costs(pids map[string]int) func(requests int64) string {
	pids["load"] = os.Getpid()
	before := map[string]float64{}
	for name, pid := range pids {
		before[name] = cpu(pid)
	}
	return func(requests int64) string {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(pids)) {
			fmt.Fprintf(&b, " %s %.1f", name, (cpu(pids[name])-before[name])*1e6/float64(requests))
		}
		return b.String()
	}
}

// service is a database and a Redis with a migrated schema, and the environment that leads to them.
type service struct {
	env   []string
	mysql string // DSN
	redis string // URL
	pids  map[string]int
}

func (b *bench) service(env ...string) (*service, error) {
	mysql := enginetest.MySQL(b, "--innodb-buffer-pool-size=1G", "--loose-innodb-redo-log-capacity=512M", "--loose-innodb-log-file-size=512M", "--local-infile=ON")
	// What is posted stays queued here, where a flusher would take it within the second; Redis would rewrite its file again
	// and again for it, on one of the two processors. What concerns replication is as in compose.yaml and the chart.
	redis := enginetest.Redis(b, "--auto-aof-rewrite-percentage", "0", "--repl-diskless-sync-delay", "0", "--repl-backlog-ttl", "0")
	s := &service{mysql: mysql.DSN, redis: redis.URL, env: append(env, "DATABASE_URL="+mysql.DSN, "REDIS_URL="+redis.URL, "ELASTICSEARCH_URL=")}
	s.pids = map[string]int{"mysql": mysql.Pid(), "redis": redis.Pid()}
	migrate := exec.CommandContext(b.ctx, b.chat, "migrate") //nolint:gosec // ours
	migrate.Env = append(os.Environ(), append(s.env, "LOG_LEVEL=warn")...)
	out, err := migrate.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("migrate: %w: %s", err, out)
	}
	return s, nil
}

// serving starts engines and a pod, with more in its environment, and makes a tenant with its chats.
func (b *bench) serving(env ...string) (s *service, api *process, token string, err error) {
	if s, err = b.service(); err != nil {
		return nil, nil, "", err
	}
	if api, err = b.start(append(slices.Clone(s.env), env...), "api"); err != nil {
		return nil, nil, "", err
	}
	token, err = tenant(api.addr)
	return s, api, token, err
}

// call sends one request of the preparation.
func call(addr, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, "http://"+addr+path, bytes.NewReader(text)) //nolint:noctx // the preparation
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, got)
	}
	return json.Unmarshal(got, answer)
}

// application makes an application and gives its token.
func application(addr string) (string, error) {
	var app struct{ Token string }
	err := call(addr, "POST", "/applications", map[string]string{"name": "bench"}, &app)
	return app.Token, err
}

// tenant makes an application with chats and gives its token.
func tenant(addr string) (string, error) {
	token, err := application(addr)
	for range chats {
		var c any
		if err != nil {
			return "", err
		}
		err = call(addr, "POST", "/applications/"+token+"/chats", struct{}{}, &c)
	}
	return token, err
}
