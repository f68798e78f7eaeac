package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// errForbidden says that Redis does not let this user replicate, or does not know how to: a dump may work.
var errForbidden = errors.New("redis refuses to be replicated")

const saidLimit = 64 << 10 // bytes of what redis-cli says that are kept

// refusedSync is what redis-cli says where Redis answered SYNC or PSYNC with an error. Of those a master that loads, or a
// replica without one, is no refusal.
var refusedSync = regexp.MustCompile(`(?m)P?SYNC.*failed: -?((?:NOPERM|ERR) .*)$`)

// replicate writes what a master holds into a file, as it would send it to a replica: all of one moment.
func replicate(ctx context.Context, master *redis.Client, p Programs, rdb string) error {
	cli, err := program("redis-cli", "REDIS_CLI", p.CLI)
	if err != nil {
		return err
	}
	dir, err := workFolder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it holds a socket alone
	way, err := openWay(ctx, master, filepath.Join(dir, "redis.sock"))
	if err != nil {
		return err
	}
	defer way.close()
	o := master.Options()
	args := []string{"-s", way.path, "--no-auth-warning"}
	if o.Username != "" {
		args = append(args, "--user", o.Username)
	}
	cmd := exec.CommandContext(ctx, cli, append(args, "--rdb", rdb)...) //nolint:gosec // the operator names it
	cmd.WaitDelay, cmd.SysProcAttr = time.Second, childAttributes()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	if o.Password != "" {
		cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+o.Password) // who lists the processes does not see it
	}
	said := &tail{limit: saidLimit}
	cmd.Stdout, cmd.Stderr = said, said
	err = runLocked(cmd)
	if ctx.Err() != nil {
		return interrupted(ctx, errors.New("redis-cli was ended"))
	}
	text := strings.TrimSpace(said.String())
	if refused := refusedSync.FindStringSubmatch(text); refused != nil {
		return failure(Refused, "%w: %s", errForbidden, strings.TrimSpace(refused[1]))
	}
	switch {
	case way.failed() != nil:
		return answered(way.failed())
	case err != nil && strings.Contains(text, "Error writing data to file"):
		return failure(TemporaryFull, "the folder for temporary files, %s, is full; TMPDIR names another (redis-cli: %s)", os.TempDir(), lastLine(text))
	case err != nil:
		return failure(Unreachable, "redis-cli did not get it all (%w): %s", err, lastLine(text))
	}
	return checkRDB(rdb)
}

// runLocked runs a command to its end, which comes at the latest with that of this process.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread() // the child is killed when the thread ends that made it
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// checkRDB looks at the first bytes of a file: all of it is looked at when it is loaded.
func checkRDB(rdb string) error {
	f, err := os.Open(rdb) //nolint:gosec // a file of ours
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	var magic [5]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != "REDIS" {
		return failure(Failed, "what Redis sent is no RDB")
	}
	return nil
}

// way is a socket of this machine that leads to a master. Through it redis-cli gets there with the same certificates, and
// the same checks of them, as everything else here, and by the same Sentinels.
type way struct {
	path string
	l    net.Listener
	stop context.CancelFunc
	wait sync.WaitGroup

	mu  sync.Mutex
	err error // of the way to the master
}

func openWay(ctx context.Context, master *redis.Client, path string) (*way, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket for redis-cli: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	w := &way{path: path, l: l, stop: stop}
	w.wait.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed
			}
			w.wait.Go(func() { w.serve(ctx, near, master.Options()) })
		}
	})
	return w, nil
}

func (w *way) serve(ctx context.Context, near net.Conn, o *redis.Options) {
	defer func() { _ = near.Close() }() // redis-cli sees the end
	far, err := o.Dialer(ctx, o.Network, o.Addr)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
		return
	}
	end := context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near) // redis-cli says what it misses
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_, _ = near.Close(), far.Close()
	<-done
}

func (w *way) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *way) close() {
	w.stop()
	_ = w.l.Close()
	w.wait.Wait()
}

// tail keeps the last bytes that were written into it.
type tail struct {
	limit int
	text  []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.text) }
