package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"testing"

	"chat-system/db"
)

func (e *engine) chats(t *testing.T, app int64) []db.Chat {
	t.Helper()
	rows, err := e.ChatsAfter(t.Context(), db.ChatsAfterParams{ApplicationID: app, Limit: 1000})
	must(t, err)
	return rows
}

// counts gives the messages' counts of an application's chats, in the order of their numbers.
func (e *engine) counts(t *testing.T, app int64) []int64 {
	t.Helper()
	var out []int64
	for _, c := range e.chats(t, app) {
		out = append(out, c.MessagesCount)
	}
	return out
}

func TestChatsAreListedByTheirNumber(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for _, n := range []int64{10, 2, 1, 9} {
			must(t, addChat(ctx, e.Queries, 1, n))
		}
		must(t, e.InsertChat(ctx, db.InsertChatParams{ApplicationID: 2, Number: 5, MessagesCount: 6, Version: 7, CreatedAt: at(8), UpdatedAt: at(9)}))
		list := func(app, after int64, limit int32) (numbers []int64) {
			rows, err := e.ChatsAfter(ctx, db.ChatsAfterParams{ApplicationID: app, Number: after, Limit: limit})
			must(t, err)
			for _, c := range rows {
				numbers = append(numbers, c.Number)
			}
			return numbers
		}
		sameList(t, "all", list(1, 0, 9), 1, 2, 9, 10)
		sameList(t, "a page", list(1, 1, 2), 2, 9)
		sameList(t, "past the end", list(1, 10, 2))
		sameList(t, "of an unknown application", list(3, 0, 2))
		c := e.chats(t, 2)[0]
		c.CreatedAt, c.UpdatedAt = c.CreatedAt.UTC(), c.UpdatedAt.UTC()
		same(t, "every column", c, db.Chat{ApplicationID: 2, Number: 5, MessagesCount: 6, Version: 7, CreatedAt: at(8), UpdatedAt: at(9)})
	})
}

func TestAllChatsAreScannedOverEveryBorder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		var want []string
		for app := int64(1); app <= 3; app++ {
			for n := int64(1); n <= 2*app; n += app { // two chats each, with holes
				must(t, addChat(t.Context(), e.Queries, app, n))
				want = append(want, fmt.Sprint(app, n))
			}
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			chats := walk(limit, func(last *db.Chat) []db.Chat {
				if last == nil {
					last = &db.Chat{}
				}
				page, err := e.ScanChats(t.Context(), *last, int32(limit))
				must(t, err)
				return page
			})
			var got []string
			for _, c := range chats {
				got = append(got, fmt.Sprint(c.ApplicationID, c.Number))
			}
			sameList(t, fmt.Sprint("pages of ", limit), got, want...)
		}
	})
}

func TestMessagesOfChatsAreCounted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for n := int64(1); n <= 3; n++ {
			must(t, addChat(ctx, e.Queries, 1, n))
			must(t, addChat(ctx, e.Queries, 2, n))
		}
		counted(t, 1)(e.AddMessagesCount(ctx, db.AddMessagesCountParams{Delta: 4, ApplicationID: 1, Number: 2}))
		counted(t, 0)(e.AddMessagesCount(ctx, db.AddMessagesCountParams{Delta: 4, ApplicationID: 1, Number: 9}))
		counted(t, 2)(e.AddMessagesCounts(ctx, 3, []db.AddMessagesCountsRow{{ApplicationID: 1, Number: 1}, {ApplicationID: 1, Number: 2}, {ApplicationID: 3, Number: 3}}))
		sameList(t, "raised, but for what has no row", e.counts(t, 1), 3, 7, 0)
		sameList(t, "the other application's", e.counts(t, 2), 0, 0, 0)
		set := func(to, number int64) (int64, error) {
			return e.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: to, ApplicationID: 1, Number: number})
		}
		counted(t, 1)(set(8, 2))
		counted(t, 0)(set(8, 2))
		counted(t, 0)(set(8, 9))
		sameList(t, "set", e.counts(t, 1), 3, 8, 0)
	})
}

