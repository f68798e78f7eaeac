package flusher_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/search"
)

// indexes is one local index that can be away.
type indexes struct {
	*search.Local
	away atomic.Bool             // it can't be written
	gone atomic.Bool             // nor asked for its name
	lost atomic.Bool             // it is to be made anew
	put  func(ms []chat.Message) // where set, is called first
	most int                     // where set, more messages at once take too long
}

var errAway = errors.New("the index is away")

func (i *indexes) Current(context.Context) (string, error) {
	if i.gone.Load() {
		return "", errAway
	}
	if i.lost.Load() {
		return "", search.ErrNoIndex
	}
	return "index", nil
}

func (i *indexes) Exists(_ context.Context, name string) (bool, error) { return name != "deleted", nil }

func (i *indexes) Create(context.Context) error {
	i.lost.Store(false)
	return nil
}

func openIndex(t *testing.T) *indexes {
	t.Helper()
	local, err := search.OpenLocal(filepath.Join(t.TempDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	return &indexes{Local: local}
}

// At gives one that is always away where it is another one than is searched.
func (i *indexes) At(name string) search.Index {
	if name == "index" {
		return i
	}
	other := &indexes{Local: i.Local}
	other.away.Store(true)
	return other
}

func (i *indexes) Put(ctx context.Context, ms []chat.Message) ([]search.Refusal, error) {
	if i.put != nil {
		i.put(ms)
	}
	if i.away.Load() {
		return nil, errAway
	}
	if i.most > 0 && len(ms) > i.most {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return i.Local.Put(ctx, ms)
}

func (b *bundle) startWithSearch(i *indexes, backlog int64) (stop func()) {
	f := flusher.New(b.config, b.db, b.queue, b.ledger())
	f.Search(i, backlog)
	return b.runFlusher(f)
}

func (b *bundle) hits(i *indexes, app string, c int64, text string) int {
	b.t.Helper()
	row, err := b.db.ApplicationByToken(b.t.Context(), app)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := i.Search(b.t.Context(), search.Query{Chat: chat.Scope{Application: row.ID, Chat: c}, Text: text, Limit: 200})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(r.Hits)
}

func TestSearchFollowsTheStreamAndIsFilledWhenItCannot(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index := openIndex(t)
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "apples before")
		stop := b.startWithSearch(index, 1_000_000)
		b.until("the first message is found", func() bool { return b.hits(index, app, c, "apple") == 1 })
		if _, err := b.store.EditMessage(t.Context(), app, c, 1, "pears now"); err != nil {
			t.Fatal(err)
		}
		b.until("the edit replaces the text", func() bool { return b.hits(index, app, c, "pears") == 1 && b.hits(index, app, c, "apple") == 0 })
		stop()

		// away for longer than the stream is kept for it
		b.config.Retention = 0
		index.away.Store(true)
		stop = b.startWithSearch(index, 4)
		for range 40 {
			b.post(app, c, "plums")
		}
		b.drained()
		b.until("its cursor is set to resync", func() bool {
			cursors, err := b.db.Cursors(t.Context(), "index")
			if err != nil {
				t.Fatal(err)
			}
			for _, cur := range cursors {
				if cur.State == db.StateResync {
					return true
				}
			}
			return false
		})
		index.away.Store(false)
		b.until("all is found", func() bool { return b.hits(index, app, c, "plums") == 40 })
		stop()
	})
}

// searchTroubles is what who looks is told of it, by every partition's leader.
func (b *bundle) searchTroubles() (all []string) {
	b.t.Helper()
	leaders, err := b.queue.Leaders(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, l := range leaders {
		if l.Name != b.config.Name {
			return []string{"somebody does not lead yet"}
		}
		if l.SearchTrouble != "" {
			all = append(all, l.SearchTrouble)
		}
	}
	return all
}

// indexed gives the flusher the name by which searchTroubles knows it, and an index and a chat to use it on.
func (b *bundle) indexed() (index *indexes, app string, c int64) {
	b.t.Helper()
	b.config.Name = "flusher-0"
	index, app = openIndex(b.t), b.app()
	return index, app, b.chat(app)
}

// Who looks is told why what is stored can't be found, and nothing once it can.
func TestWhySearchIsBehindIsTold(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, b *bundle) {
		index, app, c := b.indexed()
		stop := b.startWithSearch(index, 1_000_000)
		defer stop()
		b.until("nothing is wrong", func() bool { return len(b.searchTroubles()) == 0 })
		index.away.Store(true)
		b.post(app, c, "plums")
		b.until("it can't be written", func() bool { return slices.Contains(b.searchTroubles(), errAway.Error()) })
		index.away.Store(false)
		b.until("all is well again", func() bool { return len(b.searchTroubles()) == 0 && b.hits(index, app, c, "plums") == 1 })
		index.gone.Store(true)
		b.until("it can't be asked for its name", func() bool { return slices.Contains(b.searchTroubles(), errAway.Error()) })
	})
}

// What failed before is told no more once the index takes messages again, though filling it goes on for long.
func TestFillingAnIndexIsNoTrouble(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, b *bundle) {
		index, app, c := b.indexed()
		for range 1100 { // a page, and the rest
			b.post(app, c, "plums")
		}
		b.flush()
		rest, release := make(chan struct{}), make(chan struct{})
		come := sync.OnceFunc(func() { close(rest) })
		index.put = func(ms []chat.Message) {
			if len(ms) < 1000 {
				come()
				<-release
			}
		}
		index.away.Store(true)
		stop := b.startWithSearch(index, 1_000_000)
		defer stop()
		defer close(release) // before stop, which waits for it
		b.until("it can't be filled", func() bool { return slices.Contains(b.searchTroubles(), errAway.Error()) })
		index.away.Store(false)
		<-rest
		b.until("it is filled", func() bool { return len(b.searchTroubles()) == 0 })
	})
}

