package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/queue"
)

// childConfig in the environment makes this binary take a backup instead of running its tests.
const childConfig = "CHAT_TEST_BACKUP_CHILD"

type childTask struct {
	Storage, Redis, Name string
	Method               Method
	Put                  int64 // bytes to be put into the storage, instead of a backup
}

func TestMain(m *testing.M) {
	text := os.Getenv(childConfig)
	if text == "" {
		os.Exit(m.Run())
	}
	var task childTask
	err := json.Unmarshal([]byte(text), &task)
	var s Storage
	if err == nil {
		s, err = OpenStorage(task.Storage, S3{})
	}
	signal.Ignore(syscall.SIGXFSZ) // a file that may not grow is an error then
	if err == nil && task.Put > 0 {
		err = s.Put(context.Background(), "x", io.LimitReader(rand.Reader, task.Put))
	} else if err == nil {
		c := Config{Storage: s, Redis: task.Redis, Method: task.Method, Verify: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		_, err = Take(context.Background(), c, task.Name)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, ReasonOf(err), err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process that takes a backup, run by a shell that may bound it first.
func child(t *testing.T, task childTask, shell string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", shell+` exec "$0"`, os.Args[0])
	temporary, err := os.MkdirTemp("", "backups-") //nolint:usetesting // a test's own is too long for a socket; what is killed leaves something there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temporary) })
	cmd.Env = append(os.Environ(), childConfig+"="+string(text), "TMPDIR="+temporary)
	return cmd
}

// noDelay lets a Redis begin at once to send what it holds to a replica.
var noDelay = []string{"--repl-diskless-sync-delay", "0"}

// redisOf starts a Redis and connects to it.
func redisOf(t *testing.T, flags ...string) (*enginetest.RedisServer, *redis.Client) {
	t.Helper()
	s := enginetest.Redis(t, append(noDelay, flags...)...)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { _ = rdb.Close() })
	return s, rdb
}

// configured is a run into an empty folder.
func configured(t *testing.T, url string) Config {
	t.Helper()
	s, err := OpenStorage(t.TempDir(), S3{})
	if err != nil {
		t.Fatal(err)
	}
	return Config{Storage: s, Redis: url, Method: Auto, Verify: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// ledger is a database that stores nothing.
type ledger struct {
	mu      sync.Mutex
	cursors map[int]queue.Cursor
}

func (l *ledger) Cursor(_ context.Context, p int) (queue.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[p], nil
}

func (l *ledger) NextGeneration(_ context.Context, p int, gen, seen int64, replid string) (queue.Cursor, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.cursors[p]
	c.Generation, c.Replid = max(gen, seen)+1, replid
	l.cursors[p] = c
	return c, true, nil
}

func (l *ledger) LastNumber(ctx context.Context, p int, _ chat.Scope, _ int64) (int64, int64, error) {
	c, err := l.Cursor(ctx, p)
	return 0, c.Generation, err
}

func (*ledger) StoredKey(context.Context, int64, [16]byte) (payload [16]byte, n int64, found bool, err error) {
	return payload, 0, false, nil
}

const partitions = 4

// queueOn is a queue on a Redis that is empty.
func queueOn(t *testing.T, url string) *queue.Queue {
	t.Helper()
	client, err := queue.Connect(url, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return queue.New(queue.Config{Partitions: partitions, MaxEntries: 1_000_000, Shebang: true, Log: slog.New(slog.DiscardHandler)},
		client, &ledger{cursors: map[int]queue.Cursor{}})
}

// fill accepts into a Redis that is empty what accept does.
func fill(t *testing.T, url string, chats, messages int) int {
	t.Helper()
	return accept(t, queueOn(t, url), chats, messages)
}

// accept has a chat of each of some applications accepted, and messages of its first one. It gives how many writes they
// are; a partition's stream has a marker besides.
func accept(t *testing.T, q *queue.Queue, chats, messages int) int {
	t.Helper()
	var wg sync.WaitGroup
	var accepted atomic.Int64
	for a := range int64(chats) {
		wg.Go(func() {
			for i := range messages + 1 {
				w := queue.Write{Kind: queue.MessageCreated, Scope: chat.Scope{Application: a + 1, Chat: 1}, Body: fmt.Sprint("message ", i)}
				if i == 0 {
					w = queue.Write{Kind: queue.ChatCreated, Scope: chat.Scope{Application: a + 1}}
				}
				if i == 1 {
					w.Idempotency = chat.Idempotency{Key: [16]byte{byte(a)}, Given: true}
				}
				r, err := q.Accept(t.Context(), w)
				if err != nil {
					t.Error(err)
				} else if !r.Replayed {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(accepted.Load())
}

// writes counts what was accepted in a loaded backup; each scope's numbers are to be 1, 2, 3 ….
func writes(t *testing.T, l *Loaded) (n int) {
	t.Helper()
	last := map[chat.Scope]int64{}
	for _, p := range l.Partitions() {
		for e, err := range l.Entries(t.Context(), p) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == queue.Marker {
				continue
			}
			if n++; e.Number != last[e.Scope]+1 {
				t.Fatalf("number %d of %+v after %d", e.Number, e.Scope, last[e.Scope])
			}
			last[e.Scope] = e.Number
		}
	}
	return n
}

// mustTake takes a backup that is to succeed.
func mustTake(t *testing.T, c Config, name string) Manifest {
	t.Helper()
	m, err := Take(t.Context(), c, name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mustHold opens a backup that is to hold so many writes.
func mustHold(t *testing.T, c Config, name string, want int) {
	t.Helper()
	l, err := Open(t.Context(), c.Storage, name, c.Programs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := writes(t, l); got != want || l.Manifest.Name != name {
		t.Fatalf("%s holds %d writes, want %d", l.Manifest.Name, got, want)
	}
}

func mustFail(t *testing.T, err error, want Reason) {
	t.Helper()
	if ReasonOf(err) != want {
		t.Fatalf("%v (%s), want %s", err, ReasonOf(err), want)
	}
}

func await(t *testing.T, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	err := f()
	for deadline := time.Now().Add(30 * time.Second); err != nil; err = f() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
