package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"chat-system/db"
)

func names(letters []db.DeadLetter) (out []string) {
	for _, l := range letters {
		out = append(out, fmt.Sprint(l.PartitionID, "/", l.Version, "/", l.Sink))
	}
	return out
}

func TestADeadLetterKeepsItsWrite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		want := db.DeadLetter{
			PartitionID: 1, Version: 2, Sink: index, Kind: "edit", ApplicationID: 3, ChatNumber: 4, Number: 5,
			Payload: []byte("\x00payload"), Reason: "why 😀", State: "open", CreatedAt: at(6),
		}
		must(t, e.InsertDeadLetter(ctx, db.InsertDeadLetterParams(want)))
		got, err := e.DeadLetter(ctx, db.DeadLetterParams{PartitionID: 1, Version: 2, Sink: index})
		must(t, err)
		got.CreatedAt = got.CreatedAt.UTC()
		same(t, "every column", fmt.Sprint(got), fmt.Sprint(want))
		if _, err := e.DeadLetter(ctx, db.DeadLetterParams{PartitionID: 1, Version: 2, Sink: db.SinkDatabase}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("another sink: %v", err)
		}
	})
}

func TestDeadLettersAreListedByStateOverEveryBorder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		var want []string
		for _, k := range []db.DeadLetter{
			{PartitionID: 0, Version: 5, Sink: "a"}, {PartitionID: 0, Version: 5, Sink: "b"}, {PartitionID: 0, Version: 9, Sink: "a"},
			{PartitionID: 1, Version: 1, Sink: "a"}, {PartitionID: 1, Version: 9, Sink: "a"}, {PartitionID: 3, Version: 2, Sink: "b"},
		} {
			l := letter("message", k.Version, 1, 1, 1)
			l.PartitionID, l.Sink = k.PartitionID, k.Sink
			must(t, e.InsertDeadLetter(t.Context(), l))
			l.State, l.Sink = "stored", k.Sink+"x"
			must(t, e.InsertDeadLetter(t.Context(), l))
			want = append(want, names([]db.DeadLetter{k})...)
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			got := walk(limit, func(last *db.DeadLetter) []db.DeadLetter {
				p := db.DeadLettersParams{State: "open", Limit: int32(limit)}
				if last != nil {
					p.PartitionID, p.Version, p.Sink = last.PartitionID, last.Version, last.Sink
				}
				page, err := e.DeadLetters(t.Context(), p)
				must(t, err)
				return page
			})
			sameList(t, fmt.Sprint("pages of ", limit), names(got), want...)
		}
	})
}

func TestADeadLetterMovesFromItsStateAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertDeadLetter(ctx, letter("message", 1, 1, 1, 1)))
		must(t, e.InsertDeadLetter(ctx, letter("message", 2, 1, 1, 2)))
		move := func(from, to, reason string) (int64, error) {
			return e.MoveDeadLetter(ctx, db.MoveDeadLetterParams{State: to, Reason: reason, PartitionID: 1, Version: 1, Sink: db.SinkDatabase, OldState: from})
		}
		counts := func(want ...db.CountDeadLettersRow) {
			t.Helper()
			rows, err := e.CountDeadLetters(ctx)
			must(t, err)
			got := map[db.CountDeadLettersRow]bool{}
			for _, r := range rows {
				got[r] = true
			}
			same(t, "groups", len(rows), len(want))
			for _, w := range want {
				same(t, fmt.Sprint(w), got[w], true)
			}
		}
		counts(db.CountDeadLettersRow{Sink: db.SinkDatabase, State: "open", Letters: 2})
		counted(t, 0)(move("stored", "discarded", "no"))
		counted(t, 1)(move("open", "open", "refused")) // found, though nothing changes
		counted(t, 1)(move("open", "open", "refused again"))
		counted(t, 1)(move("open", "discarded", "an operator"))
		counted(t, 0)(move("open", "stored", "late"))
		l, err := e.DeadLetter(ctx, db.DeadLetterParams{PartitionID: 1, Version: 1, Sink: db.SinkDatabase})
		must(t, err)
		same(t, "moved", l.State+", "+l.Reason, "discarded, an operator")
		other := letter("message", 1, 1, 1, 1)
		other.Sink = index
		must(t, e.InsertDeadLetter(ctx, other))
		counts(db.CountDeadLettersRow{Sink: db.SinkDatabase, State: "open", Letters: 1},
			db.CountDeadLettersRow{Sink: db.SinkDatabase, State: "discarded", Letters: 1},
			db.CountDeadLettersRow{Sink: index, State: "open", Letters: 1})
	})
}

func TestAWindowOfDeadLettersIsOfTheDatabaseAndInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for _, l := range []db.InsertDeadLetterParams{
			letter("message", 10, 1, 1, 4), letter("edit", 11, 1, 1, 3), letter("message", 9, 1, 1, 3), letter("message", 12, 1, 1, 5),
			letter("message", 13, 1, 1, 2), letter("message", 14, 1, 2, 3), letter("message", 15, 2, 1, 3), letter("chat", 16, 1, 0, 3),
		} {
			must(t, e.InsertDeadLetter(ctx, l))
			l.Sink, l.Number = index, 3
			must(t, e.InsertDeadLetter(ctx, l))
		}
		window := func(chat, from, to int64) (out []string) {
			rows, err := e.DeadLettersInWindow(ctx, db.DeadLettersInWindowParams{ApplicationID: 1, ChatNumber: chat, FromNumber: from, ToNumber: to})
			must(t, err)
			for _, l := range rows {
				out = append(out, fmt.Sprintf("%d %s %d", l.Number, l.Kind, l.Version))
			}
			return out
		}
		sameList(t, "an edit after its message", window(1, 3, 4), "3 message 9", "3 edit 11", "4 message 10")
		sameList(t, "of chats", window(0, 1, 99), "3 chat 16")
		sameList(t, "nothing", window(1, 6, 99))
	})
}

func TestDeadVersionsAreThoseWithoutARowInAStretch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for v, state := range map[int64]string{10: "open", 11: "open", 12: "stored", 13: "discarded", 14: "open", 15: "open"} {
			l := letter("message", v, 1, 1, v)
			l.State = state
			must(t, e.InsertDeadLetter(ctx, l))
			l.PartitionID = 2
			must(t, e.InsertDeadLetter(ctx, l))
			l.PartitionID, l.Sink, l.Version = 1, index, v+100
			must(t, e.InsertDeadLetter(ctx, l))
		}
		got, err := e.DeadVersions(ctx, db.DeadVersionsParams{PartitionID: 1, Above: 10, ToVersion: 14})
		must(t, err)
		sameList(t, "above the first, up to the last", got, 11, 13, 14)
	})
}
