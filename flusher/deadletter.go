package flusher

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
)

// The states of a dead letter.
const (
	StateOpen      = "open"
	StateStored    = "stored"
	StateDiscarded = "discarded" // a recorded hole: its number is never given again and answers 410
)

var kinds = map[queue.Kind]string{queue.ChatCreated: "chat", queue.MessageCreated: "message", queue.MessageEdited: "edit"}

// payload is what a dead letter keeps of its write.
type payload struct {
	Body      string `json:"body"`
	CreatedAt int64  `json:"created_at_us"`
	UpdatedAt int64  `json:"updated_at_us"`
}

func newDeadLetter(p int, sink string, kind queue.Kind, m chat.Message, reason string) (db.InsertDeadLettersRow, error) {
	text, err := json.Marshal(payload{m.Body, m.CreatedAt.UnixMicro(), m.UpdatedAt.UnixMicro()})
	return db.InsertDeadLettersRow{
		PartitionID: int32(p), Version: int64(m.Version), Sink: sink, Kind: kinds[kind], //nolint:gosec // ≤ 1024
		ApplicationID: m.ApplicationID, ChatNumber: m.ChatNumber, Number: m.Number,
		Payload: text, Reason: reason, State: StateOpen, CreatedAt: m.CreatedAt,
	}, err
}

// LetterID names a dead letter.
type LetterID struct {
	Partition int32
	Version   chat.Version
	Sink      string
}

// String is «partition/version/sink», which ParseLetterID reads.
func (id LetterID) String() string {
	return fmt.Sprintf("%d/%s/%s", id.Partition, id.Version.ID(), id.Sink)
}

// DeadLetters is what could not be stored, for an operator.
type DeadLetters struct {
	DB      *db.DB
	Indexes Indexes // nil: search is off
}

// Outcome of a retry.
type Outcome struct {
	ID     LetterID
	Stored bool
	Reason string // why not
}

// List gives up to limit dead letters of a state that follow on one (the zero LetterID: the first).
func (d DeadLetters) List(ctx context.Context, state string, after LetterID, limit int) ([]db.DeadLetter, error) {
	return d.DB.DeadLetters(ctx, db.DeadLettersParams{
		State: state, PartitionID: after.Partition, Version: int64(after.Version), Sink: after.Sink, Limit: int32(limit), //nolint:gosec // a page
	})
}

// ErrNoLetter says that there is no such dead letter, or not in that state.
var ErrNoLetter = errors.New("there is no such open dead letter")

// Discard makes holes of open dead letters.
func (d DeadLetters) Discard(ctx context.Context, ids []LetterID) error {
	return d.DB.WithTx(ctx, func(q *db.Queries) error {
		for _, id := range ids {
			l, err := q.DeadLetter(ctx, db.DeadLetterParams{PartitionID: id.Partition, Version: int64(id.Version), Sink: id.Sink})
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("%s: %w", id, ErrNoLetter)
			}
			if err != nil {
				return err
			}
			failpoint.Hit(d.DB, "letter.discard")
			if err := moveLetter(ctx, q, l, StateDiscarded, l.Reason); err != nil {
				return err
			}
		}
		return nil
	})
}

func moveLetter(ctx context.Context, q *db.Queries, l db.DeadLetter, state, reason string) error {
	n, err := q.MoveDeadLetter(ctx, db.MoveDeadLetterParams{
		State: state, Reason: reason, PartitionID: l.PartitionID, Version: l.Version, Sink: l.Sink, OldState: StateOpen,
	})
	if err == nil && n == 0 && state != StateOpen {
		return fmt.Errorf("%s: %w", letterID(l), ErrNoLetter)
	}
	return err
}

func letterID(l db.DeadLetter) LetterID {
	return LetterID{l.PartitionID, chat.Version(l.Version), l.Sink}
}

