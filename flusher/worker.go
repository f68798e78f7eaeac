package flusher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// worker flushes one partition.
type worker struct {
	f      *Flusher
	p      int
	log    *slog.Logger
	bell   chan struct{}
	stored *mark
	leads  atomic.Bool

	trouble atomic.Pointer[string] // why the last flush failed; nil: it did not

	backlog *backlog

	known  bool      // the cursor was read and nothing has happened since that would make it another
	begun  time.Time // when it was read
	cur    queue.Cursor
	buffer []queue.Entry
	size   int
	first  time.Time // when the oldest entry of the buffer was seen
	bound  int       // entries of the next transaction: fewer than maxRows where so many take too long

	retained bool // what was flushed last may still lie in the stream
}

func newWorker(f *Flusher, p int) *worker {
	return &worker{f: f, p: p, log: f.Log.With("partition", p), bell: make(chan struct{}, 1), stored: newMark(), backlog: &backlog{index: -1}, bound: maxRows}
}

// wake lets the worker look at its stream.
func (w *worker) wake() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// errMoved says that somebody else moved the cursor or opened the partition.
var errMoved = errors.New("flusher: the cursor is not where it was")

// errCut says that the stream does not follow on the cursor though nobody moved it.
var errCut = errors.New("flusher: the stream was cut: it holds neither the cursor's entry nor a marker that names it")

// run leads the partition until the context ends. Whatever another process did with it meanwhile is found out anew.
func (w *worker) run(ctx context.Context) {
	w.forget()
	w.retained = true
	if w.f.sinks != nil {
		w.f.sinks.keeps.all(w.p)
	}
	defer w.leads.Store(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	bell, pause := w.bell, minPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-bell:
		case <-timer.C:
		}
		next, err := w.step(ctx)
		bell = w.bell
		if err != nil && ctx.Err() == nil {
			w.forget()
			if errors.Is(err, errMoved) {
				w.log.Debug("another flusher was here first")
			} else {
				w.f.metrics.failures.WithLabelValues(db.SinkDatabase).Inc()
				withTrace(w.log, err).Error("flush failed; it is tried again", "error", err, "pause", pause.String())
				w.trouble.Store(new(err.Error()))
			}
			bell = nil                     // what comes meanwhile shortens no pause
			next = pause/2 + rand.N(pause) //nolint:gosec // no secret
			pause = min(2*pause, maxPause)
		} else {
			w.trouble.Store(nil)
			pause = minPause
		}
		timer.Reset(next)
	}
}

// forget drops what was read: the cursor is read again before anything else.
func (w *worker) forget() {
	w.known = false
	w.drop()
}

func (w *worker) drop() { w.buffer, w.size = w.buffer[:0], 0 }

const (
	// idle is how long a worker that is not woken waits before it looks again.
	idle = time.Second
	// trusted is how long an idle worker takes the cursor for where it left it: another flusher may have moved it, and
	// Redis may have lost what would tell.
	trusted = 30 * time.Second
)

// step reads what is new and flushes it when it is due. It gives how long to wait for more.
func (w *worker) step(ctx context.Context) (time.Duration, error) {
	if !w.known || (len(w.buffer) == 0 && time.Since(w.begun) > trusted) {
		if err := w.begin(ctx); err != nil {
			return 0, err
		}
	}
	for {
		more, err := w.read(ctx)
		if err != nil {
			return 0, err
		}
		if len(w.buffer) == 0 {
			if more { // it was opened: what was written before rings no bell again. Who opened it may have a step to do yet
				return rand.N(minPause), nil //nolint:gosec // no secret
			}
			return idle, w.makeRoom(ctx)
		}
		if wait := w.f.MaxWait - time.Since(w.first); !w.due() && wait > 0 {
			if more {
				continue
			}
			return wait, nil
		}
		if err := w.flush(ctx, more); err != nil {
			return 0, err
		}
		if !more {
			return 0, nil // look once more: what came meanwhile has waited already
		}
	}
}

// begin reads the cursor and takes out of pending what others committed and did not.
func (w *worker) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	cur, err := w.f.ledger.Cursor(ctx, w.p)
	if err != nil {
		return err
	}
	failpoint.Hit(w.f.queue, "flush.cursor")
	w.drop()
	w.cur = cur
	if err := w.f.queue.CleanAgain(ctx, w.p, cur.Position.Version); err != nil {
		return err
	}
	w.known, w.begun = true, time.Now()
	w.backlog.place(cur.Position.Version)
	w.stored.raise(cur.Position.Version)
	return nil
}

// read adds a page of what follows on the buffer, or on the cursor; more says that the stream may hold further entries.
func (w *worker) read(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	from := w.cur.Position
	if n := len(w.buffer); n > 0 {
		from = w.buffer[n-1].Position()
	}
	b, err := w.f.queue.Read(ctx, w.p, from, page)
	failpoint.Hit(w.f.queue, "flush.read")
	if err != nil {
		return false, err
	}
	lost := !b.Follows && !b.Stale.Opened && w.cur.Generation != 0 // nobody has written since Redis came back without its end
	if b.Stale.Generation != w.cur.Generation || lost {
		return true, w.open(ctx, b.Stale)
	}
	if !b.Follows {
		if w.cur.Generation == 0 {
			return false, nil // nobody has opened the partition yet: it has no stream
		}
		return true, w.cut(ctx)
	}
	if len(b.Broken) > 0 && len(b.Entries) == 0 && len(w.buffer) == 0 {
		return false, b.Broken[0] // an unreadable entry is never passed over
	}
	if len(w.buffer) == 0 {
		w.first = time.Now()
	}
	for i := range b.Entries {
		w.size += b.Entries[i].Size()
	}
	w.buffer = append(w.buffer, b.Entries...)
	return len(b.Entries) == page, nil
}

