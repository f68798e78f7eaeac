package api

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

const (
	limiterTimeout = 250 * time.Millisecond // as far as the client heeds deadlines; its own timeouts bound it anyway
	limiterPause   = time.Second            // without questions after a failure
)

// RedisLimiter limits with GCRA in Redis: a burst of perMinute requests, refilled at perMinute a minute.
type RedisLimiter struct {
	limiter *redis_rate.Limiter
	limit   redis_rate.Limit
	until   atomic.Int64 // Unix nanoseconds, before which Redis is not asked
}

// NewRedisLimiter makes one.
func NewRedisLimiter(client redis.UniversalClient, perMinute int) *RedisLimiter {
	return &RedisLimiter{limiter: redis_rate.NewLimiter(client), limit: redis_rate.PerMinute(perMinute)}
}

// Allow implements Limiter. After a failure one request a second tries again, and the others do not wait for it.
func (l *RedisLimiter) Allow(ctx context.Context, client string) (Allowance, error) {
	until := l.until.Load()
	if until != 0 {
		now := time.Now()
		if now.UnixNano() < until || !l.until.CompareAndSwap(until, now.Add(limiterPause).UnixNano()) {
			return Allowance{}, ErrLimiterDown
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limiterTimeout)
	defer cancel()
	r, err := l.limiter.Allow(ctx, "chat:"+client, l.limit)
	if err != nil {
		l.until.Store(time.Now().Add(limiterPause).UnixNano())
		return Allowance{}, err
	}
	if until != 0 {
		l.until.Store(0)
	}
	return Allowance{
		Allowed: r.Allowed > 0, Limit: l.limit.Burst, Window: l.limit.Period,
		Remaining: r.Remaining, Reset: r.ResetAfter, Retry: r.RetryAfter,
	}, nil
}
