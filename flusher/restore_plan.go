package flusher

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

// plan is what becomes of a batch of a backup's writes.
type plan struct {
	stored  int64         // they are there already, or were overtaken
	store   []queue.Entry // missing
	holes   []queue.Entry // stored under another number; their own is free and must not leave a gap
	letters []deadEntry   // there is no place for them any more
}

func (p plan) any() bool { return len(p.store)+len(p.holes)+len(p.letters) > 0 }

// row is what stands under a number.
type row struct {
	created time.Time
	version chat.Version // 0: a chat whose creation was lost, added since it has messages
}

// decision is a batch that is being decided on: what the database holds of the numbers in it, and what the plan adds.
type decision struct {
	r       *restore
	q       *db.Queries
	p       int
	rows    map[queue.Place]row
	dead    map[queue.Place][]db.DeadLetter
	keys    map[idemKey]db.IdempotencyKey
	anew    map[chat.Scope]bool  // chats whose number belongs to another chat by now
	last    map[chat.Scope]int64 // the highest number stored
	letters map[chat.Version]bool
	plan    plan
}

// idemKey names an Idempotency-Key.
type idemKey struct {
	application int64
	hash        [16]byte
}

// decide tells what is to be done with entries of one kind, in their order. A write is known by its number and the time
// at which it was accepted, and an edit is done when its message has its version or a higher one.
func (r *restore) decide(ctx context.Context, q *db.Queries, p int, es []queue.Entry) (plan, error) {
	d := &decision{
		r: r, q: q, p: p, rows: map[queue.Place]row{}, dead: map[queue.Place][]db.DeadLetter{}, keys: map[idemKey]db.IdempotencyKey{},
		anew: map[chat.Scope]bool{}, last: map[chat.Scope]int64{}, letters: map[chat.Version]bool{},
	}
	if r.out.DryRun {
		d.last = r.last
	}
	if err := d.read(ctx, es); err != nil {
		return plan{}, err
	}
	for i := range es {
		var err error
		if es[i].Kind == queue.MessageEdited {
			d.edit(&es[i])
		} else {
			err = d.create(ctx, &es[i])
		}
		if err != nil {
			return plan{}, err
		}
	}
	return d.plan, nil
}

func place(e *queue.Entry) queue.Place { return queue.Place{Scope: e.Scope, Number: e.Number} }

func before(e *queue.Entry) queue.Place { return queue.Place{Scope: e.Scope, Number: e.Number - 1} }

// places are what is looked up for an entry: its number, and of what is created the one before, on which it follows.
func places(e *queue.Entry) []queue.Place {
	if e.Kind == queue.MessageEdited || e.Number == 1 {
		return []queue.Place{place(e)}
	}
	return []queue.Place{place(e), before(e)}
}

// read reads what is there of all entries at once: rows and dead letters of their places, and their Idempotency-Keys.
func (d *decision) read(ctx context.Context, es []queue.Entry) error {
	chats, messages, versions := map[db.ChatsByKeysRow]bool{}, map[db.MessagesByKeysRow]bool{}, []int64{}
	for i := range es {
		e := &es[i]
		versions = append(versions, int64(e.Version))
		if e.Kind == queue.ChatCreated {
			for _, at := range places(e) {
				chats[db.ChatsByKeysRow{ApplicationID: at.Scope.Application, Number: at.Number}] = true
			}
			continue
		}
		for _, at := range places(e) {
			messages[db.MessagesByKeysRow{ApplicationID: at.Scope.Application, ChatNumber: at.Scope.Chat, Number: at.Number}] = true
		}
		if _, held := d.r.chats[queue.Place{Scope: chat.Scope{Application: e.Scope.Application}, Number: e.Scope.Chat}]; held {
			chats[db.ChatsByKeysRow{ApplicationID: e.Scope.Application, Number: e.Scope.Chat}] = true
		}
	}
	for _, some := range chunks(keysOf(chats), page) {
		rows, err := d.q.ChatsByKeys(ctx, some)
		if err != nil {
			return err
		}
		for _, c := range rows {
			at := queue.Place{Scope: chat.Scope{Application: c.ApplicationID}, Number: c.Number}
			d.rows[at] = row{c.CreatedAt, chat.Version(c.Version)}
			if created, held := d.r.chats[at]; held && c.Version != 0 && !created.Equal(c.CreatedAt) {
				d.anew[chat.Scope{Application: c.ApplicationID, Chat: c.Number}] = true
			}
		}
	}
	for _, some := range chunks(keysOf(messages), page) {
		rows, err := d.q.MessagesByKeys(ctx, some)
		if err != nil {
			return err
		}
		for _, m := range rows {
			d.rows[queue.Place{Scope: chat.Scope{Application: m.ApplicationID, Chat: m.ChatNumber}, Number: m.Number}] = row{m.CreatedAt, chat.Version(m.Version)}
		}
	}
	for _, some := range chunks(versions, page) {
		known, err := d.q.LettersOfRestore(ctx, db.LettersOfRestoreParams{PartitionID: int32(d.p), Versions: some}) //nolint:gosec // ≤ 1024
		if err != nil {
			return err
		}
		for _, v := range known {
			d.letters[chat.Version(v)] = true
		}
	}
	if err := d.readDead(ctx, es); err != nil {
		return err
	}
	return d.readKeys(ctx, es)
}

