package queue

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/localredis"
)

// memory is a Ledger that holds what a test says is stored.
type memory struct {
	mu      sync.Mutex
	cursors map[int]Cursor
	numbers map[chat.Scope]int64
	keys    map[[16]byte]stored
	asked   int
}

type stored struct {
	payload [16]byte
	number  int64
}

func newMemory() *memory {
	return &memory{cursors: map[int]Cursor{}, numbers: map[chat.Scope]int64{}, keys: map[[16]byte]stored{}}
}

func (m *memory) Cursor(_ context.Context, p int) (Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[p], nil
}

func (m *memory) NextGeneration(_ context.Context, p int, gen, seen int64, replid string) (Cursor, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cursors[p]
	if c.Generation != gen {
		return c, false, nil
	}
	c.Generation, c.Replid = max(gen, seen)+1, replid
	m.cursors[p] = c
	return c, true, nil
}

func (m *memory) LastNumber(_ context.Context, p int, s chat.Scope, _ int64) (int64, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numbers[s], m.cursors[p].Generation, nil
}

func (m *memory) StoredKey(_ context.Context, _ int64, key [16]byte) ([16]byte, int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	k, ok := m.keys[key]
	return k.payload, k.number, ok, nil
}

// store moves the cursor over the entries, as a flush does.
func (m *memory) store(p int, es []Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cursors[p]
	for i := range es {
		e := &es[i]
		c.Position = e.Position()
		if e.Kind == ChatCreated || e.Kind == MessageCreated {
			m.numbers[e.Scope] = max(m.numbers[e.Scope], e.Number)
		}
		if e.Idempotency.Given {
			m.keys[e.Idempotency.Key] = stored{e.Idempotency.Payload, e.Number}
		}
	}
	m.cursors[p] = c
}

type bundle struct {
	q     *Queue
	redis engine
	db    *memory
}

// engine is a Redis that a test can damage.
type engine interface {
	empty()    // FLUSHALL
	restart()  // with everything kept
	loseDisk() // and start empty
}

type embedded struct{ *localredis.Server }

func (e embedded) empty()    { e.Empty() }
func (e embedded) restart()  { e.Reincarnate() }
func (e embedded) loseDisk() { e.Empty(); e.Reincarnate() }

type server struct {
	*enginetest.RedisServer
	t      *testing.T
	client *Client
}

func (r server) empty() {
	if err := r.client.rdb.FlushAll(r.t.Context()).Err(); err != nil {
		r.t.Fatal(err)
	}
}

func (r server) restart() {
	r.Kill()
	r.Start()
}

func (r server) loseDisk() {
	r.Kill()
	if err := os.RemoveAll(filepath.Join(r.Dir, "appendonlydir")); err != nil {
		r.t.Fatal(err)
	}
	r.Start()
}

// onEach runs a test on the embedded Redis and on a real one.
func onEach(t *testing.T, test func(t *testing.T, b bundle)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s, err := localredis.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		client := ConnectEmbedded(s.Dial)
		test(t, newBundle(t, client, embedded{s}, false))
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		s := enginetest.Redis(t)
		client, err := Connect(s.URL, func() {})
		if err != nil {
			t.Fatal(err)
		}
		test(t, newBundle(t, client, server{s, t, client}, true))
	})
}

func newBundle(t *testing.T, client *Client, e engine, shebang bool) bundle {
	t.Cleanup(func() { _ = client.Close() })
	db := newMemory()
	c := Config{Partitions: 4, MaxEntries: 100_000, Shebang: shebang, Log: slog.New(slog.NewTextHandler(logTo{t}, nil))}
	return bundle{New(c, client, db), e, db}
}

type logTo struct{ t *testing.T }

func (l logTo) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

const app = 7

func (b bundle) must(t *testing.T, w Write) Result {
	t.Helper()
	r, err := b.q.Accept(t.Context(), w)
	if err != nil {
		t.Fatalf("Accept(%+v): %v", w, err)
	}
	return r
}

func newChat(app int64) Write { return Write{Kind: ChatCreated, Scope: chat.Scope{Application: app}} }
func newMessage(app, n int64, body string) Write {
	return Write{Kind: MessageCreated, Scope: chat.Scope{Application: app, Chat: n}, Body: body}
}

// drain stores everything that waits in the scope's partition.
func (b bundle) drain(t *testing.T, s chat.Scope) []Entry {
	t.Helper()
	p := b.q.Partition(s)
	cur, _ := b.db.Cursor(t.Context(), p)
	batch, err := b.q.Read(t.Context(), p, cur.Position, 1000)
	if err != nil || !batch.Follows || len(batch.Broken) > 0 {
		t.Fatalf("Read: %+v, %v", batch, err)
	}
	b.db.store(p, batch.Entries)
	return batch.Entries
}

func code(err error) chat.Code {
	if e := (*chat.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return 0
}
