package test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// lossy is a load under which Redis may lose what is not stored yet, once its chats are stored.
func (s *service) lossy() *load {
	s.t.Helper()
	l := s.newLoad(loadOptions{chats: 5, writers: 10, lossy: true})
	until(s.t, "the chats are stored", func() bool { return s.one("SELECT COUNT(*) FROM chats") >= 5 })
	return l
}

// keep remembers what is stored by now, which must never change again and is read back from here on.
func (l *load) keep(s *service) {
	l.t.Helper()
	rows := s.stored()
	now := map[storedMessage]bool{}
	for _, m := range rows {
		now[m] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.kept {
		if !now[m] {
			l.t.Errorf("the row of chat %d, message %d does not hold %q any more", m.chat, m.number, m.body)
		}
	}
	l.kept = rows
}

// checkLoss: whatever Redis lost, no stored number was given again, no row is doubled, no gap stays, and a key of a
// stored write still replays.
func (l *load) checkLoss(s *service) {
	l.t.Helper()
	l.end()
	s.drained()
	l.keep(s)
	highest, counts := map[int64]storedMessage{}, map[int64]int64{}
	for _, m := range l.kept {
		if m.number > highest[m.chat].number {
			highest[m.chat] = m
		}
		counts[m.chat]++
	}
	for chat, top := range highest {
		if counts[chat] != top.number {
			l.t.Errorf("chat %d has %d rows up to number %d", chat, counts[chat], top.number)
		}
		var m struct {
			Number int64 `json:"message_number"`
		}
		l.insist("POST", l.path(chat), top.body, map[string]string{"body": top.body}, &m)
		if m.Number != top.number {
			l.t.Errorf("chat %d: a retry of the stored message %d became %d", chat, top.number, m.Number)
		}
		l.insist("POST", l.path(chat), "the next", map[string]string{"body": "the next"}, &m)
		if m.Number != top.number+1 {
			l.t.Errorf("chat %d: after %d comes %d", chat, top.number, m.Number)
		}
	}
	s.drained()
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM dead_letters": 0,
		"SELECT COUNT(*) FROM (SELECT body FROM messages WHERE body <> 'the next' GROUP BY body HAVING COUNT(*) > 1) d": 0,
		"SELECT MAX(number) - COUNT(*) FROM chats":                                 0,
		"SELECT SUM(chats_count) - (SELECT COUNT(*) FROM chats) FROM applications": 0,
		"SELECT SUM(messages_count) - (SELECT COUNT(*) FROM messages) FROM chats":  0,
	} {
		if got := s.one(q); got != want {
			l.t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
}

// empty is FLUSHALL.
func (s *service) empty() {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(s.t.Context()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.lossy()
	for range 2 * rounds {
		l.more(between)
		l.keep(s)
		s.empty()
	}
	l.more(between)
	l.checkLoss(s)
}

// The transaction of before the loss is committed after it, or after pods have opened the partitions anew: those wait
// for it, or the database has given it up.
func TestRedisIsEmptiedWhileATransactionIsOpen(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"flush.read", "flush.moved", "flush.commit", "flush.committed"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newService(t, 2, 1)
			l := s.lossy()
			for i := range 4 {
				f := s.flushers[0]
				f.kill()
				f.start("FAILPOINT=" + step + "=stop@20")
				f.stopped()
				l.keep(s)
				s.empty()
				if i%2 == 0 { // else it wakes at once
					l.more(between)
				}
				f.signal(syscall.SIGCONT)
				f.stopped() // it went on for a while
			}
			s.flushers[0].kill()
			s.flushers[0].start()
			l.more(between)
			l.checkLoss(s)
		})
	}
}

func TestRedisComesBackWithAnOlderFile(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.lossy()
	files := filepath.Join(s.redis.Dir, "appendonlydir")
	for range rounds / 2 {
		l.more(between)
		s.redis.Kill()
		older := filepath.Join(t.TempDir(), "older")
		if err := os.CopyFS(older, os.DirFS(files)); err != nil {
			t.Fatal(err)
		}
		s.redis.Start()
		l.more(between)
		l.keep(s)
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
	l.checkLoss(s)
}
