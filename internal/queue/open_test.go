package queue

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat-system/internal/chat"
)

// A flusher may begin in the generation that an opener has won and before the opener comes to Redis, which was emptied and
// so has nothing in which the flusher could note how far all is cleaned.
func TestAStreamIsTrimmedThoughItsFlusherBeganBeforeItWasOpened(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		s := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(s)
		b.must(t, newChat(app))
		b.drain(t, chat.Scope{Application: app})
		b.must(t, newMessage(app, 1, "stored"))
		cursor := b.drain(t, s)
		b.redis.empty()
		if err := b.q.CleanAgain(t.Context(), p, cursor[len(cursor)-1].Version); err != nil {
			t.Fatal(err)
		}
		for range 300 { // Redis trims in nodes of a hundred
			b.must(t, newMessage(app, 1, "a message"))
		}
		es := b.drain(t, s)
		last := es[len(es)-1].Version
		n, err := b.q.Clean(t.Context(), p, cursor[len(cursor)-1].Version, es, last)
		if err != nil || n > 150 {
			t.Fatalf("not trimmed: %d entries, %v", n, err)
		}
	})
}

// A database that came back from a backup has a cursor below what Redis was told is void. Its entry may still be there, and
// nothing follows on it.
func TestACursorBelowTheFloorIsALoss(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b bundle) {
		s := chat.Scope{Application: app, Chat: 1}
		p := b.q.Partition(s)
		b.must(t, newChat(app))
		b.must(t, newMessage(app, 1, "stored"))
		b.drain(t, s)
		was := b.db.cursors[p]
		b.must(t, newMessage(app, 1, "stored and in no backup"))
		lost := b.drain(t, s)
		b.db.cursors[p] = Cursor{Position: Position{Version: lost[len(lost)-1].Version + 1, Generation: 9}, Generation: was.Generation}
		b.redis.restart()
		b.must(t, newMessage(app, 1, "above the floor"))
		gen := b.db.cursors[p].Generation
		b.db.cursors[p] = Cursor{Position: was.Position, Generation: gen, Replid: was.Replid}
		b.redis.restart()
		b.must(t, newMessage(app, 1, "after the backup"))
		got, err := b.q.Read(t.Context(), p, was.Position, 100)
		if err != nil || !got.Follows {
			t.Fatalf("nothing follows on the cursor: %+v, %v", got, err)
		}
		if last := got.Entries[len(got.Entries)-1]; last.Body != "after the backup" {
			t.Fatalf("the last entry is %+v", last)
		}
	})
}

// A Redis that takes connections and says nothing holds each batch up for as long as a reply may take, and one that is away
// for as long as a connection may. Who waits behind too many of them is told so in time.
func TestNobodyWaitsForASilentRedisForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		addr func(*testing.T) string
		hold time.Duration // of a batch
	}{
		"silent": {silent, dialTimeout + readTimeout},
		"away":   {away, dialTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := Connect(fmt.Sprintf("redis://%s/0", c.addr(t)), func() {})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			q := New(Config{Partitions: 1, MaxEntries: 1000, Shebang: true, Log: slog.New(slog.DiscardHandler)}, client, newMemory())
			var wg sync.WaitGroup
			start := time.Now()
			for range 10 * maxBatch {
				wg.Go(func() {
					var e *chat.Error
					if _, err := q.Accept(t.Context(), newMessage(app, 1, "x")); !errors.As(err, &e) || (e.Code != chat.Unavailable && e.Code != chat.OutcomeUnknown) {
						t.Errorf("%v", err)
					}
				})
			}
			wg.Wait()
			if took, most := time.Since(start), acceptTimeout+2*c.hold; took > most {
				t.Errorf("the last one waited %v, more than %v", took, most)
			}
		})
	}
}

// silent takes connections and says nothing.
func silent(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }() // with the listener
		}
	}()
	return ln.Addr().String()
}

// away answers no attempt to connect: the connections that the system may hold for it are held.
func away(t *testing.T) (addr string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr = fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port) //nolint:forcetypeassert // as it was bound
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the system takes every connection")
	return ""
}