// readDead reads the dead letters of the places that have no row, or that are edited.
func (d *decision) readDead(ctx context.Context, es []queue.Entry) error {
	wanted := map[db.DeadLettersByKeysRow]bool{}
	for i := range es {
		for _, at := range places(&es[i]) {
			if _, stored := d.rows[at]; !stored || es[i].Kind == queue.MessageEdited {
				wanted[db.DeadLettersByKeysRow{ApplicationID: at.Scope.Application, ChatNumber: at.Scope.Chat, Number: at.Number}] = true
			}
		}
	}
	for _, some := range chunks(keysOf(wanted), page) {
		letters, err := d.q.DeadLettersByKeys(ctx, some)
		if err != nil {
			return err
		}
		for _, l := range letters {
			at := queue.Place{Scope: chat.Scope{Application: l.ApplicationID, Chat: l.ChatNumber}, Number: l.Number}
			d.dead[at] = append(d.dead[at], l)
		}
	}
	return nil
}

// readKeys reads the Idempotency-Keys of entries that have no row.
func (d *decision) readKeys(ctx context.Context, es []queue.Entry) error {
	var keys []db.IdempotencyKeysByKeysRow
	for i := range es {
		e := &es[i]
		if row, stored := d.rows[place(e)]; e.Idempotency.Given && (!stored || !row.created.Equal(e.CreatedAt)) {
			keys = append(keys, db.IdempotencyKeysByKeysRow{ApplicationID: e.Scope.Application, KeyHash: e.Idempotency.Key[:]})
		}
	}
	for _, some := range chunks(keys, page) {
		known, err := d.q.IdempotencyKeysByKeys(ctx, some)
		if err != nil {
			return err
		}
		for _, k := range known {
			d.keys[idemKey{k.ApplicationID, [16]byte(k.KeyHash)}] = k
		}
	}
	return nil
}

// create decides on a chat or a message.
func (d *decision) create(ctx context.Context, e *queue.Entry) error {
	at := place(e)
	row, taken := d.rows[at]
	if n, known := d.last[e.Scope]; known && taken {
		d.last[e.Scope] = max(n, e.Number) // of a dry run: pods go on beside it
	}
	if taken && (row.created.Equal(e.CreatedAt) || row.version == 0) {
		d.plan.stored++
		return nil
	}
	for _, l := range d.dead[at] {
		if l.Kind != kinds[queue.MessageEdited] {
			taken = true
			if l.Version == int64(e.Version) {
				d.plan.stored++
				return nil
			}
		}
	}
	again, number := d.acceptedAgain(e)
	switch {
	case again && (taken || d.anew[e.Scope]): // nothing is free for it, and nothing has to be
		d.plan.stored++
		return nil
	case !d.r.apps[e.Scope.Application]:
		d.letter(e, "the database does not know its application")
		return nil
	case d.anew[e.Scope]:
		d.letter(e, "the number of its chat was given to another chat before the backup was restored")
		return nil
	case taken:
		d.letter(e, "its number was given to another write before the backup was restored")
		return nil
	}
	if err := d.follows(ctx, e); err != nil {
		return err
	}
	if again {
		e.Body = ""
		d.plan.holes = append(d.plan.holes, *e)
		d.dead[at] = append(d.dead[at], db.DeadLetter{Kind: kinds[e.Kind], Version: int64(e.Version)})
		d.r.f.Log.Info("a write of the backup was accepted again under another number", "partition", d.p, "number", e.Number, "again", number)
		return nil
	}
	d.rows[at] = newRow(e)
	if d.r.out.DryRun && d.r.edited[at] {
		d.r.planned[at] = d.rows[at]
	}
	d.plan.store = append(d.plan.store, *e)
	return nil
}

func newRow(e *queue.Entry) row { return row{e.CreatedAt, e.Version} }

