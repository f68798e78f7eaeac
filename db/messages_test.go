package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"testing"

	"chat-system/db"
)

func (e *engine) message(t *testing.T, app, chat, number int64) db.Message {
	t.Helper()
	m, err := e.MessageByKey(t.Context(), db.MessageByKeyParams{ApplicationID: app, ChatNumber: chat, Number: number})
	must(t, err)
	m.CreatedAt, m.UpdatedAt = m.CreatedAt.UTC(), m.UpdatedAt.UTC()
	return m.Message()
}

func keys(messages []db.Message) (out []string) {
	for _, m := range messages {
		out = append(out, fmt.Sprint(m.ApplicationID, m.ChatNumber, m.Number))
	}
	return out
}

func TestAMessageIsFoundByItsKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		want := db.Message{ApplicationID: 1, ChatNumber: 2, Number: 3, Body: "a body", Version: 4, CreatedAt: at(5), UpdatedAt: at(6)}
		must(t, e.InsertMessage(ctx, db.InsertMessageParams(want)))
		must(t, addMessage(ctx, e.Queries, 1, 3, 2))
		same(t, "every column", e.message(t, 1, 2, 3), want)
		if _, err := e.MessageByKey(ctx, db.MessageByKeyParams{ApplicationID: 1, ChatNumber: 2, Number: 2}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("another key: %v", err)
		}
	})
}

func TestAnEditAppliesOverALowerVersionAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertMessage(ctx, db.InsertMessageParams{ApplicationID: 1, ChatNumber: 1, Number: 1, Body: "first", Version: 10, CreatedAt: at(0), UpdatedAt: at(0)}))
		must(t, addMessage(ctx, e.Queries, 1, 1, 2))
		edit := func(number, version int64, body string) (int64, error) {
			return e.UpdateMessage(ctx, db.UpdateMessageParams{Body: body, Version: version, UpdatedAt: at(int(version)), ApplicationID: 1, ChatNumber: 1, Number: number})
		}
		counted(t, 0)(edit(1, 9, "older"))
		counted(t, 0)(edit(1, 10, "the same"))
		same(t, "untouched", e.message(t, 1, 1, 1).Body, "first")
		counted(t, 1)(edit(1, 11, "first")) // the same text is an edit as well
		counted(t, 1)(edit(1, 15, "second"))
		counted(t, 0)(edit(1, 12, "late"))
		counted(t, 0)(edit(3, 99, "no row"))
		want := db.Message{ApplicationID: 1, ChatNumber: 1, Number: 1, Body: "second", Version: 15, CreatedAt: at(0), UpdatedAt: at(15)}
		same(t, "edited", e.message(t, 1, 1, 1), want)
		same(t, "the other", e.message(t, 1, 1, 2).Body, "body")
	})
}

func TestMessagesAreListedByTheirNumber(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for _, n := range []int64{10, 2, 1, 9} {
			must(t, addMessage(ctx, e.Queries, 1, 2, n))
		}
		must(t, addMessage(ctx, e.Queries, 1, 1, 5))
		must(t, addMessage(ctx, e.Queries, 1, 3, 5))
		must(t, addMessage(ctx, e.Queries, 2, 2, 5))
		list := func(after int64, limit int32) []string {
			rows, err := e.MessagesAfter(ctx, db.MessagesAfterParams{ApplicationID: 1, ChatNumber: 2, Number: after, Limit: limit})
			must(t, err)
			return keys(rows)
		}
		sameList(t, "all", list(0, 9), "1 2 1", "1 2 2", "1 2 9", "1 2 10")
		sameList(t, "a page", list(1, 2), "1 2 2", "1 2 9")
		sameList(t, "past the end", list(10, 2))
		sameList(t, "past the highest number", list(math.MaxInt64, 2))
		rows, err := e.MessagesAfterChat(ctx, db.MessagesAfterChatParams{ApplicationID: 1, ChatNumber: 1, Limit: 3})
		must(t, err)
		sameList(t, "after a chat", keys(rows), "1 2 1", "1 2 2", "1 2 9")
		rows, err = e.MessagesAfterApplication(ctx, db.MessagesAfterApplicationParams{ApplicationID: 1, Limit: 3})
		must(t, err)
		sameList(t, "after an application", keys(rows), "2 2 5")
	})
}

