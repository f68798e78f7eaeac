package test

import (
	"fmt"
	"net/http"
)

// check ends the load and holds every pod against what was acknowledged, and then the tables, once all is flushed.
func (l *load) check(s *service) {
	l.t.Helper()
	l.end()
	for chat, messages := range l.messages {
		for n := range int64(len(messages)) {
			if messages[n+1] == nil {
				l.t.Errorf("chat %d: of %d acknowledged messages none has number %d", chat, len(messages), n+1)
			}
		}
		l.checkList(chat)
	}
	if s.mysql != nil {
		l.checkTables(s)
		for chat := range l.messages {
			l.checkList(chat)
		}
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
		l.insist(http.MethodGet, fmt.Sprintf("/applications/%s/chats/%d/messages?limit=200&after=%d", l.token, chat, next-1), "", nil, &page)
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
	pool := s.database()
	all := 0
	for _, messages := range l.messages {
		all += len(messages)
	}
	one := func(q string) (n int) {
		if err := pool.QueryRowContext(l.t.Context(), q).Scan(&n); err != nil {
			return -1
		}
		return n
	}
	// a chat's row comes from another partition than its messages, and may be stored after them
	until(l.t, fmt.Sprintf("%d rows are stored and counted", all), func() bool {
		return one("SELECT COUNT(*) FROM messages") >= all && one("SELECT COUNT(*) FROM chats") >= len(l.messages) &&
			one("SELECT COALESCE(SUM(messages_count), 0) FROM chats") >= all
	})
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM messages":                      all,
		"SELECT COUNT(*) FROM chats":                         len(l.messages),
		"SELECT COUNT(*) FROM dead_letters":                  0,
		"SELECT COALESCE(SUM(messages_count), 0) FROM chats": all,
		"SELECT COUNT(*) FROM (SELECT body FROM messages GROUP BY chat_number, body HAVING COUNT(*) > 1) d": 0,
	} {
		if got := one(q); got != want {
			l.t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
	rows, err := pool.QueryContext(l.t.Context(), "SELECT chat_number, number, body FROM messages")
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var chat, number int64
		var body string
		if err := rows.Scan(&chat, &number, &body); err != nil {
			l.t.Fatal(err)
		}
		if w := l.messages[chat][number]; w == nil || (w.body != body && !edited(w.body, body)) {
			l.t.Errorf("the row of chat %d, message %d holds %q", chat, number, body)
		}
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
}

// edited: the row may still wait for its edit.
func edited(want, row string) bool { return want == row+", edited" }
