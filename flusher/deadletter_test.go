package flusher_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/search"
)

// refuse makes the database refuse rows whose body is «poison», as a rule of its own would.
func (b *bundle) refuse() {
	b.t.Helper()
	if !b.local {
		b.exec("ALTER TABLE messages ADD CONSTRAINT no_poison CHECK (body <> 'poison')")
		return
	}
	for name, event := range map[string]string{"no_poison": "INSERT", "no_poison_either": "UPDATE"} {
		b.exec("CREATE TRIGGER " + name + " BEFORE " + event + " ON messages WHEN NEW.body = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END")
	}
}

func (b *bundle) allow() {
	b.t.Helper()
	if !b.local {
		b.exec("ALTER TABLE messages DROP CONSTRAINT no_poison")
		return
	}
	b.exec("DROP TRIGGER no_poison")
	b.exec("DROP TRIGGER no_poison_either")
}

func (b *bundle) letters(state string) []flusher.LetterID {
	b.t.Helper()
	ls, err := flusher.DeadLetters{DB: b.db}.List(b.t.Context(), state, flusher.LetterID{}, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var ids []flusher.LetterID
	for _, l := range ls {
		ids = append(ids, flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink})
	}
	return ids
}

func TestARefusedRowBecomesADeadLetterAndCanBeRetried(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		b.refuse()
		app := b.app()
		c := b.chat(app)
		for _, body := range []string{"one", "poison", "three", "poison", "five"} {
			b.post(app, c, body)
		}
		b.flush()
		ids := b.letters(flusher.StateOpen)
		if len(ids) != 2 {
			t.Fatalf("dead letters: %v", ids)
		}
		if got := b.bodies(app, c); len(got) != 5 || got[1] != "poison" || got[4] != "five" {
			t.Fatalf("a refused message reads as accepted: %q", got)
		}
		if _, err := b.store.EditMessage(t.Context(), app, c, 2, "poison, edited"); err != nil {
			t.Fatal(err)
		}
		b.flush()
		if got := b.bodies(app, c); got[1] != "poison, edited" {
			t.Fatalf("its edit reads as accepted: %q", got)
		}
		if n := b.post(app, c, "six"); n != 6 {
			t.Fatalf("its number was given again: %d", n)
		}
		letters := flusher.DeadLetters{DB: b.db}
		out, err := letters.Retry(t.Context(), b.letters(flusher.StateOpen))
		if err != nil || len(out) != 3 || out[0].Stored || out[0].Reason == "" {
			t.Fatalf("retry while it is still refused: %+v, %v", out, err)
		}
		if err := letters.Discard(t.Context(), []flusher.LetterID{ids[1]}); err != nil {
			t.Fatal(err)
		}
		if err := letters.Discard(t.Context(), []flusher.LetterID{ids[1]}); !errors.Is(err, flusher.ErrNoLetter) {
			t.Fatalf("discarded twice: %v", err)
		}
		b.allow()
		out, err = letters.Retry(t.Context(), b.letters(flusher.StateOpen))
		if err != nil || len(out) != 2 || !out[0].Stored || !out[1].Stored {
			t.Fatalf("retry: %+v, %v", out, err)
		}
		if m, err := b.store.Message(t.Context(), app, c, 2); err != nil || m.Body != "poison, edited" {
			t.Fatalf("after the retry: %+v, %v", m, err)
		}
		var gone *chat.Error
		if _, err := b.store.Message(t.Context(), app, c, 4); !errors.As(err, &gone) || gone.Code != chat.Gone {
			t.Fatalf("a discarded message: %v", err)
		}
		l, err := b.store.Messages(t.Context(), app, c, chat.Page{Limit: 50})
		if err != nil || len(l.Items) != 5 {
			t.Fatalf("list with a hole: %+v, %v", l, err)
		}
		if got, err := b.store.Chat(t.Context(), app, c); err != nil || got.MessagesCount != 6 {
			t.Fatalf("a count counts numbers: %+v, %v", got, err)
		}
	})
}

func TestARefusedEditOfAStoredMessageReadsAsAccepted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		for _, body := range []string{"one", "two"} {
			b.post(app, c, body)
		}
		b.flush()
		b.refuse()
		edited, err := b.store.EditMessage(t.Context(), app, c, 1, "poison")
		if err != nil {
			t.Fatal(err)
		}
		b.flush()
		ids := b.letters(flusher.StateOpen)
		if len(ids) != 1 {
			t.Fatalf("dead letters: %v", ids)
		}
		m, err := b.store.Message(t.Context(), app, c, 1)
		if err != nil || m != edited {
			t.Fatalf("it reads %+v, %v, not %+v", m, err, edited)
		}
		if got := b.bodies(app, c); len(got) != 2 || got[0] != "poison" || got[1] != "two" {
			t.Fatalf("a list reads %q", got)
		}
		if _, err := b.store.EditMessage(t.Context(), app, c, 1, "better"); err != nil { // a later edit is stored over it
			t.Fatal(err)
		}
		b.flush()
		if m, err := b.store.Message(t.Context(), app, c, 1); err != nil || m.Body != "better" {
			t.Fatalf("after a later edit it reads %+v, %v", m, err)
		}
		if got := b.bodies(app, c); got[0] != "better" {
			t.Fatalf("after a later edit a list reads %q", got)
		}
		if _, err := b.store.EditMessage(t.Context(), app, c, 2, "poison"); err != nil {
			t.Fatal(err)
		}
		b.flush()
		if err := (flusher.DeadLetters{DB: b.db}).Discard(t.Context(), b.letters(flusher.StateOpen)); err != nil {
			t.Fatal(err)
		}
		if m, err := b.store.Message(t.Context(), app, c, 2); err != nil || m.Body != "two" {
			t.Fatalf("with the edit discarded it reads %+v, %v", m, err)
		}
	})
}

func TestADiscardedChatIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		first := b.chat(app)
		b.flush()
		if b.local {
			b.exec("CREATE TRIGGER no_second BEFORE INSERT ON chats WHEN NEW.number = 2 BEGIN SELECT RAISE(ABORT, 'second'); END")
		} else {
			b.exec("ALTER TABLE chats ADD CONSTRAINT no_second CHECK (number <> 2)")
		}
		second, third := b.chat(app), b.chat(app)
		b.flush()
		if got, err := b.store.Chat(t.Context(), app, second); err != nil || got.Number != second {
			t.Fatalf("a refused chat reads as accepted: %+v, %v", got, err)
		}
		if err := (flusher.DeadLetters{DB: b.db}).Discard(t.Context(), b.letters(flusher.StateOpen)); err != nil {
			t.Fatal(err)
		}
		var e *chat.Error
		if _, err := b.store.Chat(t.Context(), app, second); !errors.As(err, &e) || e.Code != chat.Gone {
			t.Fatalf("a discarded chat: %v", err)
		}
		if _, err := b.store.Messages(t.Context(), app, second, chat.Page{Limit: 10}); !errors.As(err, &e) || e.Code != chat.Gone {
			t.Fatalf("the messages of a discarded chat: %v", err)
		}
		l, err := b.store.Chats(t.Context(), app, chat.Page{Limit: 10})
		if err != nil || len(l.Items) != 2 || l.Items[0].Number != first || l.Items[1].Number != third {
			t.Fatalf("a list with a hole: %+v, %v", l, err)
		}
	})
}

// A letter of search has its row: it is no number of its own.
func TestWhatSearchRefusedIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "one")
		b.flush()
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		for _, sink := range []string{"index", db.SinkRestore} {
			err := b.db.InsertDeadLetters(t.Context(), []db.InsertDeadLettersRow{{
				Version: 1, Sink: sink, Kind: "message", ApplicationID: row.ID, ChatNumber: c, Number: 1, Payload: []byte("{}"), Reason: "refused",
				State: flusher.StateOpen, CreatedAt: row.CreatedAt,
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := flusher.New(b.config, b.db, b.queue, b.ledger()).Recount(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := b.store.Chat(t.Context(), app, c); err != nil || got.MessagesCount != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestTheRecountRepairsWrongCounts(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		for range 3 {
			c := b.chat(app)
			b.post(app, c, "one")
			b.post(app, c, "two")
		}
		b.flush()
		b.exec("UPDATE chats SET messages_count = 7 WHERE number = 2")
		b.exec("UPDATE applications SET chats_count = 1")
		f := flusher.New(b.config, b.db, b.queue, b.ledger())
		if err := f.Recount(t.Context()); err != nil {
			t.Fatal(err)
		}
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil || row.ChatsCount != 3 {
			t.Fatalf("%+v, %v", row, err)
		}
		rows, err := b.db.ChatsAfter(t.Context(), db.ChatsAfterParams{ApplicationID: row.ID, Limit: 10})
		if err != nil || len(rows) != 3 {
			t.Fatalf("%+v, %v", rows, err)
		}
		for _, r := range rows {
			if r.MessagesCount != 2 {
				t.Errorf("chat %d counts %d", r.Number, r.MessagesCount)
			}
		}
	})
}

// held is an index whose first request waits.
type held struct {
	*indexes
	first            sync.Once
	entered, release chan struct{}
}

func (h *held) At(string) search.Index { return h }

func (h *held) Put(ctx context.Context, ms []chat.Message) ([]search.Refusal, error) {
	h.first.Do(func() {
		close(h.entered)
		<-h.release
	})
	return h.indexes.Put(ctx, ms)
}

func TestARetriedMessageIsFoundThoughAScanHasPassedItsPlace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		local, err := search.OpenLocal(filepath.Join(t.TempDir(), "index"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = local.Close() })
		b.refuse()
		app := b.app()
		c := b.chat(app)
		b.post(app, c, "poison")
		b.post(app, c, "plums")
		b.flush()
		b.allow()

		index := &held{indexes: &indexes{Local: local}, entered: make(chan struct{}), release: make(chan struct{})}
		f := flusher.New(b.config, b.db, b.queue, b.ledger())
		f.Search(index, 1_000_000)
		defer b.runFlusher(f)()
		<-index.entered // with what was stored when the page was read
		away := &indexes{Local: local}
		away.away.Store(true)
		out, err := flusher.DeadLetters{DB: b.db, Indexes: away}.Retry(t.Context(), b.letters(flusher.StateOpen))
		close(index.release)
		if err != nil || len(out) != 1 || !out[0].Stored {
			t.Fatalf("%+v, %v", out, err)
		}
		b.until("what the scan saw is found", func() bool { return b.hits(index.indexes, app, c, "plums") == 1 })
		b.until("what was retried is found", func() bool { return b.hits(index.indexes, app, c, "poison") == 1 })
	})
}
