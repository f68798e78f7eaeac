package test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// stored is every row of the messages table: «chat/number» → body.
func (s *service) stored(pool *sql.DB) map[string]string {
	s.t.Helper()
	rows, err := pool.QueryContext(s.t.Context(), "SELECT chat_number, number, body FROM messages")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var chat, number int64
		var body string
		if err := rows.Scan(&chat, &number, &body); err != nil {
			s.t.Fatal(err)
		}
		all[fmt.Sprintf("%d/%d", chat, number)] = body
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// checkLoss: whatever Redis lost, no stored number was given again, no row is doubled, no gap stays, and a key of a
// stored write still replays.
func (l *load) checkLoss(s *service, pool *sql.DB, kept []map[string]string) {
	l.t.Helper()
	l.end()
	last := -1
	until(l.t, "the queue is drained", func() bool {
		var n int
		if err := pool.QueryRowContext(l.t.Context(), "SELECT COUNT(*) FROM messages").Scan(&n); err != nil {
			return false
		}
		same := n == last
		last = n
		return same && s.idle()
	})
	rows := s.stored(pool)
	for _, before := range kept {
		for at, body := range before {
			if rows[at] != body {
				l.t.Errorf("the row %s held %q and holds %q now", at, body, rows[at])
			}
		}
	}
	seen := map[string]string{}
	highest := map[int64]int64{}
	counts := map[int64]int64{}
	for at, body := range rows {
		var chat, number int64
		if _, err := fmt.Sscanf(at, "%d/%d", &chat, &number); err != nil {
			l.t.Fatal(err)
		}
		highest[chat] = max(highest[chat], number)
		counts[chat]++
		if other, ok := seen[body]; ok {
			l.t.Errorf("%q is stored as %s and as %s", body, other, at)
		}
		seen[body] = at
	}
	for chat, top := range highest {
		if counts[chat] != top {
			l.t.Errorf("chat %d has %d rows up to number %d", chat, counts[chat], top)
		}
		var m struct {
			Number int64 `json:"message_number"`
		}
		body := rows[fmt.Sprintf("%d/%d", chat, top)]
		path := fmt.Sprintf("/applications/%s/chats/%d/messages", l.token, chat)
		l.insist("POST", path, body, map[string]string{"body": body}, &m)
		if m.Number != top {
			l.t.Errorf("chat %d: a retry of the stored message %d became %d", chat, top, m.Number)
		}
		l.insist("POST", path, "the next", map[string]string{"body": "the next"}, &m)
		if m.Number != top+1 {
			l.t.Errorf("chat %d: after %d comes %d", chat, top, m.Number)
		}
	}
	var dead int
	if err := pool.QueryRowContext(l.t.Context(), "SELECT COUNT(*) FROM dead_letters").Scan(&dead); err != nil || dead > 0 {
		l.t.Errorf("%d dead letters, %v", dead, err)
	}
}

// idle: no flusher has anything to do.
func (s *service) idle() bool {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(s.t.Context(), "chat:*:pending:*").Result()
	return err == nil && len(keys) == 0
}

func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	pool := s.database()
	l := s.newLoad(5, 10, true)
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	until(t, "the chats are stored", func() bool {
		var n int
		return pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM chats").Scan(&n) == nil && n == 5
	})
	var kept []map[string]string
	for range 2 * rounds {
		l.more(between)
		kept = append(kept, s.stored(pool))
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	l.more(between)
	l.checkLoss(s, pool, kept)
}

func TestRedisComesBackWithAnOlderFile(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	pool := s.database()
	l := s.newLoad(5, 10, true)
	files := filepath.Join(s.redis.Dir, "appendonlydir")
	until(t, "the chats are stored", func() bool {
		var n int
		return pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM chats").Scan(&n) == nil && n == 5
	})
	var kept []map[string]string
	for range rounds {
		l.more(between)
		s.redis.Kill()
		older := filepath.Join(t.TempDir(), "older")
		if err := os.CopyFS(older, os.DirFS(files)); err != nil {
			t.Fatal(err)
		}
		s.redis.Start()
		l.more(between)
		kept = append(kept, s.stored(pool))
		s.redis.Kill()
		if err := os.RemoveAll(files); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(files, os.DirFS(older)); err != nil {
			t.Fatal(err)
		}
		s.redis.Start()
	}
	l.more(between)
	l.checkLoss(s, pool, kept)
}
