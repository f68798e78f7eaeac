//go:build failpoint

package steps

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// scene is one pair of a step and what happens there.
type scene struct {
	*world
	t     *testing.T
	h     *history
	index *index // nil: without search
	a, b  *pod   // the one that is stopped, and the other side
	key   chat.Idempotency
	keyed string // the body that the stopped pod sends under that key

	ends, behind func() // Redis comes back as an older copy that ends at the cursor, or behind it
	background   sync.WaitGroup
	again        func(*pod) // what the stopped pod does, of another
	backup       kept       // of Redis
	resume       func()     // lets the stopped pod go on
	late         *held
	dies         bool
}

// play comes to the step, stops, lets the other side act, and checks.
func play(t *testing.T, w *world, step string, r reach, acts []act) {
	t.Helper()
	w.heal(t)
	w.reset(t)
	s := &scene{world: w, t: t, h: &history{t: t}}
	if r.search {
		s.index = &index{docs: map[place]chat.Message{}}
	}
	s.stage()
	s.a, s.b = w.newPod(t, "a", true, s.indexes()), w.newPod(t, "b", false, s.indexes())
	s.key = s.newKey()
	drive := r.drive
	if drive == nil {
		s.again = func(p *pod) { r.same(s, p) }
		drive = func(s *scene) { s.again(s.a) }
	}
	if r.prepare != nil {
		r.prepare(s)
	}

	reached, done := s.stopAt(step), make(chan struct{})
	go func() {
		defer close(done)
		drive(s)
	}()
	select {
	case <-reached:
	case <-done:
		select {
		case <-reached: // a flusher, which goes on
		default:
			if !s.a.running.Load() {
				t.Fatal("the step was not reached")
			}
			s.await("the step", reached)
		}
	}
	if step == "accept.reply" {
		s.h.free()
	}
	s.h.checkReads(t, s.b)
	for _, act := range acts {
		act(s)
		s.h.checkReads(t, s.b)
	}
	s.release()
	if s.late != nil {
		close(s.late.deliver)
		s.await("a late request is done", s.late.delivered)
	}
	s.background.Wait()
	if !s.dies {
		s.await("the stopped pod's call", done)
	}
	s.finish(r)
}

// stage is what every scene begins with: messages that are stored, and some that are accepted and not stored yet.
func (s *scene) stage() {
	p := s.newPod(s.t, "stage", false, nil)
	for apart := false; !apart; { // the chats from the messages of the second one, where there are partitions
		app, _, err := p.store.CreateApplication(s.t.Context(), "an application", chat.Idempotency{})
		if err != nil {
			s.t.Fatal(err)
		}
		s.h.app, s.h.token = app.ID, app.Token
		apart = s.partitions == 1 || p.queue.Partition(chat.Scope{Application: app.ID}) != p.queue.Partition(chat.Scope{Application: app.ID, Chat: 2})
	}
	s.chat(p, chat.Idempotency{})
	s.post(p, 1, "one", chat.Idempotency{})
	s.post(p, 1, "two", chat.Idempotency{})
	s.flushAll(p)
	s.behind = s.copy()
	s.edit(p, 1, 1)
	s.post(p, 1, "three", s.newKey())
	s.ends = s.copy()
	s.flushAll(p)
	s.post(p, 1, "four", chat.Idempotency{})
	s.edit(p, 1, 2)
	s.post(p, 1, "five", s.newKey())
	s.chat(p, s.newKey())
	s.post(p, 2, "one of the second chat", chat.Idempotency{})
}

// flushAll stores everything.
func (s *scene) flushAll(p *pod) {
	s.t.Helper()
	p.flush()
	until(s.t, "the queue is drained", s.drained)
	p.stop()
}

// cleaned waits until a pod that has just begun to flush took out of pending what others committed and did not.
func (s *scene) cleaned(p *pod) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, r := range s.rows(s.t, "SELECT partition_id, position FROM flush_cursors WHERE sink = 'mysql'") {
		if err := p.flusher.Stored(ctx, int(number(s.t, r[0])), chat.Version(number(s.t, r[1]))); err != nil {
			s.t.Fatalf("partition %s is not cleaned: %v", r[0], err)
		}
	}
}

// drained says that every stream ends where its cursor is.
func (s *scene) drained() bool {
	for _, r := range s.rows(s.t, "SELECT partition_id, position FROM flush_cursors WHERE sink = 'mysql'") {
		last, err := s.rdb.XRevRangeN(s.t.Context(), "chat:{"+r[0]+"}:stream", "+", "-", 1).Result()
		if err != nil {
			return false
		}
		if len(last) == 1 {
			if v, err := chat.ParseVersion(last[0].ID); err != nil || int64(v) > number(s.t, r[1]) {
				return false
			}
		}
	}
	return true
}

