//go:build failpoint

package steps

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
)

// reach is a way to come to a step.
type reach struct {
	partitions int // 0: one
	search     bool
	untrimmed  bool                   // a call of XTRIM takes away so much alone
	prepare    func(s *scene)         // what happened before
	drive      func(s *scene)         // what the pod does that is to be stopped
	same       func(s *scene, p *pod) // the same, of whichever pod; where there is no drive, it is that
	after      func(s *scene)         // when all is drained
}

var reaches = map[string]reach{
	"post":    {prepare: know, drive: post},
	"edit":    {prepare: know, drive: func(s *scene) { s.edit(s.a, 1, 2) }},
	"chat":    {prepare: know, drive: func(s *scene) { s.chat(s.a, chat.Idempotency{}) }},
	"scripts": {prepare: all(know, unload), drive: post},

	"ask for a new key":    {prepare: all(emptied, one, know), drive: post},
	"ask for a stored key": {prepare: all(one, storeAll, emptied, one, know), drive: sendStored},

	"seed of messages": {prepare: all(know, func(s *scene) { s.reopen(); s.chat(s.b, chat.Idempotency{}) }), drive: post},
	"seed of chats":    {prepare: all(know, (*scene).reopen), drive: post},
	"seed unloaded":    {prepare: all(know, (*scene).reopen, unload), drive: post},

	"opening of a restarted Redis":             {prepare: all(know, restarted), drive: post},
	"opening of an emptied Redis":              {prepare: all(know, emptied), drive: post},
	"opening of an older Redis":                {prepare: all(know, olderAtCursor), drive: post},
	"opening of a Redis behind":                {prepare: all(know, olderBehindCursor), drive: post},
	"opening of a Redis behind by a flusher":   {prepare: olderBehindCursor, drive: flush},
	"opening of an emptied Redis by a flusher": {prepare: emptied, drive: flush},

	"flush":                 {drive: flush},
	"flush of a known key":  {prepare: expiredKey, drive: flush},
	"flush with refusals":   {prepare: poison, drive: flush, after: retry},
	"flush after another":   {prepare: uncleaned, drive: flush},
	"flush of a full queue": {prepare: func(s *scene) { s.a.queue.MaxEntries = 1 }, drive: flush},
	"flush of many":         {prepare: many, drive: flush, untrimmed: true},
	"flush, unloaded":       {prepare: unload, drive: flush},

	"missing chats": {partitions: 4, prepare: missing, drive: func(s *scene) { s.chat(s.a, chat.Idempotency{}) }},

	"read a message":  {drive: func(s *scene) { readMessage(s, 2) }},
	"read no message": {drive: func(s *scene) { readMessage(s, 99) }},
	"read":            {drive: func(s *scene) { s.h.checkReads(s.t, s.a) }},

	"application":        {same: application},
	"application, again": {prepare: func(s *scene) { application(s, s.b) }, same: application},
	"rename":             {same: rename},

	"search":           {search: true, prepare: all(follow, one), drive: flush},
	"search anew":      {search: true, drive: flush},
	"search, lost":     {search: true, prepare: all(follow, loseIndex, one), drive: flush},
	"search, refusing": {search: true, prepare: all(func(s *scene) { s.index.refusing = true }), drive: flush, after: retry},

	"restore":                   {prepare: all(backUp, emptied, know, flusherBeside), same: restoreBy, after: restoreAgain},
	"restore beside new writes": {prepare: all(backUp, emptied, know, written, flusherBeside), same: restoreBy, after: restoreAgain},
	"restore of an older Redis": {prepare: all(backUp, olderAtCursor, know, flusherBeside), same: restoreBy, after: restoreAgain},
	"restore into several":      {partitions: 4, search: true, prepare: all(follow, one, backUp, emptied, know, flusherBeside), same: restoreBy, after: restoreAgain},

	"retry of a letter":   {search: true, prepare: all(follow, letters), same: retryBy, after: retry},
	"retry, index away":   {search: true, prepare: all(follow, letters, func(s *scene) { s.index.away = true }), same: retryBy, after: retry},
	"discard of a letter": {prepare: letters, same: discardBy, after: discardRest},
}

