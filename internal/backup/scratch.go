package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	scratchTimeout = 5 * time.Minute // for one answer: a RESTORE or a SAVE of much
	pollEvery      = 5 * time.Millisecond
	workPrefix     = "chat-backup-" // of folders for temporary files
	leftAfter      = 24 * time.Hour // when they and stored files without a manifest are a killed run's; none runs so long
	socketLength   = 100            // bytes of a socket's path that every kernel takes
)

// Programs are what a backup runs. Empty ones are looked for on PATH.
type Programs struct {
	Server string // redis-server
	CLI    string // redis-cli
}

// program finds one.
func program(name, variable, given string) (string, error) {
	if given != "" {
		name = given
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", failure(ProgramMissing, "%s is not installed (%w): install Redis' programs (packages redis-server and redis-tools of Debian, redis elsewhere), run in an image of Redis, or name it in %s", name, err, variable)
	}
	return path, nil
}

// Scratch is a redis-server of this machine that nobody else reaches. It keeps nothing, and is killed with this process.
type Scratch struct {
	Redis *redis.Client

	dir    string
	kill   func()
	exited chan struct{} // closed when the process is gone
	state  error         // how it ended, once exited is closed
}

// StartScratch starts one that has loaded the given database number of an RDB file, which stays as it is, or an empty one
// where file is empty. It waits until all is loaded. Errors are an *Error: Corrupt, TooOld, ProgramMissing, TemporaryFull.
func StartScratch(ctx context.Context, p Programs, file string, database int) (*Scratch, error) {
	server, err := program("redis-server", "REDIS_SERVER", p.Server)
	if err != nil {
		return nil, err
	}
	dir, err := workFolder()
	if err != nil {
		return nil, err
	}
	s := &Scratch{dir: dir, exited: make(chan struct{})}
	if file != "" {
		if file, err = filepath.Abs(file); err == nil {
			err = os.Symlink(file, s.RDB())
		}
	}
	if err == nil {
		err = s.start(server, database)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, temporary(err)
	}
	if err := s.wait(ctx); err != nil {
		_ = s.Close()
		return nil, interrupted(ctx, err)
	}
	return s, nil
}

// RDB is the file into which SAVE writes.
func (s *Scratch) RDB() string { return filepath.Join(s.dir, "dump.rdb") }

func (s *Scratch) socket() string { return filepath.Join(s.dir, "redis.sock") }

func (s *Scratch) log() string { return filepath.Join(s.dir, "log") }

// childEnvironment holds what programs need to run, and no secret of ours.
func childEnvironment() (env []string) {
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (s *Scratch) start(server string, database int) error {
	// Without a file of settings nothing of this machine's own Redis holds. Large values are to be restored as they are.
	cmd := exec.Command(server, "--port", "0", "--unixsocket", s.socket(), "--unixsocketperm", "700", "--dir", s.dir, //nolint:gosec,noctx // the operator names it; Close ends it
		"--dbfilename", "dump.rdb", "--save", "", "--appendonly", "no", "--maxmemory", "0", "--databases", fmt.Sprint(max(16, database+1)),
		"--proto-max-bulk-len", "4gb", "--client-query-buffer-limit", "4gb", "--daemonize", "no", "--loglevel", "notice", "--logfile", s.log())
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, childEnvironment(), childAttributes()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the child is killed when the thread ends that made it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			s.state = cmd.Wait()
			close(s.exited)
		}
	}()
	if err := <-started; err != nil {
		return failure(ProgramMissing, "%s can't be started: %w", server, err)
	}
	s.kill = func() { _ = cmd.Process.Kill() } // it is gone already, or it goes
	s.Redis = redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.socket(), DB: database, Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
		ReadTimeout: scratchTimeout, WriteTimeout: scratchTimeout, PoolSize: 4,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return nil
}

// wait until it has loaded its file.
func (s *Scratch) wait(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if _, err := os.Stat(s.socket()); err == nil && s.Redis.Ping(ctx).Err() == nil { // go-redis complains where it is not there yet
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.exited:
			return s.refusal()
		}
	}
}

// refusal says why it ended while it loaded.
func (s *Scratch) refusal() error {
	var ended *exec.ExitError
	if errors.As(s.state, &ended) && ended.ExitCode() < 0 && strings.Contains(ended.String(), "killed") {
		return failure(Killed, "the redis-server that loads the backup was killed; it needs as much memory as the Redis that was backed up")
	}
	text, err := os.ReadFile(s.log())
	if err != nil {
		return failure(Failed, "redis-server ended (%v) and has no log", s.state)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	tail := strings.Join(lines[max(0, len(lines)-5):], "\n")
	switch {
	case strings.Contains(tail, "Can't handle RDB format version"):
		return failure(TooOld, "this redis-server is older than the Redis that was backed up: %s", tail)
	case strings.Contains(tail, "Fatal error loading") || strings.Contains(tail, "RDB") || strings.Contains(tail, "loading"):
		return failure(Corrupt, "redis-server does not load the backup: %s", tail)
	}
	return failure(Failed, "redis-server ended (%v): %s", s.state, tail)
}

// Close ends it and removes its files.
func (s *Scratch) Close() error {
	s.kill()
	<-s.exited
	return errors.Join(s.Redis.Close(), os.RemoveAll(s.dir))
}

// workFolder makes a folder for temporary files and removes those that killed runs left.
func workFolder() (string, error) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), workPrefix+"*")) // its pattern is well formed
	for _, dir := range old {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > leftAfter {
			_ = os.RemoveAll(dir) // another user's stays
		}
	}
	dir, err := os.MkdirTemp("", workPrefix)
	if err != nil {
		return "", temporary(err)
	}
	if len(dir)+len("/redis.sock") > socketLength {
		_ = os.Remove(dir)
		return "", failure(Failed, "the folder for temporary files, %s, has too long a name for a socket; TMPDIR names another", os.TempDir())
	}
	return dir, nil
}
