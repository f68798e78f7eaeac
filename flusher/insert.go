package flusher

import (
	"context"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

// bisect runs insert on the rows. Where the database refuses them for the data of one, it halves them until that row
// is alone and gives it to refused; the rest lands. Any other error ends the transaction.
func bisect[T any](rows []T, insert func([]T) error, refused func(int, error), at int) error {
	if len(rows) == 0 {
		return nil
	}
	err := insert(rows)
	if err == nil || !db.IsDataError(err) {
		return err
	}
	if len(rows) == 1 {
		refused(at, err)
		return nil
	}
	half := len(rows) / 2
	if err := bisect(rows[:half], insert, refused, at); err != nil {
		return err
	}
	return bisect(rows[half:], insert, refused, at+half)
}

func (b *batch) refuse(e *queue.Entry, err error) {
	why := whyData
	if db.IsDuplicate(err) {
		why = whyDuplicate
	}
	b.dead = append(b.dead, deadEntry{*e, err.Error(), why})
	b.step("flush.refused")
}

func (b *batch) insertChats(ctx context.Context, es []*queue.Entry) error {
	if len(es) == 0 {
		return nil
	}
	rows := make([]db.InsertChatsRow, len(es))
	for i, e := range es {
		rows[i] = db.InsertChatsRow{
			ApplicationID: e.Scope.Application, Number: e.Number, Version: int64(e.Version), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
		}
	}
	insert := func(rows []db.InsertChatsRow) error { return b.q.InsertChats(ctx, rows) }
	if err := bisect(rows, insert, func(i int, err error) { b.refuse(es[i], err) }, 0); err != nil {
		return err
	}
	b.step("flush.inserted")
	// messages may have been stored before their chat
	for i := 0; i < len(es); {
		app := es[i].Scope.Application
		var numbers []int64
		for ; i < len(es) && es[i].Scope.Application == app; i++ {
			numbers = append(numbers, es[i].Number)
		}
		if err := b.takeCounts(ctx, app, numbers); err != nil {
			return err
		}
	}
	return nil
}

// takeCounts sets the counts of new chats from the messages, stored or dead, that they already have.
func (b *batch) takeCounts(ctx context.Context, app int64, chats []int64) error {
	counts := map[int64]int64{}
	stored, err := b.q.CountMessagesOfChats(ctx, db.CountMessagesOfChatsParams{ApplicationID: app, ChatNumbers: chats})
	if err != nil {
		return err
	}
	for _, c := range stored {
		counts[c.ChatNumber] += c.Counted
	}
	b.step("flush.counted")
	dead, err := b.q.CountDeadMessagesOfChats(ctx, db.CountDeadMessagesOfChatsParams{ApplicationID: app, ChatNumbers: chats})
	if err != nil {
		return err
	}
	for _, c := range dead {
		counts[c.ChatNumber] += c.Counted
	}
	b.step("flush.taken")
	for number, n := range counts {
		if _, err := b.q.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: n, ApplicationID: app, Number: number}); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) insertMessages(ctx context.Context, es []*queue.Entry) error {
	for len(es) > 0 {
		n, size := 0, 0
		for n < len(es) && n < maxRows && (n == 0 || size+len(es[n].Body) <= statementBytes) {
			size += len(es[n].Body)
			n++
		}
		part := es[:n]
		rows := make([]db.InsertMessagesRow, n)
		for i, e := range part {
			rows[i] = db.InsertMessagesRow{
				ApplicationID: e.Scope.Application, ChatNumber: e.Scope.Chat, Number: e.Number, Body: e.Body,
				Version: int64(e.Version), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
			}
		}
		insert := func(rows []db.InsertMessagesRow) error { return b.q.InsertMessages(ctx, rows) }
		if err := bisect(rows, insert, func(i int, err error) { b.refuse(part[i], err) }, 0); err != nil {
			return err
		}
		es = es[n:]
	}
	return nil
}

// edit applies one edit over a lower version. One that finds no row is a dead letter: its message is one too.
func (b *batch) edit(ctx context.Context, e *queue.Entry) error {
	changed, err := b.q.UpdateMessage(ctx, db.UpdateMessageParams{
		Body: e.Body, Version: int64(e.Version), UpdatedAt: e.UpdatedAt,
		ApplicationID: e.Scope.Application, ChatNumber: e.Scope.Chat, Number: e.Number,
	})
	switch {
	case err != nil && db.IsDataError(err):
		b.refuse(e, err)
		return nil
	case err != nil || changed > 0:
		return err
	}
	b.step("flush.unedited")
	rows, err := b.q.MessagesByKeys(ctx, []db.MessagesByKeysRow{{ApplicationID: e.Scope.Application, ChatNumber: e.Scope.Chat, Number: e.Number}})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		b.dead = append(b.dead, deadEntry{*e, errNoRow.Error(), whyNoRow})
	}
	return nil // a row with a higher version has this edit behind it
}

// letters keeps dead letters of a sink.
func (b *batch) letters(ctx context.Context, sink string, dead []deadEntry) error {
	return b.lettersIn(ctx, sink, StateOpen, dead)
}

func (b *batch) lettersIn(ctx context.Context, sink, state string, dead []deadEntry) error {
	rows := make([]db.InsertDeadLettersRow, len(dead))
	for i := range dead {
		d := &dead[i]
		m := chat.Message{
			ApplicationID: d.Scope.Application, ChatNumber: d.Scope.Chat, Number: d.Number, Body: d.Body, Version: d.Version,
			CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		}
		var err error
		if rows[i], err = newDeadLetter(b.p, sink, d.Kind, m, d.reason); err != nil {
			return err
		}
		rows[i].State = state
	}
	for _, part := range chunks(rows, deadRows) {
		if err := b.q.InsertDeadLetters(ctx, part); err != nil {
			return err
		}
	}
	return nil
}
