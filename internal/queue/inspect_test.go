package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-system/internal/chat"
)

// What the scripts leave behind agrees, whatever came in whatever order: writes, flushes, late and half cleaning, losses.
func TestWhatTheScriptsLeaveAgrees(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		steps := 400
		for i := range steps {
			step(t, b, r, i)
			if _, err := Inspect(t.Context(), b.q.rdb, true); err != nil {
				t.Fatalf("after step %d: %v", i, err)
			}
		}
		all, err := Inspect(t.Context(), b.q.rdb, true)
		if err != nil || len(all) == 0 {
			t.Fatalf("%+v, %v", all, err)
		}
	})
}

func step(t *testing.T, b bundle, r *rand.Rand, i int) {
	t.Helper()
	application := r.Int64N(3) + 1
	s := chat.Scope{Application: application}
	if r.IntN(2) == 0 {
		s.Chat = 1
	}
	switch n := r.IntN(20); {
	case n < 4:
		b.must(t, newChat(application))
	case n < 9:
		w := newMessage(application, 1, strings.Repeat("m", r.IntN(200)))
		if r.IntN(2) == 0 {
			w.Idempotency = chat.Idempotency{Key: [16]byte{byte(i), byte(i >> 8)}, Given: true}
		}
		if _, err := b.q.Accept(t.Context(), w); err != nil && code(err) != chat.NotFound { // there is no chat yet
			t.Fatal(err)
		}
	case n < 12:
		edit := Write{Kind: MessageEdited, Scope: chat.Scope{Application: application, Chat: 1}, Number: 1, CreatedAt: time.Now(), Body: fmt.Sprint("edit ", i)}
		if _, err := b.q.Accept(t.Context(), edit); err != nil && code(err) != chat.NotFound {
			t.Fatal(err)
		}
	case n < 18:
		p := b.q.Partition(s)
		cur, _ := b.db.Cursor(t.Context(), p)
		batch, err := b.q.Read(t.Context(), p, cur.Position, 1+r.IntN(300))
		if err != nil {
			t.Fatal(err)
		}
		if !batch.Follows || len(batch.Entries) == 0 {
			return
		}
		b.db.store(p, batch.Entries)
		last := batch.Entries[len(batch.Entries)-1].Version
		switch r.IntN(3) {
		case 0: // it is not cleaned
		case 1:
			_, err = b.q.Clean(t.Context(), p, cur.Position.Version, batch.Entries, last)
		case 2:
			if err = b.q.CleanAgain(t.Context(), p, last); err == nil {
				_, err = b.q.Clean(t.Context(), p, last, nil, last)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	case n < 19 && i%5 == 0:
		b.redis.restart()
		b.q.conns.closeAll() // or a write finds a connection that ended
	case n < 20 && i%10 == 0:
		b.redis.empty()
	}
}

func TestInspectTellsWhatThereIs(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		for range 5 {
			b.must(t, newMessage(app, 1, "a message"))
		}
		s := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(s)
		stored := b.drain(t, s)
		if _, err := b.q.Clean(t.Context(), p, 0, stored, 0); err != nil {
			t.Fatal(err)
		}
		more := b.must(t, newMessage(app, 1, "another"))
		all, err := Inspect(t.Context(), b.q.rdb, true)
		if err != nil {
			t.Fatal(err)
		}
		partitions, err := Partitions(t.Context(), b.q.rdb)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(all, func(i Inspection) bool { return i.Partition == p })
		if at < 0 || len(all) != len(partitions) || !slices.Contains(partitions, p) {
			t.Fatalf("%+v, %v", all, partitions)
		}
		i, cur := all[at], b.db.cursors[p]
		want := Inspection{
			Partition: p, Entries: int64(len(stored)) + 1, First: stored[0].Version.ID(), Last: more.Version.ID(), Floor: stored[0].Version.ID(),
			Generation: cur.Generation, Replid: cur.Replid, Counters: i.Counters, Pending: i.Pending,
		}
		if i != want || i.Counters == 0 || i.Pending == 0 {
			t.Fatalf("%+v, want %+v", i, want)
		}
		var read []chat.Version
		for e, err := range Entries(t.Context(), b.q.rdb, p) {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, e.Version)
		}
		if len(read) != len(stored)+1 || read[len(stored)] != more.Version || !slices.IsSorted(read) {
			t.Fatalf("entries %v", read)
		}
		for range Entries(t.Context(), b.q.rdb, 99) {
			t.Fatal("a partition that is not there has entries")
		}
	})
}

