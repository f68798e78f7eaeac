package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

// Versions rise and numbers go on whatever the clock of Redis says; an edit is later than its message.
func TestTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	r, clock := enginetest.RedisWithClock(t)
	s := newServiceOn(t, enginetest.MySQL(t), r, 2, 2)
	l := s.load(5, 10)
	l.more(between)
	first := l.post(1, "written before")
	const back = 2 * time.Hour
	for i, off := range []time.Duration{-back, -back - time.Second, -24 * time.Hour, 0, -back} {
		clock.Set(off)
		client := redis.NewClient(&redis.Options{Addr: r.Addr})
		now, err := client.Time(t.Context()).Result()
		_ = client.Close()
		if err != nil || now.Sub(time.Now().Add(off)).Abs() > time.Minute {
			t.Fatalf("the clock of Redis says %s, %v", now, err)
		}
		l.edit(1, first, fmt.Sprintf("edited with the clock at %s", off))
		var m struct {
			CreatedAt time.Time `json:"created_at"`
			UpdatedAt time.Time `json:"updated_at"`
		}
		if !l.read(fmt.Sprintf("%s/%d", l.path(1), first), &m) || !m.UpdatedAt.After(m.CreatedAt) {
			t.Errorf("edited at %s, made at %s", m.UpdatedAt, m.CreatedAt)
		}
		l.more(between)
		if i == 2 { // it comes back with a clock behind its own entries
			s.redis.Kill()
			s.redis.Start()
			l.more(between)
		}
	}
	l.check(s)
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM messages WHERE updated_at < created_at":                           0,
		"SELECT COUNT(*) FROM messages WHERE body LIKE '%edited%' AND updated_at <= created_at": 0,
		"SELECT COUNT(*) FROM messages a JOIN messages b ON a.application_id = b.application_id AND a.chat_number = b.chat_number AND a.number + 1 = b.number AND a.body NOT LIKE '%edited%' AND a.version >= b.version": 0,
	} {
		if got := s.one(q); got != want {
			t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
}
