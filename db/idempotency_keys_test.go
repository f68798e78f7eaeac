package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"chat-system/db"
)

// hash is a key's or a payload's, of 16 bytes; it ends with zeros.
func hash(n byte) []byte { return []byte{n, 15: 0} }

func key(app int64, n byte, age int) db.InsertIdempotencyKeysRow {
	return db.InsertIdempotencyKeysRow{ApplicationID: app, KeyHash: hash(n), PayloadHash: hash(n + 100), Answer: int64(n) * 10, CreatedAt: at(age)}
}

func (e *engine) key(t *testing.T, app int64, n byte) db.IdempotencyKey {
	t.Helper()
	k, err := e.IdempotencyKey(t.Context(), db.IdempotencyKeyParams{ApplicationID: app, KeyHash: hash(n)})
	must(t, err)
	k.CreatedAt = k.CreatedAt.UTC()
	return k
}

func TestAKeyGivesItsAnswer(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertIdempotencyKey(ctx, db.InsertIdempotencyKeyParams(key(1, 7, 0))))
		must(t, e.InsertIdempotencyKey(ctx, db.InsertIdempotencyKeyParams(key(2, 7, 0))))
		same(t, "every column", fmt.Sprint(e.key(t, 1, 7)), fmt.Sprint(db.IdempotencyKey(key(1, 7, 0))))
		if _, err := e.IdempotencyKey(ctx, db.IdempotencyKeyParams{ApplicationID: 1, KeyHash: hash(8)}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("another key: %v", err)
		}
		if err := e.InsertIdempotencyKey(ctx, db.InsertIdempotencyKeyParams(key(1, 7, 0))); !db.IsDuplicate(err) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestOldKeysArePurgedOldestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		var rows []db.InsertIdempotencyKeysRow
		for n := range byte(6) {
			rows = append(rows, key(int64(n%2), n, -int(n)*200_000)) // the last is the oldest, by more than a second
		}
		must(t, e.InsertIdempotencyKeys(ctx, rows))
		old := func(limit int32) (out []string) {
			found, err := e.OldIdempotencyKeys(ctx, db.OldIdempotencyKeysParams{CreatedAt: at(-200_000), Limit: limit})
			must(t, err)
			var gone []db.DeleteIdempotencyKeysRow
			for _, k := range found {
				out = append(out, fmt.Sprint(k.ApplicationID, k.KeyHash[0]))
				gone = append(gone, db.DeleteIdempotencyKeysRow(k))
			}
			must(t, e.DeleteIdempotencyKeys(ctx, gone))
			return out
		}
		sameList(t, "the oldest", old(3), "1 5", "0 4", "1 3")
		sameList(t, "the rest, not what is as old as that", old(3), "0 2")
		sameList(t, "nothing more", old(3))
		must(t, e.DeleteIdempotencyKey(ctx, db.DeleteIdempotencyKeyParams{ApplicationID: 1, KeyHash: hash(0)})) // another application's
		same(t, "what is left", e.key(t, 0, 0).Answer, 0)
		must(t, e.DeleteIdempotencyKey(ctx, db.DeleteIdempotencyKeyParams{ApplicationID: 1, KeyHash: hash(1)}))
		if _, err := e.IdempotencyKey(ctx, db.IdempotencyKeyParams{ApplicationID: 1, KeyHash: hash(1)}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("a key that was dropped: %v", err)
		}
	})
}

func TestAKeyIsUsedAnewOnceItIsOld(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		must(t, e.InsertIdempotencyKeys(ctx, []db.InsertIdempotencyKeysRow{key(1, 7, 0), key(1, 8, 0)}))
		renew := func(before int) (int64, error) {
			return e.RenewIdempotencyKey(ctx, db.RenewIdempotencyKeyParams{
				PayloadHash: hash(1), Answer: 2, CreatedAt: at(3), ApplicationID: 1, KeyHash: hash(7), Before: at(before),
			})
		}
		counted(t, 0)(renew(0))
		same(t, "kept", e.key(t, 1, 7).Answer, 70)
		counted(t, 1)(renew(1))
		want := db.IdempotencyKey{ApplicationID: 1, KeyHash: hash(7), PayloadHash: hash(1), Answer: 2, CreatedAt: at(3)}
		same(t, "renewed", fmt.Sprint(e.key(t, 1, 7)), fmt.Sprint(want))
		same(t, "the other", e.key(t, 1, 8).Answer, 80)
	})
}