// Entries come in chunks; each is read once.
func TestEntriesAreReadAcrossChunks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		const n = 2*entriesChunk + 10
		for range n {
			b.must(t, newMessage(app, 1, "m"))
		}
		s := chat.Scope{Application: app, Chat: 1}
		next := int64(1)
		for e, err := range Entries(t.Context(), b.q.rdb, b.q.Partition(s)) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == MessageCreated {
				if e.Number != next {
					t.Fatalf("entry %d after %d", e.Number, next-1)
				}
				next++
			}
		}
		if next != n+1 {
			t.Fatalf("%d entries", next-1)
		}
	})
}

// Each kind of damage is found, and named by its partition and key.
func TestInspectFindsWhatDoesNotAgree(t *testing.T) {
	t.Parallel()
	s := chat.Scope{Application: app, Chat: 1}
	for name, damage := range map[string]struct {
		command func(p int, last string) []any
		key     func(p int) string
		alone   bool // seen also where the keys are not of one moment
	}{
		"an entry without a header": {
			func(p int, _ string) []any { return []any{"XADD", streamKey(p), "*", "x", "y"} }, streamKey, true},
		"an entry of an unknown kind": {
			func(p int, _ string) []any { return []any{"XADD", streamKey(p), "*", "h", "z 1 7 1 1 1 1"} }, streamKey, true},
		"a pending write that can't be read": {
			func(p int, _ string) []any { return []any{"HSET", pendingKey(p, s), "1", "x"} }, func(p int) string { return pendingKey(p, s) }, true},
		"a pending write without its entry": {
			func(p int, last string) []any { return []any{"XDEL", streamKey(p), last} }, func(p int) string { return pendingKey(p, s) }, false},
		"a pending write under another number": {
			func(p int, last string) []any { return []any{"HSET", pendingKey(p, s), "2", last + " m 1 1 x"} }, func(p int) string { return pendingKey(p, s) }, true},
		"a counter below what is pending": {
			func(p int, _ string) []any { return []any{"HSET", seqKey(p, s), "n", "2"} }, func(p int) string { return seqKey(p, s) }, false},
		"a counter that is no number": {
			func(p int, _ string) []any { return []any{"HSET", seqKey(p, s), "n", "two"} }, func(p int) string { return seqKey(p, s) }, true},
		"a floor above the stream": {
			func(p int, _ string) []any { return []any{"HSET", openKey(p), "floor", "4000000000000-0"} }, streamKey, false},
		"a floor that is no id": {
			func(p int, _ string) []any { return []any{"HSET", openKey(p), "floor", "below"} }, openKey, true},
		"an opening without its generation": {
			func(p int, _ string) []any { return []any{"HDEL", openKey(p), "gen"} }, openKey, true},
		"a stream of another type": {
			func(p int, _ string) []any { return []any{"SET", streamKey(p), "x"} }, streamKey, true},
		"a counter of another type": {
			func(p int, _ string) []any { return []any{"SET", seqKey(p, s), "x"} }, func(p int) string { return seqKey(p, s) }, true},
		"a counter of no scope": {
			func(p int, _ string) []any { return []any{"HSET", string(partitionKey(p, "seq:x")), "n", 1} },
			func(p int) string { return string(partitionKey(p, "seq:x")) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, b bundle) {
				b.must(t, newChat(app))
				var last Result
				for range 3 {
					last = b.must(t, newMessage(app, 1, "a message"))
				}
				p := b.q.Partition(s)
				if err := b.q.rdb.Do(t.Context(), damage.command(p, last.Version.ID())...).Err(); err != nil {
					t.Fatal(err)
				}
				_, err := Inspect(t.Context(), b.q.rdb, true)
				if !errors.Is(err, ErrDisagrees) || !strings.Contains(err.Error(), fmt.Sprintf("partition %d: %s:", p, damage.key(p))) {
					t.Fatalf("%v", err)
				}
				if _, err := Inspect(t.Context(), b.q.rdb, false); errors.Is(err, ErrDisagrees) != damage.alone {
					t.Fatalf("key by key: %v", err)
				}
			})
		})
	}
}

// A counter of the same generation that lags behind what was flushed and is retained would give its numbers again.
func TestInspectFindsACounterBelowWhatIsRetained(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		b.must(t, newChat(app))
		for range 3 {
			b.must(t, newMessage(app, 1, "a message"))
		}
		s := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(s)
		if _, err := b.q.Clean(t.Context(), p, 0, b.drain(t, s), 0); err != nil {
			t.Fatal(err)
		}
		if err := b.q.rdb.HSet(t.Context(), seqKey(p, s), "n", 2).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(t.Context(), b.q.rdb, true); !errors.Is(err, ErrDisagrees) || !strings.Contains(err.Error(), seqKey(p, s)) {
			t.Fatal(err)
		}
	})
}
