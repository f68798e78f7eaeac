package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"chat-system/db"
)

const index = "messages-1" // a search index's sink

func (e *engine) cursor(t *testing.T, partition int32, sink string) db.FlushCursor {
	t.Helper()
	c, err := e.Cursor(t.Context(), db.CursorParams{PartitionID: partition, Sink: sink})
	must(t, err)
	return c
}

func TestTheCursorMovesFromWhereItIsAndInItsGenerationAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		same(t, "new", e.cursor(t, 1, db.SinkDatabase), db.FlushCursor{PartitionID: 1, Sink: db.SinkDatabase, State: db.StateFollow})
		must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 1, Sink: index, State: db.StateFollow}))
		counted(t, 1)(e.BumpGeneration(ctx, db.BumpGenerationParams{Seen: 2, Replid: "first", PartitionID: 1}))
		advance := func(old, gen, to int64) (int64, error) {
			return e.AdvanceCursor(ctx, db.AdvanceCursorParams{Position: to, PositionGen: gen, PartitionID: 1, OldPosition: old, Gen: gen})
		}
		counted(t, 0)(advance(0, 0, 10)) // an older generation
		counted(t, 0)(advance(0, 4, 10)) // a later one
		counted(t, 0)(advance(5, 3, 10)) // another position
		same(t, "not moved", e.cursor(t, 1, db.SinkDatabase).Position, 0)
		counted(t, 1)(advance(0, 3, 10))
		counted(t, 0)(advance(0, 3, 10)) // twice
		counted(t, 1)(advance(10, 3, 10))
		counted(t, 1)(advance(10, 3, math.MaxInt64))
		same(t, "moved", e.cursor(t, 1, db.SinkDatabase),
			db.FlushCursor{PartitionID: 1, Sink: db.SinkDatabase, Position: math.MaxInt64, PositionGen: 3, Gen: 3, Replid: "first", State: db.StateFollow})
		same(t, "the next partition's", e.cursor(t, 2, db.SinkDatabase).Position, 0)
		same(t, "the index's", e.cursor(t, 1, index).Position, 0)
	})
}

func TestAGenerationIsAboveTheCallersAndTheOneSeen(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 1, Sink: index, State: db.StateFollow}))
		bump := func(mine, seen int64, replid string) (int64, error) {
			return e.BumpGeneration(ctx, db.BumpGenerationParams{Seen: seen, Replid: replid, PartitionID: 1, Gen: mine})
		}
		is := func(gen int64, replid string) {
			t.Helper()
			c := e.cursor(t, 1, db.SinkDatabase)
			same(t, "generation", c.Gen, gen)
			same(t, "replid", c.Replid, replid)
		}
		counted(t, 1)(bump(0, 0, "a"))
		is(1, "a")
		counted(t, 0)(bump(0, 0, "b")) // somebody else was first
		is(1, "a")
		counted(t, 1)(bump(1, 7, "b")) // Redis is ahead
		is(8, "b")
		counted(t, 1)(bump(8, 3, "b")) // behind
		is(9, "b")
		counted(t, 1)(bump(9, math.MaxInt64-1, "0123456789012345678901234567890123456789"))
		is(math.MaxInt64, "0123456789012345678901234567890123456789")
		same(t, "the index's", e.cursor(t, 1, index).Gen, 0)
		same(t, "the next partition's", e.cursor(t, 2, db.SinkDatabase).Gen, 0)
	})
}

