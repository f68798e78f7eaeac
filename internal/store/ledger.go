package store

import (
	"context"
	"errors"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

const ledgerTimeout = 4 * time.Second

// Ledger answers the queue's questions from the database.
type Ledger struct{ DB *db.DB }

var _ queue.Ledger = Ledger{}

// Cursor implements queue.Ledger.
func (l Ledger) Cursor(ctx context.Context, partition int) (queue.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	return cursor(ctx, l.DB.Queries, partition)
}

func cursor(ctx context.Context, q *db.Queries, partition int) (queue.Cursor, error) {
	row, err := q.Cursor(ctx, db.CursorParams{PartitionID: int32(partition), Sink: db.SinkDatabase}) //nolint:gosec // < 1024
	return queue.Cursor{
		Position:   queue.Position{Version: chat.Version(row.Position), Generation: row.PositionGen},
		Generation: row.Gen, Replid: row.Replid,
	}, err
}

var errLostRace = errors.New("store: somebody else opened the partition")

// NextGeneration implements queue.Ledger. Its lock on the cursor row waits for a flush in flight.
func (l Ledger) NextGeneration(ctx context.Context, partition int, gen, seen int64, replid string) (c queue.Cursor, won bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	err = l.DB.WithTx(ctx, func(q *db.Queries) error {
		n, err := q.BumpGeneration(ctx, db.BumpGenerationParams{Seen: seen, Replid: replid, PartitionID: int32(partition), Gen: gen}) //nolint:gosec // < 1024
		if err != nil {
			return err
		}
		if n == 0 {
			return errLostRace
		}
		failpoint.Hit(l.DB, "open.bumped")
		c, err = cursor(ctx, q, partition)
		failpoint.Hit(l.DB, "open.commit")
		return err
	})
	if errors.Is(err, errLostRace) {
		return queue.Cursor{}, false, nil
	}
	return c, err == nil, err
}

// LastNumber implements queue.Ledger.
func (l Ledger) LastNumber(ctx context.Context, partition int, s chat.Scope, pending int64) (n, gen int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	if s.Chat != 0 {
		row, err := l.DB.SeedMessages(ctx, db.SeedMessagesParams{ApplicationID: s.Application, ChatNumber: s.Chat, PartitionID: int32(partition)}) //nolint:gosec // < 1024
		return row.Number, row.Gen, err
	}
	row, err := l.DB.SeedChats(ctx, db.SeedChatsParams{ApplicationID: s.Application, PartitionID: int32(partition)}) //nolint:gosec // < 1024
	if err != nil {
		return 0, 0, err
	}
	failpoint.Hit(l.DB, "seed.chats")
	last, err := l.DB.LastChat(ctx, s.Application)
	if err == nil && row.Number > max(last, pending) {
		err = l.addMissingChats(ctx, partition, row.Gen, s.Application, max(last, pending)+1, row.Number)
	}
	return row.Number, row.Gen, err
}

// addMissingChats gives rows to chats whose creation was lost with Redis while messages of them, or of later ones, were
// stored: no gap stays. In another generation than the one in which they were missing, nothing is done.
func (l Ledger) addMissingChats(ctx context.Context, partition int, gen, app, from, to int64) error {
	failpoint.Hit(l.DB, "missing.begin")
	dead, err := l.DB.DeadLettersInWindow(ctx, db.DeadLettersInWindowParams{ApplicationID: app, FromNumber: from, ToNumber: to})
	if err != nil {
		return err
	}
	refused := map[int64]bool{} // they have their place there
	for _, d := range dead {
		refused[d.Number] = true
	}
	failpoint.Hit(l.DB, "missing.dead")
	return l.DB.WithTx(ctx, func(q *db.Queries) error {
		held, err := q.LockCursor(ctx, db.LockCursorParams{PartitionID: int32(partition), Gen: gen}) //nolint:gosec // < 1024
		if err != nil || held == 0 {
			return err
		}
		failpoint.Hit(l.DB, "missing.locked")
		now := time.Now().UTC().Truncate(time.Microsecond)
		var added []int64
		for n := from; n <= to; n++ {
			if refused[n] {
				continue
			}
			err := q.InsertChat(ctx, db.InsertChatParams{ApplicationID: app, Number: n, CreatedAt: now, UpdatedAt: now})
			if db.IsDuplicate(err) {
				continue // somebody else adds it too
			}
			if err != nil {
				return err
			}
			failpoint.Hit(l.DB, "missing.inserted")
			added = append(added, n)
		}
		if err := q.AddChatsCount(ctx, db.AddChatsCountParams{Delta: int64(len(added)), ID: app}); err != nil {
			return err
		}
		// counted after the rows are there: what is stored from now on waits for them and raises the count itself
		for _, n := range added {
			failpoint.Hit(l.DB, "missing.added")
			count, err := q.RecountMessages(ctx, db.RecountMessagesParams{ApplicationID: app, ChatNumber: n})
			if err != nil {
				return err
			}
			failpoint.Hit(l.DB, "missing.counted")
			if _, err := q.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: count, ApplicationID: app, Number: n}); err != nil {
				return err
			}
		}
		failpoint.Hit(l.DB, "missing.commit")
		return nil
	})
}

// StoredKey implements queue.Ledger.
func (l Ledger) StoredKey(ctx context.Context, app int64, key [16]byte) (payload [16]byte, number int64, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	row, err := l.DB.IdempotencyKey(ctx, db.IdempotencyKeyParams{ApplicationID: app, KeyHash: key[:]})
	if missing(err) {
		return payload, 0, false, nil
	}
	copy(payload[:], row.PayloadHash)
	return payload, row.Answer, err == nil, err
}
