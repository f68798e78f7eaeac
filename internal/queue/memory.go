package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Memory is what Redis uses and may use, in bytes.
type Memory struct {
	Used, Max int64 // Max 0: no bound
}

// Crowded says that three quarters are used up.
func (m Memory) Crowded() bool { return m.Max > 0 && m.Used > m.Max/4*3 }

// Memory asks Redis for its memory; of a Cluster it is that of the master with the least room. An embedded one has no bound
// and tells nothing.
func (q *Queue) Memory(ctx context.Context) (Memory, error) {
	if !q.Shebang {
		return Memory{}, nil
	}
	cluster, ok := q.rdb.(*redis.ClusterClient)
	if !ok {
		return memoryOf(ctx, q.rdb)
	}
	var mu sync.Mutex // the masters are asked side by side
	var least Memory
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		m, err := memoryOf(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if fuller(m, least) {
			least = m
		}
		return err
	})
	return least, err
}

// fuller compares what share is used, and where there is no bound, how much.
func fuller(a, b Memory) bool {
	if a.Max == 0 || b.Max == 0 {
		return a.Max > 0 || (b.Max == 0 && a.Used > b.Used)
	}
	return float64(a.Used)/float64(a.Max) > float64(b.Used)/float64(b.Max)
}

func memoryOf(ctx context.Context, rdb redis.Cmdable) (Memory, error) {
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return Memory{}, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	field := func(name string) int64 {
		_, after, _ := strings.Cut(info, "\n"+name+":")
		value, _, _ := strings.Cut(after, "\r")
		n, _ := strconv.ParseInt(value, 10, 64) // 0 where it does not tell
		return n
	}
	return Memory{field("used_memory"), field("maxmemory")}, nil
}
