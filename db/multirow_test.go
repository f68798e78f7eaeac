package db_test

import (
	"fmt"
	"testing"

	"chat-system/db"
)

// many gives n rows, made from 1 to n.
func many[T any](n int, row func(i int64) T) []T {
	rows := make([]T, n)
	for i := range rows {
		rows[i] = row(int64(i + 1))
	}
	return rows
}

func messageRow(i int64) db.InsertMessagesRow {
	return db.InsertMessagesRow{ApplicationID: 1, ChatNumber: 1, Number: i, Body: fmt.Sprint("body ", i), Version: 100 + i, CreatedAt: at(int(i)), UpdatedAt: at(int(2 * i))}
}

func chatRow(i int64) db.InsertChatsRow {
	return db.InsertChatsRow{ApplicationID: 1, Number: i, MessagesCount: 10 + i, Version: 100 + i, CreatedAt: at(int(i)), UpdatedAt: at(int(2 * i))}
}

func letterRow(i int64) db.InsertDeadLettersRow {
	l := letter("message", i, 1, 1, 2*i)
	l.Payload = fmt.Append(nil, "payload ", i)
	return db.InsertDeadLettersRow(l)
}

func keyRow(i int64) db.InsertIdempotencyKeysRow {
	return db.InsertIdempotencyKeysRow{ApplicationID: 1, KeyHash: fmt.Appendf(nil, "%016d", i), PayloadHash: fmt.Appendf(nil, "%016d", -i), Answer: i, CreatedAt: at(int(i))}
}

func messageKey(i int64) db.MessagesByKeysRow {
	return db.MessagesByKeysRow{ApplicationID: 1, ChatNumber: 1, Number: i}
}

// As many rows as the service uses at most, and one, go to their places.
func TestRowsGoToTheirPlaces(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, e *engine) {
				ctx, last := t.Context(), int64(n)
				must(t, e.InsertMessages(ctx, many(n, messageRow)))
				must(t, e.InsertChats(ctx, many(n, chatRow)))
				must(t, e.InsertIdempotencyKeys(ctx, many(n, keyRow)))
				must(t, e.InsertDeadLetters(ctx, many(min(n, 2000), letterRow)))
				same(t, "the last message", e.message(t, 1, 1, last), db.Message(messageRow(last)))
				chats, err := e.ChatsAfter(ctx, db.ChatsAfterParams{ApplicationID: 1, Number: last - 1, Limit: 9})
				must(t, err)
				chats[0].CreatedAt, chats[0].UpdatedAt = chats[0].CreatedAt.UTC(), chats[0].UpdatedAt.UTC()
				sameList(t, "the last chat", chats, db.Chat(chatRow(last)))
				k, err := e.IdempotencyKey(ctx, db.IdempotencyKeyParams{ApplicationID: 1, KeyHash: keyRow(last).KeyHash})
				must(t, err)
				same(t, "the last key's answer", k.Answer, last)
				l, err := e.DeadLetter(ctx, db.DeadLetterParams{PartitionID: 1, Version: min(last, 2000), Sink: db.SinkDatabase})
				must(t, err)
				same(t, "the last letter's payload", string(l.Payload), fmt.Sprint("payload ", min(last, 2000)))
				for table, want := range map[string]int{"messages": n, "chats": n, "idempotency_keys": n, "dead_letters": min(n, 2000)} {
					same(t, table, e.count(t, table), want)
				}
			})
		})
	}
}

