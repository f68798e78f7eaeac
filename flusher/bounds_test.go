package flusher_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

// inParallel runs f for 1..n, some at a time.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := 1; i <= n; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
}

// SQLite's expressions are at most 1000 deep, and the counts of as many chats are raised by a condition joined with OR.
func TestAFlushRaisesTheCountsOfMoreChatsThanAStatementTakes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		const chats = 1100
		app := b.app()
		inParallel(chats, func(int) {
			if _, _, err := b.store.CreateChat(t.Context(), app, chat.Idempotency{}); err != nil {
				t.Error(err)
			}
		})
		b.flush()
		inParallel(chats, func(c int) {
			if _, _, err := b.store.CreateMessage(t.Context(), app, int64(c), "body", chat.Idempotency{}); err != nil {
				t.Error(err)
			}
		})
		b.flush()
		a, err := b.store.Application(t.Context(), app)
		if err != nil || a.ChatsCount != chats {
			t.Fatalf("%+v, %v", a, err)
		}
		rows, err := b.db.ChatsAfter(t.Context(), db.ChatsAfterParams{ApplicationID: a.ID, Limit: 2 * chats})
		if err != nil || len(rows) != chats {
			t.Fatalf("%d rows: %v", len(rows), err)
		}
		for _, r := range rows {
			if r.MessagesCount != 1 {
				t.Errorf("chat %d counts %d", r.Number, r.MessagesCount)
			}
		}
	})
}

// MariaDB takes statements up to 16 MiB unless it is told otherwise, and a quote is two bytes of a statement.
func TestAFlushStaysBelowWhatTheServerTakesInOneStatement(t *testing.T) {
	t.Parallel()
	b := onServers(t, enginetest.MySQL(t, "--max-allowed-packet=16M").DSN, enginetest.Redis(t).URL)
	app := b.app()
	const messages = 200
	post := func(c int64, body string) {
		inParallel(messages, func(int) {
			if _, _, err := b.store.CreateMessage(t.Context(), app, c, body, chat.Idempotency{}); err != nil {
				t.Error(err)
			}
		})
	}
	longest := func(character string) string { return strings.Repeat(character, chat.MaxBody) }

	c := b.chat(app)
	post(c, longest("'"))
	b.flush()
	if got := len(b.bodies(app, c)); got != messages {
		t.Fatalf("%d messages", got)
	}

	c = b.chat(app) // all but the first message is refused, and the longest body makes a payload that is six times as long
	a, err := b.store.Application(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	first := b.post(app, c, "the counter goes on from here")
	for n := range int64(messages) {
		if err := b.db.InsertMessage(t.Context(), db.InsertMessageParams{
			ApplicationID: a.ID, ChatNumber: c, Number: first + n + 1, Body: "here before", CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
		}); err != nil {
			t.Fatal(err)
		}
	}
	post(c, longest("\x00"))
	b.flush()
	counts, err := b.db.CountDeadLetters(t.Context())
	if want := fmt.Sprint([]db.CountDeadLettersRow{{Sink: db.SinkDatabase, State: flusher.StateOpen, Letters: messages}}); err != nil || fmt.Sprint(counts) != want {
		t.Fatalf("%v, not %v: %v", counts, want, err)
	}
}

// A batch that takes longer than a transaction may is halved until it does not.
func TestABatchThatTakesTooLongIsStoredInParts(t *testing.T) {
	t.Parallel()
	b := onServers(t, enginetest.MySQL(t).DSN, enginetest.Redis(t).URL)
	b.config.CommitTime = time.Second
	app := b.app()
	c := b.chat(app)
	b.flush()
	b.exec("CREATE TRIGGER slow BEFORE INSERT ON messages FOR EACH ROW DO SLEEP(0.02)")
	const messages = 150
	for range messages {
		b.post(app, c, "slowly")
	}
	_, log := b.traced()
	b.flush()
	if got := len(b.bodies(app, c)); got != messages || len(log.lines("context deadline exceeded")) == 0 {
		t.Fatalf("%d messages, and the log %q", got, log.lines(""))
	}
}