func TestALockedChatIsCountedWhileItsFlushWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, addChat(ctx, e.Queries, 1, 1))
		e.whileLocked(t,
			func(q *db.Queries) error { return q.LockChat(ctx, db.LockChatParams{ApplicationID: 1, Number: 1}) },
			func(q *db.Queries) error {
				_, err := q.AddMessagesCounts(ctx, 5, []db.AddMessagesCountsRow{{ApplicationID: 1, Number: 1}})
				return err
			},
			func(q *db.Queries) error {
				_, err := q.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: 10, ApplicationID: 1, Number: 1})
				return err
			})
		sameList(t, "the recount's, then the flush's", e.counts(t, 1), 15)
	})
}

// The count of a chat that has no row yet is raised in the transaction that stores the messages. Its gap is locked, so
// that the chat comes after it, and takes the count of what it finds.
func TestAChatComesAfterTheMessagesThatRaiseItsCount(t *testing.T) {
	t.Parallel()
	onEach(t, chatComesAfterItsMessages)
}

func chatComesAfterItsMessages(t *testing.T, e *engine) {
	ctx := t.Context()
	must(t, addChat(ctx, e.Queries, 1, 1))
	must(t, addChat(ctx, e.Queries, 1, 9))
	var seen []db.CountMessagesOfChatsRow
	e.whileLocked(t,
		func(q *db.Queries) error {
			n, err := q.AddMessagesCounts(ctx, 1, []db.AddMessagesCountsRow{{ApplicationID: 1, Number: 5}})
			same(t, "rows of a chat to come", n, 0)
			return err
		},
		func(q *db.Queries) (err error) {
			if err := addChat(ctx, q, 1, 5); err != nil {
				return err
			}
			seen, err = q.CountMessagesOfChats(ctx, db.CountMessagesOfChatsParams{ApplicationID: 1, ChatNumbers: []int64{5}})
			return err
		},
		func(q *db.Queries) error { return addMessage(ctx, q, 1, 5, 1) })
	sameList(t, "what the chat finds", seen, db.CountMessagesOfChatsRow{ChatNumber: 5, Counted: 1})
}

func TestChatsAreSeededAboveAllThatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		counted(t, 1)(e.BumpGeneration(ctx, db.BumpGenerationParams{Seen: 4, Replid: "r", PartitionID: 1}))
		seed := func(what string, want int64) {
			t.Helper()
			row, err := e.SeedChats(ctx, db.SeedChatsParams{ApplicationID: 1, PartitionID: 1})
			must(t, err)
			same(t, what, row, db.SeedChatsRow{Gen: 5, Number: want})
		}
		for n, add := range []func() error{
			func() error { return nil },
			func() error { return addChat(ctx, e.Queries, 1, 1) },
			func() error { return e.InsertDeadLetter(ctx, letter("chat", 1, 1, 0, 2)) },
			func() error { return addMessage(ctx, e.Queries, 1, 3, 90) },
			func() error { return e.InsertDeadLetter(ctx, letter("message", 2, 1, 4, 90)) },
			func() error { return addChat(ctx, e.Queries, 1, 5) },
		} {
			must(t, add())
			must(t, addChat(ctx, e.Queries, 2, int64(100+n)))
			seed(fmt.Sprint("after step ", n), int64(n))
		}
		l := letter("message", 3, 1, 0, 50) // no such thing: what names no chat and is none
		must(t, e.InsertDeadLetter(ctx, l))
		seed("a letter that is no chat's", 5)
		must(t, addChat(ctx, e.Queries, 1, math.MaxInt64))
		seed("the highest number", math.MaxInt64)
		if _, err := e.SeedChats(ctx, db.SeedChatsParams{ApplicationID: 1, PartitionID: partitions}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("a partition that is none: %v", err)
		}
	})
}

func TestTheLastChatIsThatWithARow(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		last := func() int64 {
			n, err := e.LastChat(ctx, 1)
			must(t, err)
			return n
		}
		same(t, "none", last(), 0)
		must(t, addChat(ctx, e.Queries, 1, 3))
		must(t, addChat(ctx, e.Queries, 2, 8))
		must(t, addMessage(ctx, e.Queries, 1, 7, 1))
		must(t, e.InsertDeadLetter(ctx, letter("chat", 1, 1, 0, 9)))
		same(t, "one", last(), 3)
	})
}
