package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leaderLife  = 5 * time.Second  // of what a leader says: it is said again every second
	watchedLife = 10 * time.Second // after somebody has asked
	maxTrouble  = 600              // bytes
)

// Leader is who flushes a partition, as people are told.
type Leader struct {
	Name          string // that the flusher gave itself; empty: none says so
	Trouble       string // why its flushes fail; empty: they don't
	SearchTrouble string // why it can't bring search up to date; empty: it can
	Refusal       string // why Redis takes no writes of the partition, so that nobody can be asked; empty: it takes them
}

// text has a line for each that is said: whoever reads fewer passes over the others, one that is left out is empty.
func (l Leader) text() string {
	line := func(s string) string {
		if len(s) > maxTrouble {
			s = strings.ToValidUTF8(s[:maxTrouble], "") + "…"
		}
		return strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "")
	}
	return strings.TrimRight(l.Name+"\n"+line(l.Trouble)+"\n"+line(l.SearchTrouble), "\n")
}

func parseLeader(text string) (l Leader) {
	l.Name, text, _ = strings.Cut(text, "\n")
	l.Trouble, text, _ = strings.Cut(text, "\n")
	l.SearchTrouble, _, _ = strings.Cut(text, "\n")
	return l
}

// Leaders tells for people, by partition, who flushes it. Nothing else depends on it. Flushers say it for some seconds after
// somebody has asked, so the first answer may be empty.
func (q *Queue) Leaders(ctx context.Context) ([]Leader, error) {
	pipe := q.rdb.Pipeline()
	asked, said := make([]*redis.StatusCmd, q.Partitions), make([]*redis.StringCmd, q.Partitions)
	for p := range said {
		asked[p], said[p] = pipe.Set(ctx, watchedKey(p), "", watchedLife), pipe.Get(ctx, leaderKey(p))
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	all := make([]Leader, q.Partitions)
	for p := range all {
		var refusal redis.Error
		if err := asked[p].Err(); errors.As(err, &refusal) {
			all[p].Refusal = refusal.Error()
			continue
		} else if err != nil {
			return nil, fmt.Errorf("ask who flushes partition %d: %w", p, err)
		}
		text, err := said[p].Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ask who flushes partition %d: %w", p, err)
		}
		all[p] = parseLeader(text)
	}
	return all, nil
}

// Lead says who flushes partitions, if anybody wants to know. It is to be said every second.
func (q *Queue) Lead(ctx context.Context, leaders map[int]Leader) error {
	pipe := q.rdb.Pipeline()
	watched := map[int]*redis.IntCmd{}
	for p := range leaders {
		watched[p] = pipe.Exists(ctx, watchedKey(p))
	}
	_, err := pipe.Exec(ctx)
	for p, l := range leaders {
		if watched[p].Val() > 0 {
			pipe.Set(ctx, leaderKey(p), l.text(), leaderLife)
		}
	}
	if pipe.Len() > 0 {
		_, err = pipe.Exec(ctx)
	}
	return err
}
