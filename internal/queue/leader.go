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
	Name    string // that the flusher gave itself; empty: none says so
	Trouble string // why its flushes fail; empty: they don't
}

// Leaders tells for people, by partition, who flushes it. Nothing else depends on it. Flushers say it for some seconds after
// somebody has asked, so the first answer may be empty. It is nil where Redis takes no writes, so that they can't be asked.
func (q *Queue) Leaders(ctx context.Context) ([]Leader, error) {
	pipe := q.rdb.Pipeline()
	watched := pipe.Set(ctx, watchedKey, "", watchedLife)
	names := make([]*redis.StringCmd, q.Partitions)
	for p := range names {
		names[p] = pipe.Get(ctx, leaderKey(p))
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	all := make([]Leader, len(names))
	for p, said := range names {
		text, err := said.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ask who flushes partition %d: %w", p, err)
		}
		all[p].Name, all[p].Trouble, _ = strings.Cut(text, "\n")
	}
	if watched.Err() != nil {
		return nil, nil //nolint:nilerr // they were read, and mean nothing
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
		pipe.Set(ctx, leaderKey(p), l.Name+"\n"+strings.ToValidUTF8(l.Trouble[:min(len(l.Trouble), maxTrouble)], ""), leaderLife)
	}
	_, err = pipe.Exec(ctx)
	return err
}
