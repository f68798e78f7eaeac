package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leaderLife  = 5 * time.Second  // of what a leader says: it is said again every second
	watchedLife = 10 * time.Second // after somebody has asked
)

// Leaders tells for people, by partition, who flushes it: the name that a flusher gave itself, or "" where none says so. Nothing
// else depends on it. Flushers say it for some seconds after somebody has asked, so the first answer may be empty.
func (q *Queue) Leaders(ctx context.Context) ([]string, error) {
	pipe := q.rdb.Pipeline()
	pipe.Set(ctx, watchedKey, "", watchedLife)
	names := make([]*redis.StringCmd, q.Partitions)
	for p := range names {
		names[p] = pipe.Get(ctx, leaderKey(p))
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	all := make([]string, len(names))
	for p, name := range names {
		var err error
		if all[p], err = name.Result(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ask who flushes partition %d: %w", p, err)
		}
	}
	return all, nil
}

// Lead says that partitions are flushed by somebody, if anybody wants to know. It is to be said every second.
func (q *Queue) Lead(ctx context.Context, name string, partitions []int) error {
	watched, err := q.rdb.Exists(ctx, watchedKey).Result()
	if err != nil || watched == 0 {
		return err
	}
	pipe := q.rdb.Pipeline()
	for _, p := range partitions {
		pipe.Set(ctx, leaderKey(p), name, leaderLife)
	}
	_, err = pipe.Exec(ctx)
	return err
}
