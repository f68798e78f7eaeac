package flusher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

const (
	closeTime = 30 * time.Second // how long a partition is closed unless it is closed again
	behind    = time.Minute      // how long a restore waits, with the partition open, for flushers that are behind,
	drainTime = 10 * time.Second // and how long with the partition closed
	drainPoll = 20 * time.Millisecond
)

// Backup is a Redis that is restored: what lay in its streams.
type Backup interface {
	// Partitions of which it holds anything.
	Partitions() []int
	// Entries of a partition's stream, oldest first.
	Entries(ctx context.Context, partition int) iter.Seq2[queue.Entry, error]
}

// Restored says what a restore did, or (DryRun) would do. All but Partitions and Closed count writes of the backup.
type Restored struct {
	DryRun        bool          `json:"dryRun"`
	AlreadyStored int64         `json:"alreadyStored"` // or overtaken, or a dead letter since
	Stored        int64         `json:"stored"`
	GivenUp       int64         `json:"givenUp"`      // accepted again under another number: their own became a hole
	DeadLettered  int64         `json:"deadLettered"` // their number, or what they edit, belongs to another write by now
	Partitions    int           `json:"partitions"`   // that had to be closed
	Closed        time.Duration `json:"closedNs"`     // the longest time for which a partition was closed
}

func (r *Restored) add(p plan) {
	r.AlreadyStored += p.stored
	r.Stored += int64(len(p.store))
	r.GivenUp += int64(len(p.holes))
	r.DeadLettered += int64(len(p.letters))
}

// ErrOtherDatabase says that a backup does not belong to the database that it is to be restored beside.
var ErrOtherDatabase = errors.New("the backup does not belong to this database")

// Restore stores what a backup of Redis holds and the database lacks, each write with its number, beside pods and flushers
// that go on, whatever Redis they use by now. A partition that something is missing of is closed: writes to it are
// refused for the moment that it takes; what needs nothing is not touched. It may be run again, also after it was killed:
// what is stored is not stored twice.
//
//	wait until the flushers have caught up
//	close.lua ◄──────────────────────────┐  nothing new is accepted
//	wait until the cursor is at its end  │  so the database has all that was accepted
//	store what is missing ───────────────┤  in the generation in which it was closed: else somebody
//	open it in a new generation ─────────┘  opened it meanwhile, and it begins again
//
// Chats come first: whether a message's chat is still that of the backup is asked of its row.
func (f *Flusher) Restore(ctx context.Context, b Backup, dryRun bool) (Restored, error) {
	r := &restore{
		f: f, backup: b, out: Restored{DryRun: dryRun}, highest: map[int]chat.Version{}, apps: map[int64]bool{},
		chats: map[queue.Place]time.Time{}, edited: map[queue.Place]bool{}, planned: map[queue.Place]row{}, last: map[chat.Scope]int64{},
	}
	if err := r.survey(ctx); err != nil {
		return r.out, err
	}
	for _, kind := range []phase{chatsAlone, messagesAlone} {
		for _, p := range b.Partitions() {
			if err := r.partition(ctx, p, kind); err != nil {
				return r.out, fmt.Errorf("restore partition %d: %w", p, err)
			}
		}
	}
	return r.out, nil
}

type phase int

const (
	chatsAlone phase = iota
	messagesAlone
)

func (x phase) has(e *queue.Entry) bool {
	return e.Kind != queue.Marker && (e.Kind == queue.ChatCreated) == (x == chatsAlone)
}

// restore is a Restore under way.
type restore struct {
	f       *Flusher
	backup  Backup
	out     Restored
	highest map[int]chat.Version      // version of each partition of the backup
	chats   map[queue.Place]time.Time // when each chat that the backup holds was created
	apps    map[int64]bool            // whether the database knows the application
	edited  map[queue.Place]bool      // messages that the backup holds an edit of

	// What a dry run would have stored by now, as far as what follows depends on it.
	planned map[queue.Place]row // messages that are edited later
	last    map[chat.Scope]int64
}

