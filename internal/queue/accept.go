package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// Write is what a client wants accepted.
type Write struct {
	Kind        Kind
	Scope       chat.Scope
	Number      int64     // of the message to edit
	CreatedAt   time.Time // of the message to edit
	Body        string
	Idempotency chat.Idempotency
	trace       TraceContext // which the entry takes along
}

// question asks accept.lua for a counter and adds nothing.
const question Kind = 'q'

// Result of an accepted write.
type Result struct {
	Number    int64
	Version   chat.Version
	UpdatedAt time.Time
	Replayed  bool // the answer is that of an earlier write with the same Idempotency-Key
}

// call is a write on its way through a lane.
type call struct {
	Write
	partition int
	deadline  time.Time // after which it is not sent any more
	asked     int64     // generation in which the database was asked for the Idempotency-Key; 0: not
	done      chan struct{}
	reply     reply
	err       error
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// Accept gives a write its number and makes it durable in Redis. Its errors are *chat.Error: NotFound, KeyReused,
// Unavailable (nothing was done) and OutcomeUnknown.
func (q *Queue) Accept(ctx context.Context, w Write) (Result, error) {
	if q.traced(ctx, w.Kind) {
		return q.acceptTraced(ctx, w)
	}
	return q.accept(ctx, w)
}

func (q *Queue) accept(ctx context.Context, w Write) (Result, error) {
	c := calls.Get().(*call)
	c.Write, c.partition, c.asked, c.deadline = w, q.Partition(w.Scope), 0, time.Now().Add(acceptTimeout)
	defer func() {
		c.Write = Write{}
		calls.Put(c)
	}()
	for try := 0; ; try++ {
		r, err := q.attempt(c)
		if err != nil {
			return Result{}, err
		}
		switch r.status {
		case replyOK, replyReplay:
			if q.Stored != nil && c.Kind != question {
				if err := q.Stored(ctx, c.partition, r.version); err != nil {
					q.metrics.refused.WithLabelValues("database").Inc()
					return Result{}, unknown(err)
				}
			}
			return Result{r.number, r.version, micros(r.updated), r.status == replyReplay}, nil
		case replyAbsent:
			return Result{}, chat.Errorf(chat.NotFound, "There is no such message.")
		case replyReused:
			return Result{}, chat.Errorf(chat.KeyReused, "The Idempotency-Key was used with another payload.")
		case replyFull:
			return Result{}, q.refuse("full", errors.New("queue: QUEUE_MAX_ENTRIES reached"))
		case replyFailed:
			return Result{}, q.refuse("failed", errors.New("queue: XADD failed"))
		case replyClosed:
			return Result{}, q.refuse("closed", errors.New("queue: a backup is being restored"))
		case replyAsk:
			res, found, err := q.storedKey(ctx, c, r)
			if err != nil || found {
				return res, err
			}
		case replySeed:
			err = q.seed(ctx, c, r)
		case replyStale:
			err = q.openAfter(ctx, c.partition, r)
		}
		if err != nil {
			return Result{}, err
		}
		if try > 3 { // many open at once: back off at random
			pause := time.NewTimer(time.Duration(rand.Int64N(int64(min(try, 20)) * int64(5*time.Millisecond)))) //nolint:gosec // no secret
			select {
			case <-pause.C:
			case <-ctx.Done():
				return Result{}, unavailable(ctx.Err())
			}
		}
		if time.Now().After(c.deadline) {
			return Result{}, q.refuse("opening", errors.New("queue: the partition did not open in time"))
		}
	}
}

// attempt sends the call through its lane once.
func (q *Queue) attempt(c *call) (reply, error) {
	c.err = nil
	if !q.lane(c.partition).group.Add(c) {
		return reply{}, q.refuse("waiting", errors.New("queue: too many writes wait"))
	}
	<-c.done
	return c.reply, c.err
}

// storedKey asks the database for the answer of an Idempotency-Key that Redis does not have. What it says holds for the
// generation in which Redis was asked before; under another one it is asked again.
func (q *Queue) storedKey(ctx context.Context, c *call, r reply) (Result, bool, error) {
	failpoint.Hit(q, "accept.ask")
	payload, number, found, err := q.ledger.StoredKey(ctx, c.Scope.Application, c.Idempotency.Key)
	failpoint.Hit(q, "accept.asked")
	switch {
	case err != nil:
		return Result{}, false, q.refuse("database", err)
	case found && payload != c.Idempotency.Payload:
		return Result{}, false, chat.Errorf(chat.KeyReused, "The Idempotency-Key was used with another payload.")
	}
	c.asked = r.gen
	return Result{Number: number, Replayed: true}, found, nil
}

// seed sets the counter of the call's scope from the database, after it has proved that what holds the scope exists.
func (q *Queue) seed(ctx context.Context, c *call, r reply) error {
	if c.Scope.Chat != 0 {
		last, err := q.LastNumber(ctx, chat.Scope{Application: c.Scope.Application})
		if err != nil {
			return err
		}
		if c.Scope.Chat > last {
			return chat.Errorf(chat.NotFound, "There is no such chat.")
		}
	}
	failed, err, _ := q.seeds.Do(string(appendScope(nil, c.Scope)), func() (any, error) {
		failpoint.Hit(q, "seed.read")
		n, gen, err := q.ledger.LastNumber(ctx, c.partition, c.Scope, r.number)
		failpoint.Hit(q, "seed.write")
		if err != nil {
			return "database", err
		}
		if gen != r.gen { // a reading of another generation is no seed; under the database's, Redis is stale or was reopened
			q.parts[c.partition].gen.CompareAndSwap(r.gen, gen)
			return nil, nil
		}
		_, err = q.run(ctx, q.scripts.seed, []string{openKey(c.partition), seqKey(c.partition, c.Scope), pendingKey(c.partition, c.Scope)},
			r.gen, r.time, max(n, r.number), seedAge.Microseconds(), int64(counterTTL/time.Second))
		failpoint.Hit(q, "seed.done")
		if err != nil {
			return why(err), err
		}
		return nil, nil
	})
	if err != nil { // of each write that waited for it
		return q.refuse(failed.(string), err)
	}
	return nil
}

// LastNumber is the last number given in a scope, 0 for none: proved in Redis, or seeded from the database first.
func (q *Queue) LastNumber(ctx context.Context, s chat.Scope) (int64, error) {
	r, err := q.Accept(ctx, Write{Kind: question, Scope: s})
	return r.Number, err
}

// refuse counts a write of which nothing was done.
func (q *Queue) refuse(reason string, err error) error {
	q.metrics.refused.WithLabelValues(reason).Inc()
	return unavailable(err)
}

func unavailable(err error) error {
	return &chat.Error{Code: chat.Unavailable, Message: "The write can't be accepted now; nothing was done.", Err: err}
}

func unknown(err error) error {
	return &chat.Error{
		Code: chat.OutcomeUnknown, Err: err,
		Message: "Whether the write was accepted is not known. Sent again with the Idempotency-Key that it had, it is never done twice.",
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
