package flusher_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/queue"
)

// restoring is a bundle whose Redis can be backed up and lost.
type restoring struct {
	*bundle
	rdb *redis.Client
}

func newRestoring(t *testing.T) *restoring {
	server := enginetest.Redis(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = rdb.Close() })
	return &restoring{onServers(t, enginetest.SharedMySQL(t), server.URL), rdb}
}

// memory is a backup that was loaded.
type memory map[int][]queue.Entry

func (m memory) Partitions() []int {
	return slices.Sorted(func(yield func(int) bool) {
		for p := range m {
			if !yield(p) {
				return
			}
		}
	})
}

func (m memory) Entries(_ context.Context, p int) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		for _, e := range m[p] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (b *restoring) backup() memory {
	b.t.Helper()
	m := memory{}
	for p := range partitions {
		for e, err := range queue.Entries(b.t.Context(), b.rdb, p) {
			if err != nil {
				b.t.Fatal(err)
			}
			m[p] = append(m[p], e)
		}
	}
	return m
}

func (b *restoring) lose() {
	b.t.Helper()
	if err := b.rdb.FlushAll(b.t.Context()).Err(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *restoring) restore(m memory, want flusher.Restored) {
	b.t.Helper()
	got, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(b.t.Context(), m, false)
	if err != nil {
		b.t.Fatal(err)
	}
	want.Partitions, want.Closed = got.Partitions, got.Closed
	if got != want {
		b.t.Errorf("restored %+v, not %+v", got, want)
	}
	if changed := got.Stored + got.GivenUp + got.DeadLettered; (changed > 0) != (got.Partitions > 0) {
		b.t.Errorf("%d changes, and %d partitions were closed", changed, got.Partitions)
	}
}

func key(n byte) chat.Idempotency {
	return chat.Idempotency{Key: [16]byte{n}, Payload: [16]byte{n}, Given: true}
}

func (b *restoring) postKeyed(app string, c int64, body string, n byte) (number int64, replayed bool) {
	b.t.Helper()
	number, replayed, err := b.store.CreateMessage(b.t.Context(), app, c, body, key(n))
	if err != nil {
		b.t.Fatal(err)
	}
	return number, replayed
}

func (b *restoring) reads(app string, c int64, want ...string) {
	b.t.Helper()
	if got := b.bodies(app, c); !slices.Equal(got, want) {
		b.t.Errorf("chat %d reads %q, not %q", c, got, want)
	}
}

func TestARestoreStoresWhatWasQueued(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "stored")
	b.flush()
	b.post(app, c, "queued")
	b.postKeyed(app, c, "with a key", 1)
	if _, err := b.store.EditMessage(t.Context(), app, c, 1, "edited"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.EditMessage(t.Context(), app, c, 2, "queued and edited"); err != nil {
		t.Fatal(err)
	}
	second := b.chat(app)
	b.post(app, second, "in a chat that is queued itself")
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()

	dry, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(t.Context(), kept, true)
	if err != nil || dry.Stored != 6 || dry.Partitions != 0 {
		t.Errorf("a dry run says %+v, %v", dry, err)
	}
	b.reads(app, c, "stored")

	b.restore(kept, flusher.Restored{AlreadyStored: 2, Stored: 6})
	b.reads(app, c, "edited", "queued and edited", "with a key")
	b.reads(app, second, "in a chat that is queued itself")
	if n, replayed := b.postKeyed(app, c, "with a key", 1); n != 3 || !replayed {
		t.Errorf("a retry of what was restored is message %d, replayed %v", n, replayed)
	}
	if n := b.post(app, c, "next"); n != 4 {
		t.Errorf("the next message is %d", n)
	}
	if n := b.chat(app); n != 3 {
		t.Errorf("the next chat is %d", n)
	}
	if _, err := b.store.EditMessage(t.Context(), app, c, 2, "edited after"); err != nil {
		t.Fatal(err)
	}
	b.drained()
	if got, err := b.store.Chat(t.Context(), app, c); err != nil || got.MessagesCount != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	b.restore(kept, flusher.Restored{AlreadyStored: 8})
	b.reads(app, c, "edited", "edited after", "with a key", "next")
	if l := b.letters(flusher.StateOpen); len(l) > 0 {
		t.Errorf("dead letters %v", l)
	}
}

func TestANumberThatWasGivenAnewKeepsItsNewWrite(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "stored")
	b.flush()
	b.post(app, c, "lost two")
	b.post(app, c, "lost three")
	if _, err := b.store.EditMessage(t.Context(), app, c, 2, "lost two, edited"); err != nil {
		t.Fatal(err)
	}
	second := b.chat(app)
	b.post(app, second, "a secret of the lost chat")
	b.post(app, second, "another one")
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()
	if n := b.post(app, c, "new two"); n != 2 {
		t.Fatalf("%d", n)
	}
	if n := b.chat(app); n != second {
		t.Fatalf("%d", n)
	}
	b.post(app, second, "of the new chat")

	b.restore(kept, flusher.Restored{AlreadyStored: 2, Stored: 1, DeadLettered: 5})
	b.reads(app, c, "stored", "new two", "lost three")
	b.reads(app, second, "of the new chat")
	b.restore(kept, flusher.Restored{AlreadyStored: 8})
	if n := b.post(app, second, "next"); n != 2 {
		t.Errorf("the next message of the new chat is %d", n)
	}
	letters := b.letters(flusher.StateOpen)
	if len(letters) != 5 {
		t.Fatalf("dead letters %v", letters)
	}
	outcomes, err := flusher.DeadLetters{DB: b.db}.Retry(t.Context(), letters)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Stored || !strings.Contains(o.Reason, "post it again") || o.ID.Sink != db.SinkRestore {
			t.Errorf("%+v", o)
		}
	}
	if err := (flusher.DeadLetters{DB: b.db}).Discard(t.Context(), letters); err != nil {
		t.Error(err)
	}
	b.drained()
	b.reads(app, c, "stored", "new two", "lost three")
	b.reads(app, second, "of the new chat", "next")
	for n, want := range map[int64]int64{c: 3, second: 2} {
		if got, err := b.store.Chat(t.Context(), app, n); err != nil || got.MessagesCount != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestAWriteThatWasSentAgainAfterTheLossIsNotDoubled(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.postKeyed(app, c, "one", 1)
	b.postKeyed(app, c, "two", 2)
	b.postKeyed(app, c, "three", 3)
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()
	b.chat(app)
	if n, replayed := b.postKeyed(app, c, "two", 2); n != 1 || replayed {
		t.Fatalf("%d, %v", n, replayed)
	}
	// the chat's number was given anew: it is a dead letter, and so are its messages but for the one that came again
	b.restore(kept, flusher.Restored{AlreadyStored: 1, DeadLettered: 3})
	b.reads(app, c, "two")
}

func TestTheNumberOfAWriteThatWasSentAgainIsARecordedHole(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.flush()
	b.postKeyed(app, c, "one", 1)
	b.postKeyed(app, c, "two", 2)
	b.postKeyed(app, c, "three", 3)
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()
	if n, replayed := b.postKeyed(app, c, "two", 2); n != 1 || replayed {
		t.Fatalf("%d, %v", n, replayed)
	}
	b.restore(kept, flusher.Restored{AlreadyStored: 1, Stored: 1, GivenUp: 1, DeadLettered: 1})
	b.restore(kept, flusher.Restored{AlreadyStored: 4})
	for n, want := range map[int64]string{1: "two", 3: "three"} {
		if m, err := b.store.Message(t.Context(), app, c, n); err != nil || m.Body != want {
			t.Errorf("message %d: %+v, %v", n, m, err)
		}
	}
	_, err := b.store.Message(t.Context(), app, c, 2)
	var gone *chat.Error
	if !errors.As(err, &gone) || gone.Code != chat.Gone {
		t.Errorf("message 2: %v", err)
	}
	for k, want := range map[byte]int64{2: 1, 3: 3} {
		if n, replayed := b.postKeyed(app, c, map[byte]string{2: "two", 3: "three"}[k], k); n != want || !replayed {
			t.Errorf("a retry with key %d is message %d, replayed %v", k, n, replayed)
		}
	}
	b.drained()
	if got, err := b.store.Chat(t.Context(), app, c); err != nil || got.MessagesCount != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestARestoreUnderLoad(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	const chats = 8
	for range chats {
		b.chat(app)
	}
	b.flush()
	lost := map[string]bool{}
	for i := range 200 {
		body := fmt.Sprint("lost ", i)
		b.post(app, int64(i%chats+1), body)
		lost[body] = true
	}
	kept := b.backup()
	b.lose()
	stop := b.start()
	defer stop()

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	type accepted struct {
		chat, number int64
		body         string
	}
	done := make(chan accepted, 100_000)
	begun := make(chan struct{}, chats)
	tell := func() { begun <- struct{}{} }
	for c := range int64(chats) {
		if c%2 == 0 {
			tell()
			continue // what was lost of these chats is not given anew
		}
		wg.Go(func() {
			told := sync.OnceFunc(tell)
			defer told()
			for i := 0; ctx.Err() == nil && i < 5000; i++ {
				body := fmt.Sprintf("new %d %d", c, i)
				n, _, err := b.store.CreateMessage(ctx, app, c+1, body, chat.Idempotency{})
				var e *chat.Error
				switch {
				case err == nil:
					done <- accepted{c + 1, n, body}
					if i >= 10 {
						told()
					}
				case !errors.As(err, &e) || e.Code != chat.Unavailable:
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range chats {
		<-begun
	}
	got, err := flusher.New(b.config, b.db, b.queue, b.ledger()).Restore(t.Context(), kept, false)
	cancel()
	wg.Wait()
	close(done)
	if err != nil || got.Stored+got.DeadLettered != 200 || got.Stored < 100 || got.Closed > 10*time.Second {
		t.Errorf("restored %+v, %v", got, err)
	}
	t.Logf("%+v", got)
	b.drained()
	for a := range done {
		if m, err := b.store.Message(t.Context(), app, a.chat, a.number); err != nil || m.Body != a.body {
			t.Errorf("%+v reads %q, %v", a, m.Body, err)
		}
	}
	for c := range int64(chats) {
		page, numbers := chat.Page{Limit: 200}, int64(0)
		for {
			l, err := b.store.Messages(t.Context(), app, c+1, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range l.Items {
				if numbers++; m.Number != numbers {
					t.Fatalf("chat %d has message %d where %d was to come", c+1, m.Number, numbers)
				}
				delete(lost, m.Body)
			}
			if len(l.Items) < page.Limit {
				break
			}
			page.After = numbers
		}
		if got, err := b.store.Chat(t.Context(), app, c+1); err != nil || got.MessagesCount != numbers {
			t.Errorf("%d messages of %+v, %v", numbers, got, err)
		}
	}
	if int64(len(lost)) != got.DeadLettered || len(b.letters(flusher.StateOpen)) < min(100, len(lost)) {
		t.Errorf("%d of what was lost are neither stored nor dead letters", len(lost))
	}
}

func TestAClosedPartitionIsOpenedAnewWhenItsTimeHasPassed(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.postKeyed(app, c, "one", 1)
	b.flush()
	row, err := b.db.ApplicationByToken(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	p := b.queue.Partition(chat.Scope{Application: row.ID, Chat: c})
	begin := time.Now()
	closing, err := b.queue.Close(t.Context(), p, 0, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var refused *chat.Error
	if _, _, err := b.store.CreateMessage(t.Context(), app, c, "two", chat.Idempotency{}); !errors.As(err, &refused) || refused.Code != chat.Unavailable {
		t.Fatalf("%v", err)
	}
	b.reads(app, c, "one")
	if n, replayed := b.postKeyed(app, c, "one", 1); n != 1 || !replayed {
		t.Errorf("a retry is message %d, replayed %v", n, replayed)
	}
	b.until("it is opened again", func() bool {
		n, _, err := b.store.CreateMessage(t.Context(), app, c, "two", chat.Idempotency{})
		return err == nil && n == 2
	})
	if d := time.Since(begin); d < 4500*time.Millisecond {
		t.Errorf("after %v", d)
	}
	cur, err := b.ledger().Cursor(t.Context(), p)
	if err != nil || cur.Generation != closing.Generation+1 {
		t.Errorf("%+v after %+v, %v", cur, closing, err)
	}
}

func TestABackupOfAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	from, b := newRestoring(t), newRestoring(t)
	app := from.app()
	c := from.chat(app)
	from.post(app, c, "x")
	kept := from.backup()
	f := flusher.New(b.config, b.db, b.queue, b.ledger())
	if _, err := f.Restore(t.Context(), kept, false); !errors.Is(err, flusher.ErrOtherDatabase) {
		t.Errorf("of another database: %v", err)
	}
	moved := memory{}
	for p, es := range kept {
		moved[(p+1)%partitions] = es
	}
	if _, err := f.Restore(t.Context(), moved, false); !errors.Is(err, flusher.ErrOtherDatabase) || !strings.Contains(err.Error(), "partitions") {
		t.Errorf("of other partitions: %v", err)
	}
	if _, err := f.Restore(t.Context(), memory{partitions: {{Version: 1, Kind: queue.Marker}}}, false); !errors.Is(err, flusher.ErrOtherDatabase) {
		t.Errorf("of more partitions: %v", err)
	}
}

func TestABackupAboveTheDatabaseLeavesNoGap(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.flush()
	for i := range 3 {
		b.post(app, c, fmt.Sprint(i))
	}
	kept := b.backup()
	for p, es := range kept { // as if the database had been set back to before the first message
		kept[p] = slices.DeleteFunc(es, func(e queue.Entry) bool { return e.Body == "0" })
	}
	b.lose()
	stop := b.start()
	defer stop()
	f := flusher.New(b.config, b.db, b.queue, b.ledger())
	if _, err := f.Restore(t.Context(), kept, false); !errors.Is(err, flusher.ErrOtherDatabase) || !strings.Contains(err.Error(), "newer than the backup") {
		t.Errorf("%v", err)
	}
	b.reads(app, c)
	if n := b.post(app, c, "next"); n != 1 {
		t.Errorf("%d", n)
	}
}

func TestWhatIsRestoredIsFound(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	index := openIndex(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "apples before")
	stop := b.startWithSearch(index, 1_000_000)
	b.until("the first message is found", func() bool { return b.hits(index, app, c, "apple") == 1 })
	b.drained()
	stop()
	b.post(app, c, "pears queued")
	if _, err := b.store.EditMessage(t.Context(), app, c, 1, "plums now"); err != nil {
		t.Fatal(err)
	}
	kept := b.backup()
	b.lose()
	defer b.startWithSearch(index, 1_000_000)()
	f := flusher.New(b.config, b.db, b.queue, b.ledger())
	f.Search(index, 1_000_000)
	index.away.Store(true) // as if the restore had been killed before it put anything
	if got, err := f.Restore(t.Context(), kept, false); err != nil || got.Stored != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	index.away.Store(false)
	found := func() bool {
		return b.hits(index, app, c, "pears") == 1 && b.hits(index, app, c, "plums") == 1 && b.hits(index, app, c, "apple") == 0
	}
	b.until("the index is filled from the tables", found)
	if got, err := f.Restore(t.Context(), kept, false); err != nil || got.Stored != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !found() {
		t.Error("after a second time")
	}
}

// What the database refused has its dead letter, an edit beside the row that it was to change as well.
func TestWhatIsADeadLetterAlreadyIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newRestoring(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "one")
	b.refuse()
	b.post(app, c, "poison")
	b.post(app, c, "three")
	if _, err := b.store.EditMessage(t.Context(), app, c, 1, "poison"); err != nil {
		t.Fatal(err)
	}
	kept := b.backup()
	b.flush()
	b.lose()
	stop := b.start()
	defer stop()
	b.restore(kept, flusher.Restored{AlreadyStored: 5})
	if l := b.letters(flusher.StateOpen); len(l) != 2 {
		t.Errorf("dead letters %v", l)
	}
	b.allow()
	b.restore(kept, flusher.Restored{AlreadyStored: 5})
	b.reads(app, c, "poison", "poison", "three")
}