// survey reads all of the backup once: whether it fits the database, and what is to be known before anything is stored.
func (r *restore) survey(ctx context.Context) error {
	entries := 0
	for _, p := range r.backup.Partitions() {
		if p >= r.f.Partitions {
			return fmt.Errorf("%w: it has a partition %d, the database has %d", ErrOtherDatabase, p, r.f.Partitions)
		}
		for e, err := range r.backup.Entries(ctx, p) {
			if err != nil {
				return fmt.Errorf("partition %d of the backup: %w", p, err)
			}
			r.highest[p] = e.Version
			if e.Kind == queue.Marker {
				continue
			}
			entries++
			if r.f.queue.Partition(e.Scope) != p {
				return fmt.Errorf("%w: it was taken with another number of partitions", ErrOtherDatabase)
			}
			switch e.Kind {
			case queue.ChatCreated:
				r.chats[place(&e)] = e.CreatedAt
			case queue.MessageEdited:
				r.edited[place(&e)] = true
			}
			if _, asked := r.apps[e.Scope.Application]; asked {
				continue
			}
			_, err := r.f.db.ApplicationByID(ctx, e.Scope.Application)
			if err != nil && !isMissing(err) {
				return err
			}
			r.apps[e.Scope.Application] = err == nil
		}
	}
	for _, known := range r.apps {
		if known {
			return nil
		}
	}
	if entries > 0 {
		return fmt.Errorf("%w: the database knows none of its applications", ErrOtherDatabase)
	}
	return nil
}

// partition restores the chats, or the messages, of a partition.
func (r *restore) partition(ctx context.Context, p int, kind phase) error {
	missing, err := r.look(ctx, p, kind)
	if err != nil || r.out.DryRun {
		return err
	}
	if missing { // or not flushed yet
		if err := r.caughtUp(ctx, p); err != nil {
			return err
		}
		if missing, err = r.look(ctx, p, kind); err != nil {
			return err
		}
	}
	for done := 0; missing; {
		begin := time.Now()
		err := r.closed(ctx, p, kind, &done)
		r.out.Closed = max(r.out.Closed, time.Since(begin))
		if err == nil {
			r.out.Partitions++
			break
		}
		if !errors.Is(err, errMoved) || ctx.Err() != nil {
			return err
		}
		r.f.Log.Info("somebody opened the partition meanwhile: the restore closes it again", "partition", p)
	}
	if kind == chatsAlone {
		return nil
	}
	return r.index(ctx, p)
}

// look tells whether anything of a partition is missing, without closing it. Unless it is a dry run it looks no further
// then, and counts nothing: what has not been flushed yet may seem to be missing.
func (r *restore) look(ctx context.Context, p int, kind phase) (missing bool, err error) {
	counted := r.out
	for es, err := range r.batches(ctx, p, kind) {
		if err != nil {
			return false, err
		}
		plan, err := r.decide(ctx, r.f.db.Queries, p, es)
		if err != nil {
			return false, err
		}
		if plan.any() && !r.out.DryRun {
			r.out = counted
			return true, nil
		}
		r.out.add(plan)
	}
	return false, nil
}

// batches are the backup's entries of one kind, as many at once as a transaction takes.
func (r *restore) batches(ctx context.Context, p int, kind phase) iter.Seq2[[]queue.Entry, error] {
	return func(yield func([]queue.Entry, error) bool) {
		var es []queue.Entry
		size := 0
		for e, err := range r.backup.Entries(ctx, p) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !kind.has(&e) {
				continue
			}
			es, size = append(es, e), size+e.Size()
			if len(es) == maxRows || size >= maxBytes {
				if !yield(es, nil) {
					return
				}
				es, size = nil, 0
			}
		}
		if len(es) > 0 {
			yield(es, nil)
		}
	}
}

// caughtUp waits until the cursor has passed where the stream ends now: with a flusher that is behind, or none at all,
// the partition would be closed for as long.
func (r *restore) caughtUp(ctx context.Context, p int) error {
	depths, err := r.f.queue.Depths(ctx, []int{p})
	if err != nil {
		return err
	}
	return r.wait(ctx, behind, func() (bool, error) {
		cur, err := r.f.ledger.Cursor(ctx, p)
		return cur.Position.Version >= depths[0].Last, err
	})
}

