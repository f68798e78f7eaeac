package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// attemptsPerMinute is how often one client may try to sign in, on all pods together, and how often all clients may on a pod
// that can't ask Redis.
const attemptsPerMinute = 10

// attempts bounds guessing.
type attempts struct {
	redis *redis_rate.Limiter

	mu    sync.Mutex
	since time.Time
	count int
}

func newAttempts(client redis.UniversalClient) *attempts {
	return &attempts{redis: redis_rate.NewLimiter(client)}
}

// allow counts an attempt before it is looked at, so that many at once are no more than one after the other.
func (a *attempts) allow(ctx context.Context, client string) (retry time.Duration, ok bool) {
	r, _, err := (&probe[*redis_rate.Result]{}).ask(ctx, func(ctx context.Context) (*redis_rate.Result, error) {
		return a.redis.Allow(ctx, "chat:sign-in:"+client, redis_rate.PerMinute(attemptsPerMinute))
	})
	if err == nil {
		return max(r.RetryAfter, 0), r.Allowed > 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(a.since) > time.Minute {
		a.since, a.count = now, 0
	}
	a.count++
	return time.Minute - now.Sub(a.since), a.count <= attemptsPerMinute
}

// forget lets a client that knew the token begin anew. Nobody waits for it, which Redis may be long in doing.
func (a *attempts) forget(client string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		_ = a.redis.Reset(ctx, "chat:sign-in:"+client) // else they are forgotten with time
	}()
}
