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
	"time"

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

func TestNumbersAreGapless(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		if r := b.must(t, newChat(app)); r.Number != 1 {
			t.Fatalf("first chat is %d", r.Number)
		}
		const writers, each = 8, 50
		var wg sync.WaitGroup
		got := make(chan int64, writers*each)
		for range writers {
			wg.Go(func() {
				for range each {
					r, err := b.q.Accept(t.Context(), newMessage(app, 1, "hello\x00 wörld"))
					if err != nil {
						t.Error(err)
					}
					got <- r.Number
				}
			})
		}
		wg.Wait()
		close(got)
		seen := map[int64]bool{}
		for n := range got {
			if seen[n] || n < 1 || n > writers*each {
				t.Fatalf("number %d given twice or out of range", n)
			}
			seen[n] = true
		}
		es := b.drain(t, chat.Scope{Application: app, Chat: 1})
		messages := 0
		for _, e := range es {
			if e.Kind == MessageCreated {
				messages++
				if e.Number != int64(messages) || e.Body != "hello\x00 wörld" {
					t.Fatalf("entry %d: %+v", messages, e)
				}
			}
		}
		if messages != writers*each {
			t.Fatalf("%d messages in the stream", messages)
		}
	})
}

func TestUnknownScopesAreAbsent(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		b.must(t, newMessage(app, 1, "x"))
		for _, w := range []Write{
			newMessage(app, 2, "x"), newMessage(app+1, 1, "x"),
			{Kind: MessageEdited, Scope: chat.Scope{Application: app, Chat: 1}, Number: 2, Body: "x", CreatedAt: time.Now()},
		} {
			if _, err := b.q.Accept(t.Context(), w); code(err) != chat.NotFound {
				t.Errorf("Accept(%+v): %v", w, err)
			}
		}
		if r := b.must(t, newMessage(app, 1, "x")); r.Number != 2 {
			t.Fatalf("a refused write took a number: %d", r.Number)
		}
	})
}

func code(err error) chat.Code {
	if e := (*chat.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestKeysReplay(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		w := newMessage(app, 1, "x")
		w.Idempotency = chat.Idempotency{Key: [16]byte{1}, Payload: [16]byte{2}, Given: true}
		first := b.must(t, w)
		if again := b.must(t, w); !again.Replayed || again.Number != first.Number {
			t.Fatalf("replay: %+v", again)
		}
		other := w
		other.Idempotency.Payload = [16]byte{3}
		if _, err := b.q.Accept(t.Context(), other); code(err) != chat.KeyReused {
			t.Fatalf("another payload: %v", err)
		}
		if b.db.asked != 0 {
			t.Fatalf("the database was asked %d times though nothing was lost", b.db.asked)
		}
		b.drain(t, w.Scope)
		b.drain(t, chat.Scope{Application: app})
		b.redis.empty()
		if again := b.must(t, w); !again.Replayed || again.Number != first.Number {
			t.Fatalf("replay after a loss: %+v", again)
		}
		if _, err := b.q.Accept(t.Context(), other); code(err) != chat.KeyReused {
			t.Fatalf("another payload after a loss: %v", err)
		}
		w.Idempotency.Key = [16]byte{9}
		if r := b.must(t, w); r.Replayed || r.Number != 2 {
			t.Fatalf("another key: %+v", r)
		}
	})
}

func TestAnEditIsPendingAndLaterThanItsMessage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		made := b.must(t, newMessage(app, 1, "first"))
		s := chat.Scope{Application: app, Chat: 1}
		created := made.UpdatedAt.Add(time.Hour) // a clock that was set back
		edit := b.must(t, Write{Kind: MessageEdited, Scope: s, Number: 1, Body: "second", CreatedAt: created})
		if !edit.UpdatedAt.After(created) || edit.Version <= made.Version {
			t.Fatalf("edit: %+v", edit)
		}
		v, err := b.q.Views(t.Context(), s, []int64{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		if p := v.Pending[0]; p == nil || p.Body != "second" || !p.CreatedAt.Equal(created.UTC()) || v.Pending[1] != nil || v.Last != 1 {
			t.Fatalf("view: %+v %+v", v, v.Pending[0])
		}
		es := b.drain(t, s)
		p := b.q.Partition(s)
		if _, err := b.q.Clean(t.Context(), p, 0, es[:len(es)-1], 0); err != nil {
			t.Fatal(err)
		}
		if v, _ = b.q.Views(t.Context(), s, []int64{1}); v.Pending[0] == nil {
			t.Fatal("cleaning the message took its newer edit along")
		}
		if _, err := b.q.Clean(t.Context(), p, 0, es, es[len(es)-1].Version); err != nil {
			t.Fatal(err)
		}
		if v, _ = b.q.Views(t.Context(), s, []int64{1}); v.Pending[0] != nil || v.Last != 1 {
			t.Fatalf("after cleaning: %+v", v)
		}
	})
}

func TestLossNeverGivesAStoredNumberAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(engine){
		"emptied": engine.empty, "restarted": engine.restart, "disk lost": engine.loseDisk,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, b bundle) {
				s := chat.Scope{Application: app, Chat: 1}
				b.must(t, newChat(app))
				b.drain(t, chat.Scope{Application: app})
				for range 3 {
					b.must(t, newMessage(app, 1, "stored"))
				}
				b.drain(t, s)
				b.must(t, newMessage(app, 1, "not stored"))
				fault(b.redis)
				want := int64(4)
				if name == "restarted" {
					want = 5
				}
				if r := b.must(t, newMessage(app, 1, "next")); r.Number != want {
					t.Fatalf("next number %d, want %d", r.Number, want)
				}
				es := b.drain(t, s)
				if last := es[len(es)-1]; last.Number != want || last.Body != "next" {
					t.Fatalf("last entry %+v", last)
				}
				if r := b.must(t, newChat(app)); r.Number != 2 {
					t.Fatalf("next chat %d", r.Number)
				}
			})
		})
	}
}

func TestAFullQueueRefusesTheWholeBatch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		b.must(t, newMessage(app, 1, "x"))
		b.q.MaxEntries = 1
		if _, err := b.q.Accept(t.Context(), newMessage(app, 1, "x")); code(err) != chat.Unavailable {
			t.Fatalf("full: %v", err)
		}
		b.q.MaxEntries = 100_000
		if r := b.must(t, newMessage(app, 1, "x")); r.Number != 2 {
			t.Fatalf("number %d", r.Number)
		}
	})
}

// An older file may come back, behind a batch that was committed and is cleaned now: what lies below the batch is stored,
// and still pending there.
func TestWhatIsNotCleanedIsNotTrimmed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		for range 300 { // Redis trims in nodes of a hundred
			b.must(t, newMessage(app, 1, "a message"))
		}
		s := chat.Scope{Application: app, Chat: 1}
		p, es := b.q.Partition(s), b.drain(t, s)
		last := es[len(es)-1].Version
		whole, err := b.q.Clean(t.Context(), p, es[150].Version, es[151:], last)
		if err != nil || whole < 300 {
			t.Fatalf("trimmed to %d entries, %v", whole, err)
		}
		pending := func(want bool) {
			t.Helper()
			if v, err := b.q.Views(t.Context(), s, []int64{1}); err != nil || (v.Pending[0] != nil) != want {
				t.Fatalf("the first message is pending: %v, %v", !want, err)
			}
		}
		pending(true)
		if err := b.q.CleanAgain(t.Context(), p, last); err != nil {
			t.Fatal(err)
		}
		pending(false)
		if n, err := b.q.Clean(t.Context(), p, last, nil, last); err != nil || n > 150 {
			t.Fatalf("not trimmed: %d entries, %v", n, err)
		}
	})
}

// Redis may be another one by the time that what was read there is cleaned.
func TestWhatWasReadFromAnotherRedisCleansNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		b.must(t, newMessage(app, 1, "a message"))
		s := chat.Scope{Application: app, Chat: 1}
		p, es := b.q.Partition(s), b.drain(t, s)
		last := es[len(es)-1].Version
		if _, err := b.q.clean(t.Context(), p, 0, last, "", nil, 0); !errors.Is(err, errRead) {
			t.Fatalf("a Redis that held nothing: %v", err)
		}
		if err := b.q.CleanAgain(t.Context(), p, last); err != nil {
			t.Fatal(err)
		}
		if v, err := b.q.Views(t.Context(), s, []int64{1}); err != nil || v.Pending[0] != nil {
			t.Fatalf("the message stays pending: %v", err)
		}
	})
}