var errBehind = errors.New("no flusher has stored what was accepted: is one running?")

func (r *restore) wait(ctx context.Context, atMost time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for begin := time.Now(); ; {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Since(begin) > atMost {
			return errBehind
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// closed closes a partition, stores what it lacks, and opens it again. The batches that are done are not looked at again
// where somebody opened it meanwhile.
func (r *restore) closed(ctx context.Context, p int, kind phase, done *int) error {
	c, err := r.f.queue.Close(ctx, p, r.highest[p], r.f.Closing)
	if err != nil {
		return err
	}
	failpoint.Hit(r.f.queue, "restore.closed")
	defer func() { // also after a failure: it need not stay closed for as long as it may
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTime)
		defer cancel()
		if err := r.f.queue.Reopen(ctx, p, c); err != nil { // whoever comes next opens it
			r.f.Log.Warn("the partition could not be opened again after the restore", "partition", p, "error", err)
		}
	}()
	err = r.wait(ctx, drainTime, func() (bool, error) {
		cur, err := r.f.ledger.Cursor(ctx, p)
		if err == nil && cur.Generation != c.Generation {
			err = errMoved
		}
		return cur.Position == c.Last, err
	})
	if err != nil {
		return err
	}
	failpoint.Hit(r.f.queue, "restore.drained")
	n := 0
	for es, err := range r.batches(ctx, p, kind) {
		if err != nil {
			return err
		}
		if n++; n <= *done {
			continue
		}
		if err := r.store(ctx, p, c, es); err != nil {
			return err
		}
		*done = n
		failpoint.Hit(r.f.queue, "restore.stored")
		again, err := r.f.queue.Close(ctx, p, r.highest[p], r.f.Closing)
		if err == nil && again != c {
			err = errMoved
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// store brings what the database lacks of the entries into it, in one transaction that nobody flushes beside.
func (r *restore) store(ctx context.Context, p int, c queue.Closing, es []queue.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	b := &batch{f: r.f, p: p}
	var plan plan
	err := r.f.db.WithTx(ctx, func(q *db.Queries) error {
		held, err := q.LockCursor(ctx, db.LockCursorParams{PartitionID: int32(p), Gen: c.Generation}) //nolint:gosec // ≤ 1024
		if err != nil {
			return err
		}
		cur, err := q.Cursor(ctx, db.CursorParams{PartitionID: int32(p), Sink: db.SinkDatabase}) //nolint:gosec // ≤ 1024
		if err != nil {
			return err
		}
		if held == 0 || cur.Position != int64(c.Last.Version) || cur.PositionGen != c.Last.Generation {
			return errMoved
		}
		failpoint.Hit(r.f.queue, "restore.locked")
		*b = batch{f: r.f, p: p, q: q}
		if plan, err = r.decide(ctx, q, p, es); err != nil {
			return err
		}
		if err := b.store(ctx, plan.store); err != nil {
			return err
		}
		if err := b.giveUp(ctx, plan.holes); err != nil {
			return err
		}
		if err := b.letters(ctx, db.SinkRestore, plan.letters); err != nil {
			return err
		}
		failpoint.Hit(r.f.queue, "restore.commit")
		return nil
	})
	if err != nil {
		return err
	}
	r.out.add(plan)
	b.report(plan.store)
	return nil
}

// index puts every message that the backup names into the indexes, as its row is now: also what an earlier run stored
// that was killed before it came here.
func (r *restore) index(ctx context.Context, p int) error {
	if r.f.sinks == nil {
		return nil
	}
	letters := DeadLetters{DB: r.f.db, Indexes: r.f.sinks.indexes}
	for es, err := range r.batches(ctx, p, messagesAlone) {
		if err != nil {
			return err
		}
		places := map[db.MessagesByKeysRow]bool{}
		lowest := es[0].Version
		for i := range es {
			places[db.MessagesByKeysRow{ApplicationID: es[i].Scope.Application, ChatNumber: es[i].Scope.Chat, Number: es[i].Number}] = true
			lowest = min(lowest, es[i].Version)
		}
		if err := letters.indexRows(ctx, p, keysOf(places), lowest); err != nil {
			return err
		}
	}
	return nil
}