func all(fs ...func(*scene)) func(*scene) {
	return func(s *scene) {
		for _, f := range fs {
			f(s)
		}
	}
}

// know lets the pod learn the generation of its partitions, before anything happens to them.
func know(s *scene) {
	if _, err := s.a.queue.LastNumber(s.t.Context(), chat.Scope{Application: s.h.app}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.a.queue.LastNumber(s.t.Context(), chat.Scope{Application: s.h.app, Chat: 1}); err != nil {
		s.t.Fatal(err)
	}
	s.keyed = s.h.body("keyed")
}

func post(s *scene) { s.postBody(s.a, 1, s.keyed, s.key) }

func flush(s *scene) { s.a.flush() }

func unload(s *scene) {
	if err := s.rdb.ScriptFlush(s.t.Context()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

func one(s *scene) { s.post(s.b, 1, "one more", chat.Idempotency{}) }

func storeAll(s *scene) { s.flushAll(s.b) }

// sendStored sends a write again that is stored and that Redis has forgotten.
func sendStored(s *scene) {
	for _, w := range s.h.kept() {
		if w.kind == 'm' && w.key.Given {
			n, replayed, err := s.a.send(s.t, s.h, w)
			if told := (*chat.Error)(nil); errors.As(err, &told) && (told.Code == chat.OutcomeUnknown || told.Code == chat.Unavailable) {
				return
			}
			if err != nil || !replayed || n != w.number {
				s.t.Errorf("again with its key: %v: %d, %t, %v", w, n, replayed, err)
			}
			return
		}
	}
	s.t.Error("no write with a key is stored")
}

// expiredKey: the key of a write that waits was used more than a day ago.
func expiredKey(s *scene) {
	for _, w := range s.h.kept() {
		if w.key.Given {
			err := s.b.db.InsertIdempotencyKey(s.t.Context(), db.InsertIdempotencyKeyParams{
				ApplicationID: s.h.app, KeyHash: w.key.Key[:], PayloadHash: w.key.Payload[:], Answer: 99, CreatedAt: time.Now().UTC().Add(-24*time.Hour - time.Minute),
			})
			if err != nil && !db.IsDuplicate(err) {
				s.t.Fatal(err)
			}
		}
	}
}

// poison lets the database refuse a message and the edit of it.
func poison(s *scene) {
	s.exec(s.t, "ALTER TABLE messages ADD CONSTRAINT poison CHECK (body NOT LIKE 'poison%')")
	n := s.post(s.b, 1, "poison", chat.Idempotency{})
	s.edit(s.b, 1, n)
}

func (w *world) heal(t *testing.T) {
	t.Helper()
	for _, r := range w.rows(t, "SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema = DATABASE() AND constraint_name = 'poison'") {
		w.exec(t, "ALTER TABLE messages DROP CONSTRAINT "+r[0])
	}
}

// letters leaves a message and its edit as dead letters that can be stored now.
func letters(s *scene) {
	poison(s)
	s.b.flush()
	until(s.t, "the queue is drained", s.drained)
	s.b.stop()
	s.heal(s.t)
}

func (s *scene) openLetters(p *pod) (ids []flusher.LetterID) {
	rows, err := flusher.DeadLetters{DB: p.db}.List(s.t.Context(), flusher.StateOpen, flusher.LetterID{}, 100)
	if err != nil {
		s.t.Errorf("list the dead letters: %v", err)
	}
	for _, l := range rows {
		ids = append(ids, flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink})
	}
	return ids
}

func retryBy(s *scene, p *pod) {
	_, err := flusher.DeadLetters{DB: p.db, Indexes: s.indexes()}.Retry(s.t.Context(), s.openLetters(s.b))
	s.t.Logf("retry: %v", err) // what fails is tried again in the end
}

// discardBy makes holes of the letters, so that their writes are lost by an operator's word.
func discardBy(s *scene, p *pod) {
	s.h.discard()
	err := flusher.DeadLetters{DB: p.db}.Discard(s.t.Context(), s.openLetters(s.b))
	s.t.Logf("discard: %v", err)
}

func discardRest(s *scene) { discardBy(s, s.b) }

// retry stores every dead letter.
func retry(s *scene) {
	s.heal(s.t)
	if s.index != nil {
		s.index.set(func(i *index) { i.away, i.refusing = false, false })
	}
	out, err := flusher.DeadLetters{DB: s.b.db, Indexes: s.indexes()}.Retry(s.t.Context(), s.openLetters(s.b))
	if err != nil {
		s.t.Errorf("retry: %v", err)
	}
	for _, o := range out {
		if !o.Stored {
			s.t.Errorf("retry: %+v", o)
		}
	}
}

// uncleaned: a flusher died between its commit and the cleaning.
func uncleaned(s *scene) {
	p := s.newPod(s.t, "dead", false, nil)
	died := s.dieAt(p, "flush.committed")
	p.flush()
	s.await("a flusher dies after its commit", died)
	p.stop()
	s.edit(s.b, 1, 1)
	s.post(s.b, 1, "after it", chat.Idempotency{})
}

// many is more than a call of clean.lua takes.
func many(s *scene) {
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 20 {
				s.post(s.b, 1, "many", chat.Idempotency{})
			}
		})
	}
	wg.Wait()
}