// stopAt stops the first goroutine of pod a that comes to the step, until release.
func (s *scene) stopAt(step string) (reached chan struct{}) {
	reached = make(chan struct{})
	release := make(chan struct{})
	var once atomic.Bool
	stop := func() {
		if !once.CompareAndSwap(false, true) {
			return
		}
		close(reached)
		<-release
		if s.dies {
			runtime.Goexit()
		}
	}
	undoQueue, undoDB := failpoint.Set(s.a.queue, step, stop), failpoint.Set(s.a.db, step, stop)
	s.resume = sync.OnceFunc(func() { close(release) })
	s.t.Cleanup(func() {
		once.Store(true)
		s.release()
		undoQueue()
		undoDB()
	})
	return reached
}

func (s *scene) release() { s.resume() }

// do lets the other side do something, which may have to wait for a lock of the stopped pod.
func (s *scene) do(what string, f func()) {
	s.t.Helper()
	done := make(chan struct{})
	s.background.Go(func() {
		defer close(done)
		f()
	})
	until(s.t, what+" is done or waits", func() bool {
		select {
		case <-done:
			return true
		default:
			return s.blocked(s.t)
		}
	})
}

func (s *scene) await(what string, done <-chan struct{}) {
	s.t.Helper()
	until(s.t, what, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}

// finish drains, goes on writing, drains again and holds everything against the history.
func (s *scene) finish(r reach) {
	s.t.Helper()
	s.database.disarm()
	s.queue.disarm()
	if s.keyed != "" {
		s.resend()
	}
	s.b.flush()
	until(s.t, "the queue is drained", s.drained)
	if r.after != nil {
		r.after(s)
	}
	s.a.stop()
	s.b.stop()
	last := s.newPod(s.t, "last", false, s.indexes()) // a successor, who cleans what was left behind
	s.post(last, 1, "afterwards", chat.Idempotency{})
	s.edit(last, 1, 1)
	s.chat(last, chat.Idempotency{})
	last.flush()
	until(s.t, "the queue is drained in the end", s.drained)
	s.cleaned(last)
	if s.index != nil {
		s.checkIndex()
	}
	last.stop()
	for !s.drained() { // a partition that nobody has opened yet seems drained, and the mark of its opening is an entry, too
		s.flushAll(last)
	}
	s.h.checkRows(s.t, s.world)
	s.h.checkReads(s.t, s.b)
	if !s.dies {
		s.h.checkReads(s.t, s.a)
	}
	s.h.checkKeys(s.t, s.world, s.b)
	s.h.checkRedis(s.t, s.world, s.index == nil && !r.untrimmed)
}

func (s *scene) newKey() chat.Idempotency {
	k := chat.Idempotency{Given: true}
	copy(k.Key[:], s.h.body("key"))
	copy(k.Payload[:], s.h.body("payload"))
	return k
}

func (s *scene) chat(p *pod, key chat.Idempotency) int64 {
	w := write{kind: 'c', key: key, stopped: p == s.a}
	begun := s.h.begin(w)
	var err error
	w.number, _, err = p.send(s.t, s.h, &w)
	s.h.add(begun, w, err)
	return w.number
}

func (s *scene) post(p *pod, c int64, what string, key chat.Idempotency) int64 {
	return s.postBody(p, c, s.h.body(what), key)
}

func (s *scene) postBody(p *pod, c int64, body string, key chat.Idempotency) int64 {
	w := write{kind: 'm', chat: c, body: body, key: key, stopped: p == s.a}
	begun := s.h.begin(w)
	var err error
	w.number, _, err = p.send(s.t, s.h, &w)
	s.h.add(begun, w, err)
	return w.number
}

func (s *scene) edit(p *pod, c, n int64) {
	w := write{kind: 'e', chat: c, number: n, body: s.h.body(fmt.Sprintf("edit of %d", n)), stopped: p == s.a}
	begun := s.h.begin(w)
	m, err := again(s.t, func() (chat.Message, error) { return p.store.EditMessage(s.t.Context(), s.h.token, c, n, w.body) })
	w.version = m.Version
	if err != nil {
		w.version = 0
	}
	s.h.add(begun, w, err)
}

// resend sends what the stopped pod sends under its key.
func (s *scene) resend() { s.postBody(s.b, 1, s.keyed, s.key) }

// reopen opens every partition in a higher generation, on a Redis that says that it is another.
func (s *scene) reopen() {
	for p := range s.partitions {
		for {
			cur, err := s.b.db.Cursor(s.t.Context(), db.CursorParams{PartitionID: int32(p), Sink: db.SinkDatabase})
			if err == nil {
				var gen int64
				gen, err = s.b.queue.Open(s.t.Context(), p, cur.Gen, s.stale(cur.Gen))
				if err == nil && gen > cur.Gen {
					break
				}
			}
			if s.t.Context().Err() != nil {
				return
			}
		}
	}
}

// dieAt lets a pod end when it comes to a step.
func (s *scene) dieAt(p *pod, step string) (died chan struct{}) {
	died = make(chan struct{})
	once := sync.OnceFunc(func() { close(died) })
	s.t.Cleanup(failpoint.Set(p.queue, step, func() {
		once()
		runtime.Goexit()
	}))
	return died
}