func TestAllMessagesAreScannedOverEveryBorder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		var want []string
		for _, k := range [][3]int64{{1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {1, 10, 1}, {2, 1, 1}, {2, 1, 3}, {2, 7, 1}, {9, 9, 9}, {math.MaxInt64, math.MaxInt64, math.MaxInt64}} {
			must(t, addMessage(t.Context(), e.Queries, k[0], k[1], k[2]))
			want = append(want, fmt.Sprint(k[0], k[1], k[2]))
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			got := walk(limit, func(last *db.Message) []db.Message {
				if last == nil {
					last = &db.Message{}
				}
				page, err := e.ScanMessages(t.Context(), *last, int32(limit))
				must(t, err)
				return page
			})
			sameList(t, fmt.Sprint("pages of ", limit), keys(got), want...)
		}
	})
}

func TestMessagesAreRecountedWithTheirDeadLetters(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for n := int64(1); n <= 3; n++ {
			must(t, addMessage(ctx, e.Queries, 1, 1, n))
		}
		must(t, addMessage(ctx, e.Queries, 1, 2, 1))
		must(t, addMessage(ctx, e.Queries, 2, 1, 1))
		for i, state := range []string{"open", "discarded", "stored"} {
			l := letter("message", int64(i), 1, 1, int64(4+i))
			l.State = state
			must(t, e.InsertDeadLetter(ctx, l))
		}
		must(t, e.InsertDeadLetter(ctx, letter("edit", 8, 1, 1, 1)))
		must(t, e.InsertDeadLetter(ctx, letter("message", 9, 1, 3, 1)))
		for chat, want := range map[int64]int64{1: 5, 2: 1, 3: 1, 4: 0} {
			n, err := e.RecountMessages(ctx, db.RecountMessagesParams{ApplicationID: 1, ChatNumber: chat})
			must(t, err)
			same(t, fmt.Sprint("chat ", chat), n, want)
		}
		stored, err := e.CountMessagesOfChats(ctx, db.CountMessagesOfChatsParams{ApplicationID: 1, ChatNumbers: []int64{1, 2, 3, 4}})
		must(t, err)
		sameList(t, "rows", stored, db.CountMessagesOfChatsRow{ChatNumber: 1, Counted: 3}, db.CountMessagesOfChatsRow{ChatNumber: 2, Counted: 1})
		dead, err := e.CountDeadMessagesOfChats(ctx, db.CountDeadMessagesOfChatsParams{ApplicationID: 1, ChatNumbers: []int64{1, 2, 3, 4}})
		must(t, err)
		sameList(t, "dead letters", dead, db.CountDeadMessagesOfChatsRow{ChatNumber: 1, Counted: 2}, db.CountDeadMessagesOfChatsRow{ChatNumber: 3, Counted: 1})
		stored, err = e.CountMessagesOfChats(ctx, db.CountMessagesOfChatsParams{ApplicationID: 1})
		must(t, err)
		sameList(t, "of no chats", stored)
		many := make([]int64, 3000) // as many as a flush may bring
		for i := range many {
			many[i] = int64(i + 1)
		}
		dead, err = e.CountDeadMessagesOfChats(ctx, db.CountDeadMessagesOfChatsParams{ApplicationID: 1, ChatNumbers: many})
		must(t, err)
		same(t, "of many chats", len(dead), 2)
	})
}

func TestMessagesAreSeededAboveTheirDeadLetters(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		counted(t, 1)(e.BumpGeneration(ctx, db.BumpGenerationParams{Seen: 0, Replid: "r", PartitionID: 2}))
		seed := func(what string, want int64) {
			t.Helper()
			row, err := e.SeedMessages(ctx, db.SeedMessagesParams{ApplicationID: 1, ChatNumber: 1, PartitionID: 2})
			must(t, err)
			same(t, what, row, db.SeedMessagesRow{Gen: 1, Number: want})
		}
		must(t, addMessage(ctx, e.Queries, 1, 2, 70))
		must(t, addMessage(ctx, e.Queries, 2, 1, 70))
		must(t, e.InsertDeadLetter(ctx, letter("message", 1, 2, 1, 70)))
		seed("nothing", 0)
		must(t, addMessage(ctx, e.Queries, 1, 1, 4))
		seed("a row", 4)
		l := letter("message", 2, 1, 1, 6)
		l.State = "discarded"
		must(t, e.InsertDeadLetter(ctx, l))
		seed("a hole above it", 6)
		must(t, addMessage(ctx, e.Queries, 1, 1, 7))
		seed("a row above that", 7)
		must(t, addMessage(ctx, e.Queries, 1, 1, math.MaxInt64))
		seed("the highest number", math.MaxInt64)
		if _, err := e.SeedMessages(ctx, db.SeedMessagesParams{ApplicationID: 1, ChatNumber: 1, PartitionID: -1}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("a partition that is none: %v", err)
		}
	})
}