func TestOneOfManyMovesTheCursor(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		const rounds, rivals = 5, 8
		for round := range int64(rounds) {
			var moved, bumped atomic.Int64
			var wg sync.WaitGroup
			for range rivals {
				wg.Go(func() {
					n, err := e.AdvanceCursor(t.Context(), db.AdvanceCursorParams{Position: round + 1, PartitionID: 1, OldPosition: round})
					moved.Add(n)
					m, err2 := e.BumpGeneration(t.Context(), db.BumpGenerationParams{Seen: 0, PartitionID: 2, Gen: round})
					bumped.Add(m)
					if err := errors.Join(err, err2); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			same(t, "who moved it", moved.Load(), 1)
			same(t, "who opened it", bumped.Load(), 1)
		}
	})
}

func TestASinkMovesFromItsPositionAndStateAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 1, Sink: index, State: db.StateResync}))
		must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 2, Sink: index, State: db.StateResync}))
		gen := int64(0)
		advance := func(sink string, old int64, oldState string, to int64, state string) (int64, error) {
			return e.AdvanceSink(ctx, db.AdvanceSinkParams{
				Position: to, PositionGen: 3, State: state, PartitionID: 1, Sink: sink, OldPosition: old, OldPositionGen: gen, OldState: oldState,
			})
		}
		counted(t, 0)(advance(index, 0, db.StateFollow, 5, db.StateFollow)) // another state
		counted(t, 0)(advance(index, 1, db.StateResync, 5, db.StateFollow)) // another position
		counted(t, 0)(advance("messages-2", 0, db.StateResync, 5, db.StateFollow))
		gen = 2
		counted(t, 0)(advance(index, 0, db.StateResync, 5, db.StateFollow)) // another position's generation
		gen = 0
		counted(t, 1)(advance(index, 0, db.StateResync, 5, db.StateFollow))
		gen = 3
		counted(t, 1)(advance(index, 5, db.StateFollow, 5, db.StateFollow)) // found, though nothing changes
		same(t, "moved", e.cursor(t, 1, index), db.FlushCursor{PartitionID: 1, Sink: index, Position: 5, PositionGen: 3, State: db.StateFollow})
		same(t, "the next partition's", e.cursor(t, 2, index).State, db.StateResync)
		same(t, "the database's", e.cursor(t, 1, db.SinkDatabase).Position, 0)
	})
}

func TestSinksComeAndGo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		sinks := func() []string {
			s, err := e.SearchSinks(ctx)
			must(t, err)
			return s
		}
		sameList(t, "none", sinks())
		for _, s := range []string{"messages-2", index} {
			for p := range int32(partitions) {
				must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: partitions - 1 - p, Sink: s, State: db.StateResync}))
			}
		}
		if err := e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: 1, Sink: index, State: db.StateFollow}); !db.IsDuplicate(err) {
			t.Errorf("a cursor that is there: %v", err)
		}
		sameList(t, "two", sinks(), index, "messages-2")
		for _, s := range []string{db.SinkDatabase, index} {
			cursors, err := e.Cursors(ctx, s)
			must(t, err)
			var got []string
			for _, c := range cursors {
				got = append(got, fmt.Sprint(c.PartitionID, c.Sink))
			}
			sameList(t, "in order", got, "0"+s, "1"+s, "2"+s, "3"+s)
		}
		must(t, e.DeleteSink(ctx, index))
		must(t, e.DeleteSink(ctx, db.SinkDatabase)) // never
		sameList(t, "one", sinks(), "messages-2")
		same(t, "the database's cursor", e.cursor(t, 3, db.SinkDatabase).State, db.StateFollow)
		if _, err := e.Cursor(ctx, db.CursorParams{PartitionID: 1, Sink: index}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("a cursor that is gone: %v", err)
		}
	})
}

func TestALockedCursorHoldsOffFlushes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		var moved int64
		e.whileLocked(t,
			func(q *db.Queries) error {
				n, err := q.LockCursor(ctx, db.LockCursorParams{PartitionID: 1, Gen: 7})
				same(t, "a lock in another generation", n, 0)
				if err != nil {
					return err
				}
				n, err = q.LockCursor(ctx, db.LockCursorParams{PartitionID: 1, Gen: 0})
				same(t, "a lock", n, 1)
				return err
			},
			func(q *db.Queries) (err error) {
				moved, err = q.AdvanceCursor(ctx, db.AdvanceCursorParams{Position: 1, PartitionID: 1, Gen: 0})
				return err
			},
			func(q *db.Queries) error {
				_, err := q.BumpGeneration(ctx, db.BumpGenerationParams{Seen: 0, PartitionID: 1})
				return err
			})
		same(t, "a flush of the older generation", moved, 0)
		same(t, "the locked row", e.cursor(t, 1, db.SinkDatabase), db.FlushCursor{PartitionID: 1, Sink: db.SinkDatabase, Gen: 1, State: db.StateFollow})
	})
}
