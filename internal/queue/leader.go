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
	maxTrouble  = 300              // bytes
)

// Leader is who flushes a partition, as people are told.
type Leader struct {
	Name          string // that the flusher gave itself; empty: none says so
	Trouble       string // why its flushes fail; empty: they don't
	SearchTrouble string // why it can't bring search up to date; empty: it can
}

// text has a line for each: one that is left out is empty to whoever reads it, and a further one is passed over.
func (l Leader) text() string {
	line := func(s string) string {
		return strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), maxTrouble)], "\n", " "), "")
	}
	return l.Name + "\n" + line(l.Trouble) + "\n" + line(l.SearchTrouble)
}

func parseLeader(text string) (l Leader) {
	l.Name, text, _ = strings.Cut(text, "\n")
	l.Trouble, text, _ = strings.Cut(text, "\n")
	l.SearchTrouble, _, _ = strings.Cut(text, "\n")
	return l
}

// Leaders tells for people, by partition, who flushes it. Nothing else depends on it. Flushers say it for some seconds after
// somebody has asked, so the first answer may be empty. Where Redis takes no writes they can't be asked, and its error says why.
func (q *Queue) Leaders(ctx context.Context) ([]Leader, error) {
	pipe := q.rdb.Pipeline()
	watched := pipe.Set(ctx, watchedKey, "", watchedLife)
	names := make([]*redis.StringCmd, q.Partitions)
	for p := range names {
		names[p] = pipe.Get(ctx, leaderKey(p))
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	if err := watched.Err(); err != nil {
		return nil, fmt.Errorf("say that somebody asks who flushes: %w", err)
	}
	all := make([]Leader, len(names))
	for p, said := range names {
		text, err := said.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ask who flushes partition %d: %w", p, err)
		}
		all[p] = parseLeader(text)
	}
	return all, nil
}

// Lead says who flushes partitions, if anybody wants to know. It is to be said every second.
func (q *Queue) Lead(ctx context.Context, leaders map[int]Leader) error {
	watched, err := q.rdb.Exists(ctx, watchedKey).Result()
	if err != nil || watched == 0 {
		return err
	}
	pipe := q.rdb.Pipeline()
	for p, l := range leaders {
		pipe.Set(ctx, leaderKey(p), l.text(), leaderLife)
	}
	_, err = pipe.Exec(ctx)
	return err
}