// Retry stores open dead letters in the order of their versions, in one transaction. What the database refuses again
// stays open, with its reason; the outcomes come in that order.
func (d DeadLetters) Retry(ctx context.Context, ids []LetterID) ([]Outcome, error) {
	var out []Outcome
	var stored []db.DeadLetter
	err := d.DB.WithTx(ctx, func(q *db.Queries) error {
		out, stored = nil, nil
		var letters []db.DeadLetter
		for _, id := range ids {
			l, err := q.DeadLetter(ctx, db.DeadLetterParams{PartitionID: id.Partition, Version: int64(id.Version), Sink: id.Sink})
			if errors.Is(err, sql.ErrNoRows) || (err == nil && l.State != StateOpen) {
				return fmt.Errorf("%s: %w", id, ErrNoLetter)
			}
			if err != nil {
				return err
			}
			letters = append(letters, l)
		}
		slices.SortFunc(letters, func(a, b db.DeadLetter) int {
			return cmp.Or(cmp.Compare(a.PartitionID, b.PartitionID), cmp.Compare(a.Version, b.Version))
		})
		for _, l := range letters {
			failpoint.Hit(d.DB, "letter.read")
			err := storeLetter(ctx, q, l)
			failpoint.Hit(d.DB, "letter.stored")
			o := Outcome{ID: letterID(l), Stored: err == nil}
			switch {
			case err == nil:
				stored = append(stored, l)
				err = moveLetter(ctx, q, l, StateStored, l.Reason)
			case db.IsDataError(err) || errors.Is(err, errNoRow) || errors.Is(err, errNoPlace):
				o.Reason = err.Error()
				err = moveLetter(ctx, q, l, StateOpen, o.Reason)
			}
			if err != nil {
				return err
			}
			out = append(out, o)
			failpoint.Hit(d.DB, "letter.moved")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	failpoint.Hit(d.DB, "letter.committed")
	return out, d.index(ctx, stored)
}

// errNoPlace is why what came out of a backup and found its place taken can't be stored.
var errNoPlace = errors.New("it came out of a backup, and what had its place belongs to another write: post it again, or discard it")

var errNoRow = errors.New("the message that it edits has no row")

// storeLetter does what the flush could not.
func storeLetter(ctx context.Context, q *db.Queries, l db.DeadLetter) error {
	switch l.Sink {
	case db.SinkDatabase:
	case db.SinkRestore:
		return errNoPlace
	default:
		return nil // the row is there: it is put into the index again
	}
	var p payload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return err
	}
	created, updated := time.UnixMicro(p.CreatedAt).UTC(), time.UnixMicro(p.UpdatedAt).UTC()
	switch l.Kind {
	case "chat":
		if err := q.InsertChat(ctx, db.InsertChatParams{
			ApplicationID: l.ApplicationID, Number: l.Number, Version: l.Version, CreatedAt: created, UpdatedAt: updated,
		}); err != nil {
			return err
		}
		n, err := q.RecountMessages(ctx, db.RecountMessagesParams{ApplicationID: l.ApplicationID, ChatNumber: l.Number})
		if err != nil {
			return err
		}
		_, err = q.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: n, ApplicationID: l.ApplicationID, Number: l.Number})
		return err
	case "message":
		return q.InsertMessage(ctx, db.InsertMessageParams{
			ApplicationID: l.ApplicationID, ChatNumber: l.ChatNumber, Number: l.Number, Body: p.Body, Version: l.Version,
			CreatedAt: created, UpdatedAt: updated,
		})
	}
	n, err := q.UpdateMessage(ctx, db.UpdateMessageParams{
		Body: p.Body, Version: l.Version, UpdatedAt: updated, ApplicationID: l.ApplicationID, ChatNumber: l.ChatNumber, Number: l.Number,
	})
	if err != nil || n > 0 {
		return err
	}
	_, err = q.MessageByKey(ctx, db.MessageByKeyParams{ApplicationID: l.ApplicationID, ChatNumber: l.ChatNumber, Number: l.Number})
	if errors.Is(err, sql.ErrNoRows) {
		return errNoRow
	}
	return err // a row with a higher version has this edit behind it
}

// index puts what was stored into every index.
func (d DeadLetters) index(ctx context.Context, letters []db.DeadLetter) error {
	for _, l := range letters {
		if l.Kind == kinds[queue.ChatCreated] {
			continue
		}
		at := db.MessagesByKeysRow{ApplicationID: l.ApplicationID, ChatNumber: l.ChatNumber, Number: l.Number}
		if err := d.indexRows(ctx, int(l.PartitionID), []db.MessagesByKeysRow{at}, chat.Version(l.Version)); err != nil {
			return err
		}
	}
	return nil
}

// indexRows puts messages of a partition into every index. Where one can't take them now, its partition is filled from the
// tables again, from below their lowest version on.
func (d DeadLetters) indexRows(ctx context.Context, p int, at []db.MessagesByKeysRow, lowest chat.Version) error {
	if d.Indexes == nil {
		return nil
	}
	names, err := d.DB.SearchSinks(ctx)
	if err != nil {
		return err
	}
	for _, some := range chunks(at, page) {
		rows, err := d.DB.MessagesByKeys(ctx, some)
		if err != nil {
			return err
		}
		messages := make([]chat.Message, len(rows))
		for i := range rows {
			messages[i] = rowMessage(rows[i].Message())
			lowest = min(lowest, messages[i].Version)
		}
		failpoint.Hit(d.DB, "letter.row")
		for _, name := range names {
			refusals, err := d.Indexes.At(name).Put(ctx, messages)
			if err == nil && len(refusals) == 0 {
				continue
			}
			failpoint.Hit(d.DB, "letter.unindexed")
			if err := d.rewind(ctx, name, p, lowest); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewind gives the sink a position that it never had, in whose generation the time stands: a scan that is under way has
// passed the row perhaps, and must not end as if it had put it.
func (d DeadLetters) rewind(ctx context.Context, sink string, p int, lowest chat.Version) error {
	for {
		c, err := d.DB.Cursor(ctx, db.CursorParams{PartitionID: int32(p), Sink: sink}) //nolint:gosec // ≤ 1024
		if err != nil {
			return err
		}
		failpoint.Hit(d.DB, "letter.cursor")
		n, err := d.DB.AdvanceSink(ctx, db.AdvanceSinkParams{
			Position: min(c.Position, int64(lowest)-1), PositionGen: time.Now().UnixNano(), State: db.StateResync,
			PartitionID: int32(p), Sink: sink, OldPosition: c.Position, OldPositionGen: c.PositionGen, OldState: c.State, //nolint:gosec // ≤ 1024
		})
		if err != nil || n > 0 {
			return err
		}
	}
}