// open opens the partition where Redis and the database differ in its generation.
func (w *worker) open(ctx context.Context, s queue.Stale) error {
	mine := w.cur.Generation
	w.forget()
	gen, err := w.f.queue.Open(ctx, w.p, mine, s)
	if err != nil {
		return err
	}
	if gen == mine {
		return errMoved // not settled: again, after a random pause
	}
	return w.begin(ctx)
}

// cut decides between a cursor that somebody else moved and a stream that was cut behind the database's back.
func (w *worker) cut(ctx context.Context) error {
	was, buffered := w.cur, len(w.buffer)
	w.forget()
	if err := w.begin(ctx); err != nil {
		return err
	}
	if buffered > 0 || w.cur != was {
		return nil
	}
	w.f.metrics.cuts.Inc()
	return errCut
}

func (w *worker) due() bool {
	if len(w.buffer) >= maxRows || w.size >= maxBytes {
		return true
	}
	if len(w.buffer) < w.f.ChatThreshold && len(w.buffer) < w.f.MessageThreshold {
		return false
	}
	chats := 0
	for i := range w.buffer {
		if w.buffer[i].Kind == queue.ChatCreated {
			chats++
		}
	}
	return chats >= w.f.ChatThreshold || len(w.buffer)-chats >= w.f.MessageThreshold
}

// flush stores the buffer, and what else can be read up to the bounds of a transaction, then cleans.
func (w *worker) flush(ctx context.Context, more bool) error {
	select {
	case w.f.writers <- struct{}{}:
		defer func() { <-w.f.writers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for more && len(w.buffer) < maxRows && w.size < maxBytes {
		var err error
		if more, err = w.read(ctx); err != nil {
			return err
		}
	}
	if !w.known || len(w.buffer) == 0 {
		return nil
	}
	// what was begun is finished: SIGTERM does not cut a transaction
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.f.CommitTime)
	defer cancel()
	es := w.buffer[:min(len(w.buffer), w.bound)]
	start := time.Now()
	err := w.f.commit(ctx, w.p, w.cur, es)
	w.f.metrics.flushed(db.SinkDatabase, len(es), time.Since(start), err)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			w.bound = max(1, len(es)/2) // the same ones would not be done in time again, and nothing would be stored for ever
			err = fmt.Errorf("%d entries were not stored within %s, they wait for a lock or the database is slow: %w", len(es), w.f.CommitTime, err)
		}
		return err
	}
	if time.Since(start) < w.f.CommitTime/4 {
		w.bound = min(2*w.bound, maxRows)
	}
	last := es[len(es)-1]
	w.f.metrics.lagged(db.SinkDatabase, w.backlog.age(es[0].Version))
	w.backlog.pass(es)
	before := w.cur.Position.Version
	w.cur.Position = last.Position()
	w.stored.raise(last.Version)
	w.retained = true
	failpoint.Hit(w.f.queue, "flush.committed")
	err = w.clean(ctx, before, es)
	failpoint.Hit(w.f.queue, "flush.cleaned")
	w.buffer = append(w.buffer[:0], w.buffer[len(es):]...)
	w.size = 0
	for i := range w.buffer {
		w.size += w.buffer[i].Size()
	}
	return err
}

// clean takes the batch out of pending and trims the stream below what all sinks have, but for what is retained.
func (w *worker) clean(ctx context.Context, from chat.Version, es []queue.Entry) error {
	last := es[len(es)-1].Version
	below := chat.VersionAt(last.Millis() - w.f.Retention.Milliseconds())
	length, err := w.f.queue.Clean(ctx, w.p, from, es, w.needed(min(last, below)))
	if err != nil || (length <= w.f.queue.Share()/2 && !w.f.crowded.Load()) {
		return err
	}
	failpoint.Hit(w.f.queue, "clean.trim")
	return w.trim(ctx, last)
}

// trim leaves nothing that was flushed in the stream: rather a short retention than a full queue.
func (w *worker) trim(ctx context.Context, last chat.Version) error {
	_, err := w.f.queue.Clean(ctx, w.p, last, nil, w.needed(last))
	return err
}

// makeRoom trims where nothing is left to flush, so that no flush comes that would: once what was flushed last is retained
// no longer, or Redis has little memory left.
func (w *worker) makeRoom(ctx context.Context) error {
	last := w.cur.Position.Version
	over := w.retained && time.Since(time.UnixMilli(last.Millis())) > w.f.Retention
	if last == 0 || (!over && !w.f.crowded.Load()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	if err := w.trim(ctx, last); err != nil {
		return err
	}
	w.retained = w.needed(last) < last // a sink is not done with it
	return nil
}

// needed is the version below which neither the sinks nor whoever names v need the stream.
func (w *worker) needed(v chat.Version) chat.Version {
	if w.f.sinks != nil {
		v = min(v, w.f.sinks.keeps.lowest(w.p))
	}
	return v
}
