package flusher

import (
	"context"
	"time"

	"chat-system/db"
)

const (
	recountEvery = time.Hour
	purgeEvery   = 10 * time.Minute
	censusEvery  = 15 * time.Second
	censusTime   = 5 * time.Second
	censusMost   = 10_000
	keyAge       = 24*time.Hour + 10*time.Minute // a little longer than a key replays
)

// janitor repairs counts and drops old idempotency keys from time to time, in one process for all.
func (f *Flusher) janitor(ctx context.Context) {
	recount, purge := time.NewTicker(recountEvery), time.NewTicker(purgeEvery)
	defer recount.Stop()
	defer purge.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-recount.C:
			if f.chief() {
				err = f.Recount(ctx)
			}
		case <-purge.C:
			if f.chief() {
				err = f.purge(ctx)
			}
		}
		if err != nil && ctx.Err() == nil {
			f.Log.Warn("housekeeping failed; it comes again", "error", err)
		}
	}
}

// census counts the open dead letters for the metrics, in one process for all. While the database is away what it counted
// last is shown.
func (f *Flusher) census(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last time.Time // zero: another process counts
	for {
		if !f.chief() {
			f.metrics.letters.Reset()
			last = time.Time{}
		} else if time.Since(last) >= censusEvery {
			short, cancel := context.WithTimeout(ctx, censusTime)
			rows, err := f.db.OpenDeadLetters(short, censusMost)
			cancel()
			if err == nil {
				f.metrics.open(rows)
			}
			last = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// purge drops idempotency keys that do not replay any more.
func (f *Flusher) purge(ctx context.Context) error {
	for {
		short, cancel := context.WithTimeout(ctx, commitTime)
		old, err := f.db.OldIdempotencyKeys(short, db.OldIdempotencyKeysParams{CreatedAt: time.Now().UTC().Add(-keyAge), Limit: tablePage})
		if err == nil && len(old) > 0 {
			rows := make([]db.DeleteIdempotencyKeysRow, len(old))
			for i, k := range old {
				rows[i] = db.DeleteIdempotencyKeysRow(k)
			}
			err = f.db.DeleteIdempotencyKeys(short, rows)
		}
		cancel()
		if err != nil || len(old) < tablePage {
			return err
		}
	}
}

// Recount counts every application's chats and every chat's messages, and repairs counts that are wrong. A row is
// locked while its things are counted: what is being flushed meanwhile raises the count afterwards.
func (f *Flusher) Recount(ctx context.Context) error {
	var last db.Chat
	for {
		chats, err := f.db.ScanChats(ctx, last, tablePage)
		if err != nil {
			return err
		}
		for _, c := range chats {
			if err := f.recountChat(ctx, c); err != nil {
				return err
			}
		}
		if len(chats) < tablePage {
			break
		}
		last = chats[len(chats)-1]
	}
	for id := int64(0); ; {
		apps, err := f.db.ApplicationsScan(ctx, db.ApplicationsScanParams{ID: id, Limit: tablePage})
		if err != nil {
			return err
		}
		for _, a := range apps {
			if err := f.recountApplication(ctx, a.ID); err != nil {
				return err
			}
		}
		if len(apps) < tablePage {
			return nil
		}
		id = apps[len(apps)-1].ID
	}
}

func (f *Flusher) recountChat(ctx context.Context, c db.Chat) error {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	return f.db.WithTx(ctx, func(q *db.Queries) error {
		if err := q.LockChat(ctx, db.LockChatParams{ApplicationID: c.ApplicationID, Number: c.Number}); err != nil {
			return err
		}
		n, err := q.RecountMessages(ctx, db.RecountMessagesParams{ApplicationID: c.ApplicationID, ChatNumber: c.Number})
		if err != nil {
			return err
		}
		repaired, err := q.SetMessagesCount(ctx, db.SetMessagesCountParams{MessagesCount: n, ApplicationID: c.ApplicationID, Number: c.Number})
		f.repaired("messages", repaired, c.ApplicationID, c.Number)
		return err
	})
}

func (f *Flusher) recountApplication(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	return f.db.WithTx(ctx, func(q *db.Queries) error {
		if err := q.LockApplication(ctx, id); err != nil {
			return err
		}
		n, err := q.RecountChats(ctx, db.RecountChatsParams{ID: id})
		if err != nil {
			return err
		}
		repaired, err := q.SetChatsCount(ctx, db.SetChatsCountParams{ChatsCount: n, ID: id})
		f.repaired("chats", repaired, id, 0)
		return err
	})
}

func (f *Flusher) repaired(of string, n, app, chat int64) {
	if n > 0 {
		f.metrics.repaired.WithLabelValues(of).Inc()
		f.Log.Warn("a count was wrong and was repaired", "of", of, "application", app, "chat", chat)
	}
}
