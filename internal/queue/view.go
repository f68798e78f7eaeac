package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// View is what Redis knows of a scope beyond the database.
type View struct {
	Pending []*Pending // for each number asked for: what is accepted and not known to be stored, or nil
	Last    int64      // the last number given, 0 when Redis does not know it
}

// view is a question on its way through the group of reads.
type view struct {
	scope   chat.Scope
	numbers []int64
	counter bool // whether the last number is asked for
	done    chan struct{}
	floor   *redis.SliceCmd
	pending *redis.SliceCmd
	last    *redis.SliceCmd
	err     error
}

// Views reads what Redis knows of the given numbers of a scope. It is to be read before the database, never after:
// a write that is flushed in between would be seen in neither.
func (q *Queue) Views(ctx context.Context, s chat.Scope, numbers []int64) (View, error) {
	v := &view{scope: s, numbers: numbers, counter: true, done: make(chan struct{}, 1)}
	if !q.reads.Add(v) {
		return View{}, fmt.Errorf("queue: too many reads wait")
	}
	select {
	case <-v.done:
	case <-ctx.Done():
		return View{}, ctx.Err()
	}
	if v.err != nil {
		return View{}, v.err
	}
	return v.decode()
}

// readViews answers a batch of questions.
func (q *Queue) readViews(batch []*view) {
	err := q.ask(context.Background(), batch) // the client's own timeouts bound it
	for _, v := range batch {
		v.err = err
		v.done <- struct{}{}
	}
}

// ask asks all of them in one pipeline.
func (q *Queue) ask(ctx context.Context, batch []*view) error {
	pipe := q.rdb.Pipeline()
	floors := make(map[int]*redis.SliceCmd, 16)
	for _, v := range batch {
		p := q.Partition(v.scope)
		if floors[p] == nil {
			floors[p] = pipe.HMGet(ctx, openKey(p), "floor", "floor_gen")
		}
		v.floor = floors[p]
		if v.counter {
			v.last = pipe.HMGet(ctx, seqKey(p, v.scope), "n", "gen")
		}
		if len(v.numbers) > 0 {
			fields := make([]string, len(v.numbers))
			for i, n := range v.numbers {
				fields[i] = itoa(n)
			}
			v.pending = pipe.HMGet(ctx, pendingKey(p, v.scope), fields...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("queue: read pending: %w", err)
	}
	return nil
}

func (v *view) decode() (View, error) {
	out := View{Pending: make([]*Pending, len(v.numbers))}
	floorID, _ := v.floor.Val()[0].(string)
	floorGen, _ := v.floor.Val()[1].(string)
	var floor chat.Version
	if floorID != "" {
		var err error
		if floor, err = chat.ParseVersion(floorID); err != nil {
			return out, fmt.Errorf("%w: floor", errReply)
		}
	}
	if v.counter {
		if n, _ := v.last.Val()[0].(string); n != "" {
			gen, _ := v.last.Val()[1].(string)
			w := words{rest: n + " " + gen + " " + cmp.Or(floorGen, "0")}
			last, given, valid := w.number(), w.number(), w.number()
			if w.bad {
				return out, fmt.Errorf("%w: counter", errReply)
			}
			if given >= valid { // else it was given before what is void
				out.Last = last
			}
		}
	}
	if v.pending == nil {
		return out, nil
	}
	for i, raw := range v.pending.Val() {
		s, ok := raw.(string)
		if !ok {
			continue
		}
		p, err := decodePending(s)
		if err != nil {
			return out, err
		}
		if p.Version > floor {
			out.Pending[i] = &p
		}
	}
	return out, nil
}

// Lasts reads the last numbers given in many scopes, 0 where Redis does not know.
func (q *Queue) Lasts(ctx context.Context, scopes []chat.Scope) ([]int64, error) {
	views := make([]*view, len(scopes))
	for i, s := range scopes {
		views[i] = &view{scope: s, counter: true}
	}
	for some := range slices.Chunk(views, maxBatch) {
		if err := q.ask(ctx, some); err != nil {
			return nil, err
		}
	}
	lasts := make([]int64, len(scopes))
	for i, v := range views {
		out, err := v.decode()
		if err != nil {
			return nil, err
		}
		lasts[i] = out.Last
	}
	return lasts, nil
}

// Place is where a message is.
type Place struct {
	Scope  chat.Scope
	Number int64
}

// Pending is what Views says of single numbers, for less: nil for nothing. No more than a batch is asked for at once.
func (q *Queue) Pending(ctx context.Context, of []Place) ([]*Pending, error) {
	views := make([]*view, len(of))
	for i, p := range of {
		views[i] = &view{scope: p.Scope, numbers: []int64{p.Number}}
	}
	if err := q.ask(ctx, views); err != nil {
		return nil, err
	}
	pending := make([]*Pending, len(of))
	for i, v := range views {
		out, err := v.decode()
		if err != nil {
			return nil, err
		}
		pending[i] = out.Pending[0]
	}
	return pending, nil
}
