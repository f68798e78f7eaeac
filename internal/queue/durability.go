package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Durability is what Redis says about keeping acknowledged writes.
type Durability struct {
	Weaknesses []string // settings by which an acknowledged write can be lost, each a sentence; also «can't be known»
	Unfit      []string // settings with which writes must not be accepted at all
}

// Durability asks every master for the settings on which promises depend.
func (c *Client) Durability(ctx context.Context) (Durability, error) {
	cluster, ok := c.rdb.(*redis.ClusterClient)
	if !ok {
		return durability(ctx, c.rdb)
	}
	var mu sync.Mutex // the masters are asked side by side
	var all Durability
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		d, err := durability(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		all.Weaknesses, all.Unfit = append(all.Weaknesses, d.Weaknesses...), append(all.Unfit, d.Unfit...)
		return err
	})
	return all, err
}

func durability(ctx context.Context, rdb redis.Cmdable) (d Durability, err error) {
	settings := map[string]string{}
	for _, name := range []string{"appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"} {
		got, err := rdb.ConfigGet(ctx, name).Result()
		switch {
		case err == nil:
			settings[name] = got[name]
		case isReply(err):
			d.Weaknesses = append(d.Weaknesses, fmt.Sprintf("Redis does not tell %s: whether it syncs every write is not known", name))
		default:
			return d, err
		}
	}
	if v, ok := settings["appendonly"]; ok && v != "yes" {
		d.Weaknesses = append(d.Weaknesses, fmt.Sprintf("Redis has appendonly %s: a restart loses what was not flushed", v))
	} else if v, ok := settings["appendfsync"]; ok && v != "always" {
		d.Weaknesses = append(d.Weaknesses, fmt.Sprintf("Redis has appendfsync %s: a crash loses acknowledged writes", v))
	}
	if v, ok := settings["no-appendfsync-on-rewrite"]; ok && v != "no" {
		d.Weaknesses = append(d.Weaknesses, "Redis has no-appendfsync-on-rewrite yes: a crash during a rewrite loses acknowledged writes")
	}
	if v, ok := settings["maxmemory-policy"]; ok && v != "noeviction" {
		d.Unfit = append(d.Unfit, fmt.Sprintf("Redis has maxmemory-policy %s, which drops accepted writes; it must be noeviction", v))
	}
	return d, nil
}

func isReply(err error) bool {
	_, ok := err.(redis.Error) //nolint:errorlint // go-redis' replies are of this type themselves
	return ok && !strings.HasPrefix(err.Error(), "LOADING")
}
