package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	scanChunk  = 1000
	smallChunk = 200 // keys of one round trip that are small: the answers for Idempotency-Keys
)

// dump writes the queue's keys of a master into an RDB file, one by one: each is of one moment, all together are not.
func dump(ctx context.Context, master *redis.Client, p Programs, rdb string) error {
	scratch, err := StartScratch(ctx, p, "", master.Options().DB)
	if err != nil {
		return err
	}
	defer func() { _ = scratch.Close() }() // its file was taken
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		keys, next, err := master.Scan(ctx, cursor, "chat:{*", scanChunk).Result()
		if err != nil {
			return interrupted(ctx, answered(err))
		}
		cursor = next
		small, large := partition(keys, func(key string) bool { return strings.Contains(key, "}:idem:") })
		for some := range slices.Chunk(small, smallChunk) {
			if err := copyKeys(ctx, master, scratch.Redis, some); err != nil {
				return err
			}
		}
		for some := range slices.Chunk(large, 1) {
			if err := copyKeys(ctx, master, scratch.Redis, some); err != nil {
				return err
			}
		}
	}
	if err := scratch.Redis.Save(ctx).Err(); err != nil {
		return interrupted(ctx, failure(TemporaryFull, "the RDB can't be written to %s (%w); TMPDIR names another folder", os.TempDir(), err))
	}
	return os.Rename(scratch.RDB(), rdb)
}

func partition(keys []string, first func(string) bool) (yes, no []string) {
	for _, k := range keys {
		if first(k) {
			yes = append(yes, k)
		} else {
			no = append(no, k)
		}
	}
	return yes, no
}

// copyKeys copies keys in one round trip to each side. One that has gone meanwhile is left out.
func copyKeys(ctx context.Context, from, to *redis.Client, keys []string) error {
	values, ttls := make([]*redis.StringCmd, len(keys)), make([]*redis.DurationCmd, len(keys))
	pipe := from.Pipeline() // no transaction: in a Cluster they lie in several slots
	for i, k := range keys {
		values[i], ttls[i] = pipe.Dump(ctx, k), pipe.PTTL(ctx, k)
	}
	_, _ = pipe.Exec(ctx) // each holds its own error
	for i := range keys {
		if err := values[i].Err(); err != nil && !errors.Is(err, redis.Nil) {
			return interrupted(ctx, answered(err))
		}
		if err := ttls[i].Err(); err != nil {
			return interrupted(ctx, answered(err))
		}
	}
	_, err := to.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, k := range keys {
			if value, ttl := values[i].Val(), ttls[i].Val(); value != "" && ttl != goneTTL {
				pipe.RestoreReplace(ctx, k, max(ttl, 0), value)
			}
		}
		return nil
	})
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "DUMP payload version"):
		return failure(TooOld, "this redis-server is older than the Redis that is backed up: %w", err)
	}
	return interrupted(ctx, fmt.Errorf("RESTORE: %w", err))
}

// goneTTL is what go-redis gives for a key that is not there.
const goneTTL = -2 * time.Nanosecond
