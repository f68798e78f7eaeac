package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute // a loaded machine with two cores; Elasticsearch alone takes 20 s
	stopTimeout  = time.Minute
	pollEvery    = 5 * time.Millisecond
)

// server is one engine process that can be stopped and started again on the same port and data.
type server struct {
	name    string
	command []string
	dir     string   // working folder, holds the log as well
	env     []string // added to the environment
	uid     uint32   // runs as this user, unless 0
	ready   func(context.Context) error

	cmd    *exec.Cmd
	exited chan struct{}
}

func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// start runs the program and waits until it answers.
func (s *server) start() error {
	if s.running() {
		return fmt.Errorf("%s runs already", s.name)
	}
	if err := s.spawn(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended while starting (%v):\n%s", s.name, s.cmd.ProcessState, s.logTail())
		case <-ctx.Done():
			_ = s.kill()
			return fmt.Errorf("%s does not answer: %w\n%s", s.name, err, s.logTail())
		case <-tick.C:
		}
	}
}

func (s *server) spawn() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append(os.Environ(), s.env...)
	if err := spawn(cmd, s.uid); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	return nil
}

// Spawn starts a command in a process group of its own. It is killed when this process dies.
func Spawn(cmd *exec.Cmd) error { return spawn(cmd, 0) }

func spawn(cmd *exec.Cmd, uid uint32) error {
	cmd.SysProcAttr = childAttributes(uid)
	spawner.Do(func() { go runSpawns() })
	result := make(chan error)
	spawns <- func() { result <- cmd.Start() }
	return <-result
}

// A child's parent-death signal fires when the thread that made it ends, so all are made by one thread that never does.
var (
	spawner sync.Once
	spawns  = make(chan func())
)

func runSpawns() {
	runtime.LockOSThread()
	for f := range spawns {
		f()
	}
}

func (s *server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// signal reaches the children of the program as well.
func (s *server) signal(sig syscall.Signal) error {
	if !s.running() {
		return nil
	}
	err := syscall.Kill(-s.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// pause stops the process. A signal reaches each thread when that thread next looks: until then one may still answer.
func (s *server) pause() error {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(stopTimeout); s.running() && !stopped(s.cmd.Process.Pid); {
		if time.Now().After(end) {
			return fmt.Errorf("%s does not stop", s.name)
		}
		<-time.After(pollEvery)
	}
	return nil
}

// stopped says whether all threads of a process are; without Linux' /proc it can't be known.
func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is right
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err == nil && !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return true
}

func (s *server) kill() error { return s.end(syscall.SIGKILL) }

func (s *server) stop() error {
	if err := s.end(syscall.SIGTERM, syscall.SIGCONT); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

func (s *server) end(signals ...syscall.Signal) error {
	if !s.running() {
		return nil
	}
	for _, sig := range signals {
		if err := s.signal(sig); err != nil {
			return err
		}
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-s.exited:
		return nil
	case <-timeout.C:
		return fmt.Errorf("%s does not end within %s:\n%s", s.name, stopTimeout, s.logTail())
	}
}

// logTail gives the last lines of what the engine printed.
func (s *server) logTail() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// pingHTTP is content when an address answers 200.
func pingHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