func (e *engine) count(t *testing.T, table string) (n int) {
	t.Helper()
	must(t, e.raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

func TestRowsAreFoundChangedAndDroppedByTheirKeys(t *testing.T) {
	t.Parallel()
	const stored = 1000
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertMessages(ctx, many(stored, messageRow)))
		must(t, e.InsertChats(ctx, many(stored, chatRow)))
		must(t, e.InsertIdempotencyKeys(ctx, many(stored, keyRow)))
		must(t, e.InsertDeadLetters(ctx, many(stored, letterRow)))
		for _, n := range []int{1, 2, 900} { // as many as one statement takes
			wanted := many(n, func(i int64) db.MessagesByKeysRow { return messageKey(i + 500) }) // some are not there
			found, err := e.MessagesByKeys(ctx, wanted)
			must(t, err)
			same(t, "found", len(found), min(n, 500))
			for i := range found {
				m := found[i].Message()
				m.CreatedAt, m.UpdatedAt = m.CreatedAt.UTC(), m.UpdatedAt.UTC()
				same(t, "a message", m, db.Message(messageRow(m.Number)))
			}
			keys, err := e.IdempotencyKeysByKeys(ctx, many(n, func(i int64) db.IdempotencyKeysByKeysRow {
				return db.IdempotencyKeysByKeysRow{ApplicationID: 1, KeyHash: keyRow(i + 500).KeyHash}
			}))
			must(t, err)
			same(t, "keys found", len(keys), min(n, 500))
			for _, k := range keys {
				k.CreatedAt = k.CreatedAt.UTC()
				same(t, "a key", fmt.Sprint(k), fmt.Sprint(db.IdempotencyKey(keyRow(k.Answer))))
			}
			letters, err := e.DeadLettersByKeys(ctx, many(n, func(i int64) db.DeadLettersByKeysRow {
				return db.DeadLettersByKeysRow{ApplicationID: 1, ChatNumber: 1, Number: 2 * i} // of every second number
			}))
			must(t, err)
			same(t, "letters found", len(letters), n)
			for _, l := range letters {
				same(t, "a letter's payload", string(l.Payload), fmt.Sprint("payload ", l.Number/2))
			}
			counted(t, int64(n))(e.AddMessagesCounts(ctx, 1000, many(n, func(i int64) db.AddMessagesCountsRow {
				return db.AddMessagesCountsRow{ApplicationID: 1, Number: i}
			})))
			must(t, e.DeleteIdempotencyKeys(ctx, many(n, func(i int64) db.DeleteIdempotencyKeysRow {
				return db.DeleteIdempotencyKeysRow{ApplicationID: 1, KeyHash: keyRow(i).KeyHash}
			})))
			same(t, "keys left", e.count(t, "idempotency_keys"), stored-n)
		}
		counts := e.counts(t, 1)
		sameList(t, "counts", []int64{counts[0], counts[1], counts[899], counts[900]}, 3011, 2012, 1910, 911)
	})
}

func TestNoRowsAreNoStatement(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertMessages(ctx, nil))
		must(t, e.InsertChats(ctx, nil))
		must(t, e.InsertDeadLetters(ctx, nil))
		must(t, e.InsertIdempotencyKeys(ctx, nil))
		must(t, e.DeleteIdempotencyKeys(ctx, nil))
		counted(t, 0)(e.AddMessagesCounts(ctx, 1, nil))
		found, err := e.MessagesByKeys(ctx, nil)
		must(t, err)
		sameList(t, "found", found)
		letters, err := e.DeadLettersByKeys(ctx, nil)
		must(t, err)
		same(t, "letters found", len(letters), 0)
		keys, err := e.IdempotencyKeysByKeys(ctx, nil)
		must(t, err)
		same(t, "keys found", len(keys), 0)
	})
}

func TestMoreRowsThanAStatementTakesAreRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		refused := func(what string, err error) {
			t.Helper()
			if err == nil || err.Error() != "db: too many rows for one statement" || db.IsDataError(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
		const placeholders = 32_766
		must(t, e.InsertMessages(ctx, many(placeholders/7, messageRow)))
		refused("messages", e.InsertMessages(ctx, many(placeholders/7+1, messageRow)))
		refused("chats", e.InsertChats(ctx, many(placeholders/6+1, chatRow)))
		refused("dead letters", e.InsertDeadLetters(ctx, many(placeholders/11+1, letterRow)))
		refused("keys", e.InsertIdempotencyKeys(ctx, many(placeholders/5+1, keyRow)))
		refused("keys to drop", e.DeleteIdempotencyKeys(ctx, make([]db.DeleteIdempotencyKeysRow, 901)))
		_, err := e.AddMessagesCounts(ctx, 1, make([]db.AddMessagesCountsRow, 901))
		refused("counts", err)
		_, err = e.MessagesByKeys(ctx, make([]db.MessagesByKeysRow, 901))
		refused("keys to find", err)
		_, err = e.DeadLettersByKeys(ctx, make([]db.DeadLettersByKeysRow, 901))
		refused("letters to find", err)
		same(t, "chats", e.count(t, "chats"), 0)
	})
}
