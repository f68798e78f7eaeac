package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Crowded says whether Redis, or a master of the Cluster, has used up three quarters of the memory that it may use.
func (q *Queue) Crowded(ctx context.Context) (bool, error) {
	if !q.Shebang {
		return false, nil // an embedded one has no bound
	}
	cluster, ok := q.rdb.(*redis.ClusterClient)
	if !ok {
		return crowded(ctx, q.rdb)
	}
	var one atomic.Bool
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		is, err := crowded(ctx, node)
		if is {
			one.Store(true)
		}
		return err
	})
	return one.Load(), err
}

func crowded(ctx context.Context, rdb redis.Cmdable) (bool, error) {
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return false, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	field := func(name string) int64 {
		_, after, _ := strings.Cut(info, "\n"+name+":")
		value, _, _ := strings.Cut(after, "\r")
		n, _ := strconv.ParseInt(value, 10, 64) // 0 where it does not tell
		return n
	}
	most := field("maxmemory")
	return most > 0 && field("used_memory") > most/4*3, nil
}
