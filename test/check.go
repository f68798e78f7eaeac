package test

import (
	"database/sql"
	"fmt"
	"net/http"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// check ends the load and holds every pod against what was acknowledged, and then the tables, once all is flushed.
func (l *load) check(s *service) {
	l.t.Helper()
	l.end()
	l.checkLists()
	if s.mysql != nil {
		l.checkTables(s)
		l.checkLists()
	}
}

func (l *load) checkLists() {
	l.t.Helper()
	for chat, messages := range l.messages {
		if chat > int64(len(l.messages)) {
			l.t.Errorf("%d chats were acknowledged, one of them has number %d", len(l.messages), chat)
		}
		for n := range int64(len(messages)) {
			if messages[n+1] == nil {
				l.t.Errorf("chat %d: of %d acknowledged messages none has number %d", chat, len(messages), n+1)
			}
		}
		l.checkList(chat)
	}
	var app struct {
		Count int `json:"chats_count"`
	}
	l.insist(http.MethodGet, "/applications/"+l.token, "", nil, &app)
	if app.Count != len(l.messages) {
		l.t.Errorf("the application counts %d chats, %d were acknowledged", app.Count, len(l.messages))
	}
}

// checkList reads a chat page by page.
func (l *load) checkList(chat int64) {
	l.t.Helper()
	messages := l.messages[chat]
	next := int64(1)
	for {
		var page []struct {
			Number int64
			Body   string
		}
		l.insist(http.MethodGet, fmt.Sprintf("%s?limit=200&after=%d", l.path(chat), next-1), "", nil, &page)
		for _, m := range page {
			if m.Number != next || messages[next] == nil || messages[next].body != m.Body {
				l.t.Errorf("chat %d: in the place of message %d stands %d, %q", chat, next, m.Number, m.Body)
				return
			}
			next++
		}
		if len(page) < 200 {
			break
		}
	}
	if int(next-1) != len(messages) {
		l.t.Errorf("chat %d lists %d messages, %d were acknowledged", chat, next-1, len(messages))
	}
	var c struct {
		Count int `json:"messages_count"`
	}
	l.insist(http.MethodGet, fmt.Sprintf("/applications/%s/chats/%d", l.token, chat), "", nil, &c)
	if c.Count != len(messages) {
		l.t.Errorf("chat %d counts %d messages, %d were acknowledged", chat, c.Count, len(messages))
	}
}

// checkTables waits until everything is stored, then looks for what is doubled, skipped or refused.
func (l *load) checkTables(s *service) {
	l.t.Helper()
	all := 0
	for _, messages := range l.messages {
		all += len(messages)
	}
	s.drained()
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM messages":                      all,
		"SELECT COUNT(*) FROM chats":                         len(l.messages),
		"SELECT COUNT(*) FROM dead_letters":                  0,
		"SELECT COALESCE(SUM(messages_count), 0) FROM chats": all,
		"SELECT SUM(chats_count) FROM applications":          len(l.messages),
		"SELECT COUNT(*) FROM (SELECT body FROM messages GROUP BY chat_number, body HAVING COUNT(*) > 1) d": 0,
	} {
		if got := s.one(q); got != want {
			l.t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
	for _, m := range s.stored() {
		if w := l.messages[m.chat][m.number]; w == nil || w.body != m.body {
			l.t.Errorf("the row of chat %d, message %d holds %q", m.chat, m.number, m.body)
		}
	}
}

// storesAll waits until everything is stored that is acknowledged when it is called.
func (l *load) storesAll(s *service) {
	l.t.Helper()
	l.mu.Lock()
	given := map[int64]int{}
	for chat, messages := range l.messages {
		given[chat] = len(messages)
	}
	l.mu.Unlock()
	until(l.t, "what was acknowledged is stored", func() bool {
		have := map[int64]int{}
		for _, m := range s.stored() {
			have[m.chat]++
		}
		for chat, n := range given {
			if have[chat] < n {
				return false
			}
		}
		return true
	})
}

// passed waits until the flushers have stored what is in the streams when it is called: edits, chats and the marks of
// openings, too, which storesAll does not look at.
func (s *service) passed() {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	for p := range partitions {
		last, err := client.XRevRangeN(s.t.Context(), fmt.Sprintf("chat:{%d}:stream", p), "+", "-", 1).Result()
		if err != nil {
			s.t.Fatal(err)
		}
		if len(last) == 0 {
			continue
		}
		end, err := chat.ParseVersion(last[0].ID)
		if err != nil {
			s.t.Fatal(err)
		}
		cursor := fmt.Sprintf("SELECT COUNT(*) FROM flush_cursors WHERE sink = 'mysql' AND partition_id = %d AND position >= %d", p, end)
		until(s.t, "what was accepted is stored", func() bool { return s.one(cursor) == 1 })
	}
}

// drained waits until everything that is accepted is stored, and taken out of pending.
func (s *service) drained() {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	until(s.t, "everything is stored and nothing is pending", func() bool {
		keys, err := client.Keys(s.t.Context(), "chat:*:pending:*").Result()
		return err == nil && len(keys) == 0
	})
}

// database opens the tables for a test's own statements.
func (s *service) database() *sql.DB {
	s.t.Helper()
	if s.pool == nil {
		pool, err := sql.Open("mysql", s.mysql.DSN)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = pool.Close() })
		s.pool = pool
	}
	return s.pool
}

// one asks for one number; it is -1 while the database does not answer.
func (s *service) one(q string) (n int) {
	s.t.Helper()
	if err := s.database().QueryRowContext(s.t.Context(), q).Scan(&n); err != nil {
		return -1
	}
	return n
}

// exec runs a statement behind the service's back.
func (s *service) exec(q string) {
	s.t.Helper()
	if _, err := s.database().ExecContext(s.t.Context(), q); err != nil {
		s.t.Fatalf("%s: %v", q, err)
	}
}

type storedMessage struct {
	chat, number int64
	body         string
}

// stored is every row of the messages table.
func (s *service) stored() []storedMessage {
	s.t.Helper()
	rows, err := s.database().QueryContext(s.t.Context(), "SELECT chat_number, number, body FROM messages")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []storedMessage
	for rows.Next() {
		var m storedMessage
		if err := rows.Scan(&m.chat, &m.number, &m.body); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}
