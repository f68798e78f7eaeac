package queue

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chat-system/internal/chat"
)

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