// missing: chat 2 and its message are stored, but for the row of the chat, whose partition Redis has lost.
func missing(s *scene) {
	storeAll(s)
	know(s)
	s.keyed = ""
	own := s.a.queue.Partition(chat.Scope{Application: s.h.app})
	s.post(s.b, 2, "waits", chat.Idempotency{})
	s.exec(s.t, "DELETE FROM chats WHERE number = 2")
	s.exec(s.t, "UPDATE applications SET chats_count = 1")
	for _, what := range []string{"stream", "open", fmt.Sprintf("seq:%d", s.h.app), fmt.Sprintf("pending:%d", s.h.app)} {
		if err := s.rdb.Del(s.t.Context(), fmt.Sprintf("chat:{%d}:%s", own, what)).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.h.giveUp(2)
}

func readMessage(s *scene, n int64) {
	kept := s.h.kept()
	m, err := s.a.store.Message(s.t.Context(), s.h.token, 1, n)
	told := (*chat.Error)(nil)
	switch {
	case errors.As(err, &told) && told.Code == chat.Unavailable:
	case n == 99:
		if told == nil || told.Code != chat.NotFound {
			s.t.Errorf("message 99: %v, %v", m, err)
		}
	case err != nil:
		s.t.Errorf("message %d: %v", n, err)
	default:
		if err := s.h.fits(place{1, n}, row{m.Body, m.Version}, kept); err != nil {
			s.t.Errorf("read: %v", err)
		}
	}
}

// application makes one under a key; in the end there is one.
func application(s *scene, p *pod) {
	key := chat.Idempotency{Key: [16]byte{1}, Payload: [16]byte{2}, Given: true}
	_, _, err := p.store.CreateApplication(s.t.Context(), "keyed", key)
	if told := (*chat.Error)(nil); err != nil && (!errors.As(err, &told) || told.Code != chat.OutcomeUnknown) {
		s.t.Errorf("create an application: %v", err)
	}
}

func rename(s *scene, p *pod) {
	if _, err := p.store.RenameApplication(s.t.Context(), s.h.token, "renamed"); err != nil {
		s.t.Logf("rename: %v", err)
	}
}

func loseIndex(s *scene) {
	s.index.set(func(i *index) { i.gone, i.docs = true, map[place]chat.Message{} })
}

// follow lets the index follow the stream.
func follow(s *scene) {
	s.b.flush()
	until(s.t, "the index holds what is stored", func() bool { return s.drained() && s.indexed() })
	until(s.t, "the index follows", func() bool {
		behind := s.rows(s.t, `SELECT 1 FROM flush_cursors c JOIN flush_cursors m ON m.partition_id = c.partition_id AND m.sink = 'mysql'
			WHERE c.sink = 'index' AND c.state = 'follow' AND c.position = m.position`)
		return len(behind) == s.partitions
	})
	s.b.stop()
}