// Search that was never there delays nothing but search.
func TestWritesAreAcceptedThoughSearchNeverCame(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, b *bundle) {
		const share = 300 // entries of a partition; Redis trims in nodes of a hundred
		b.queue.MaxEntries, b.config.Retention = share*partitions, 0
		index := &indexes{}
		index.gone.Store(true)
		defer b.startWithSearch(index, 1_000_000)()
		app := b.app()
		c := b.chat(app)
		for range 2 * share {
			b.post(app, c, "a message")
			b.drained()
		}
	})
}

// An engine may lose its index and get an empty one, of the same name.
func TestAnIndexThatWasLostIsFilledAnew(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index := openIndex(t)
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "apples")
		stop := b.startWithSearch(index, 1_000_000)
		b.until("the message is found", func() bool { return b.hits(index, app, c, "apples") == 1 })
		stop()
		empty := openIndex(t)
		empty.lost.Store(true)
		defer b.startWithSearch(empty, 1_000_000)()
		b.until("it is found again", func() bool { return b.hits(empty, app, c, "apples") == 1 })
	})
}

// A flusher that looked up the index just before a reindexing moved the alias may make the old one a sink again.
func TestASinkEndsWhenItsIndexIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		i := openIndex(t)
		for _, name := range []string{"being-filled", "deleted"} {
			if err := flusher.AddSink(t.Context(), b.db, name, b.config.Partitions); err != nil {
				t.Fatal(err)
			}
		}
		stop := b.startWithSearch(i, 1000)
		defer stop()
		b.until("the sink has ended", func() bool {
			names, err := b.db.SearchSinks(t.Context())
			slices.Sort(names)
			return err == nil && slices.Equal(names, []string{"being-filled", "index"})
		})
	})
}

// SIGTERM does not wait until an index is filled.
func TestAStopEndsTheFillingOfAnIndex(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		for range 1100 { // more than a page
			b.post(app, c, "apples")
		}
		b.flush()
		index := openIndex(t)
		puts := 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		index.put = func([]chat.Message) {
			puts++
			stop()
		}
		f := flusher.New(b.config, b.db, b.queue, b.ledger())
		f.Search(index, 1_000_000)
		f.Run(ctx)
		if puts != 1 {
			t.Fatalf("%d pages were put", puts)
		}
		index.put = nil
		defer b.startWithSearch(index, 1_000_000)()
		b.until("all is found", func() bool {
			cursors, err := b.db.Cursors(t.Context(), "index")
			return err == nil && !slices.ContainsFunc(cursors, func(c db.FlushCursor) bool { return c.State != db.StateFollow })
		})
	})
}

// However large the bodies, a step gets done: else it is repeated for ever.
func TestAStepOfSearchIsBounded(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index := openIndex(t)
		app := b.app()
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		chats := map[int]int64{} // one in each partition
		for len(chats) < partitions {
			c := b.chat(app)
			chats[b.queue.Partition(chat.Scope{Application: row.ID, Chat: c})] = c
		}
		for _, c := range chats {
			b.post(app, c, "plums")
		}
		stop := b.startWithSearch(index, 1_000_000)
		for _, c := range chats {
			b.until("the index follows", func() bool { return b.hits(index, app, c, "plums") == 1 })
		}
		stop()
		body := strings.Repeat("a", 60_000)
		for range 150 {
			for _, c := range chats {
				b.post(app, c, body)
			}
		}
		b.flush()
		most := 0
		index.put = func(ms []chat.Message) {
			size := 0
			for _, m := range ms {
				size += len(m.Body)
			}
			most = max(most, size)
		}
		stop = b.startWithSearch(index, 1_000_000)
		for _, c := range chats {
			b.post(app, c, "pears")
			b.until("the index follows", func() bool { return b.hits(index, app, c, "pears") == 1 })
		}
		stop()
		if most == 0 || most > 2*150*len(body) {
			t.Errorf("%d bytes at once", most)
		}
	})
}

// What takes longer than a step of search may is halved until it does not, from the stream and from the tables.
func TestAStepOfSearchThatTakesTooLongIsDoneInParts(t *testing.T) {
	t.Parallel()
	b := onServers(t, enginetest.MySQL(t).DSN, enginetest.Redis(t).URL)
	b.config.StepTime = 2 * time.Second
	index := openIndex(t)
	index.most = 40
	app := b.app()
	c := b.chat(app)
	const messages = 150
	for range messages {
		b.post(app, c, "plums")
	}
	b.flush()
	stop := b.startWithSearch(index, 1_000_000)
	b.until("it is filled", func() bool { return b.hits(index, app, c, "plums") == messages })
	stop()
	for range messages {
		b.post(app, c, "pears")
	}
	b.flush()
	_, log := b.traced()
	stop = b.startWithSearch(index, 1_000_000)
	b.until("it follows", func() bool { return b.hits(index, app, c, "pears") == messages })
	stop()
	if len(log.lines("context deadline exceeded")) == 0 || len(log.lines("filled from the database")) > 0 {
		t.Fatalf("the log %q", log.lines(""))
	}
}