// edit decides on an edit. It may be a dead letter itself, beside the row of its message.
func (d *decision) edit(e *queue.Entry) {
	at := place(e)
	refused := false // its message is a dead letter
	for _, l := range d.dead[at] {
		if l.Version == int64(e.Version) {
			d.plan.stored++
			return
		}
		refused = refused || (l.Kind == kinds[queue.MessageCreated] && l.CreatedAt.Equal(e.CreatedAt))
	}
	row, there := d.rows[at]
	if !there {
		row, there = d.r.planned[at]
	}
	switch {
	case there && row.created.Equal(e.CreatedAt) && row.version >= e.Version:
		d.plan.stored++
	case there && row.created.Equal(e.CreatedAt):
		row.version = e.Version
		d.rows[at] = row
		d.plan.store = append(d.plan.store, *e)
	case refused && !there:
		d.plan.store = append(d.plan.store, *e) // it becomes one too
	default:
		d.letter(e, "the message that it edits is not in the database")
	}
}

// letter makes a dead letter of a write, once.
func (d *decision) letter(e *queue.Entry, reason string) {
	if d.letters[e.Version] {
		d.plan.stored++
		return
	}
	d.plan.letters = append(d.plan.letters, deadEntry{*e, reason, whyTaken})
}

// acceptedAgain tells whether the write was accepted again, since its client sent it once more with its Idempotency-Key
// after Redis had lost it, and under which number. A key that stands for another write by now goes from the entry.
func (d *decision) acceptedAgain(e *queue.Entry) (again bool, number int64) {
	k, known := d.keys[idemKey{e.Scope.Application, e.Idempotency.Key}]
	if !e.Idempotency.Given || !known {
		return false, 0
	}
	if slices.Equal(k.PayloadHash, e.Idempotency.Payload[:]) && k.CreatedAt.Sub(e.CreatedAt).Abs() < keyLife {
		return true, k.Answer
	}
	e.Idempotency = chat.Idempotency{}
	return false, 0
}

// follows refuses a number above a gap. What the scope ends at is asked only where the number before is not known to be
// there, and once in a dry run, which stores nothing that the next batch could find.
func (d *decision) follows(ctx context.Context, e *queue.Entry) error {
	if _, stored := d.rows[before(e)]; !d.r.out.DryRun && (e.Number == 1 || stored || len(d.dead[before(e)]) > 0) {
		return nil
	}
	last, err := d.lastNumber(ctx, e.Scope)
	if err != nil {
		return err
	}
	if e.Number > last+1 {
		return fmt.Errorf("%w: of application %d, chat %d it has number %d, and the database ends at %d: what lies between is in neither; "+
			"a database that was restored itself must be newer than the backup of Redis", ErrOtherDatabase, e.Scope.Application, e.Scope.Chat, e.Number, last)
	}
	d.last[e.Scope] = max(last, e.Number)
	return nil
}

// lastNumber is the highest number of a scope that is stored, or is by this plan.
func (d *decision) lastNumber(ctx context.Context, s chat.Scope) (int64, error) {
	if n, known := d.last[s]; known {
		return n, nil
	}
	if s.Chat == 0 {
		row, err := d.q.SeedChats(ctx, db.SeedChatsParams{ApplicationID: s.Application, PartitionID: int32(d.p)}) //nolint:gosec // ≤ 1024
		d.last[s] = row.Number
		return row.Number, err
	}
	row, err := d.q.SeedMessages(ctx, db.SeedMessagesParams{ApplicationID: s.Application, ChatNumber: s.Chat, PartitionID: int32(d.p)}) //nolint:gosec // ≤ 1024
	d.last[s] = row.Number
	return row.Number, err
}

func isMissing(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func keysOf[K comparable](set map[K]bool) []K { return slices.Collect(maps.Keys(set)) }

// giveUp records numbers as holes: their writes are stored under others.
func (b *batch) giveUp(ctx context.Context, es []queue.Entry) error {
	if len(es) == 0 {
		return nil
	}
	holes := make([]deadEntry, len(es))
	var chats, messages []*queue.Entry
	for i := range es {
		holes[i] = deadEntry{es[i], "it was accepted again, with its Idempotency-Key, under another number", whyTaken}
		if es[i].Kind == queue.ChatCreated {
			chats = append(chats, &es[i])
		} else {
			messages = append(messages, &es[i])
		}
	}
	byScope := func(x, y *queue.Entry) int {
		return cmp.Or(cmp.Compare(x.Scope.Application, y.Scope.Application), cmp.Compare(x.Scope.Chat, y.Scope.Chat))
	}
	slices.SortFunc(chats, byScope)
	slices.SortFunc(messages, byScope)
	if err := b.lettersIn(ctx, db.SinkDatabase, StateDiscarded, holes); err != nil {
		return err
	}
	return b.raiseCounts(ctx, chats, messages)
}
