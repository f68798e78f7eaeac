package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// The modes of durability, weakest first: which acknowledged writes a crash of Redis or of its machine can lose.
const (
	modeUnknown  = "unknown"  // Redis does not tell, or was not asked yet
	modeOff      = "off"      // appendonly no: all that were not flushed
	modeNo       = "no"       // appendfsync no: those that the kernel did not write yet
	modeEverySec = "everysec" // those of the last second or two
	modeRewrites = "rewrites" // no-appendfsync-on-rewrite yes: those during a rewrite of the file
	modeAlways   = "always"   // none
)

var modes = []string{modeUnknown, modeOff, modeNo, modeEverySec, modeRewrites, modeAlways}

// Durability is what Redis says about keeping acknowledged writes.
type Durability struct {
	mode       string   // the weakest of all masters
	Weaknesses []string // settings by which an acknowledged write can be lost, each a sentence; also «can't be known»
	Unfit      []string // settings with which writes must not be accepted at all
}

// Durability asks every master for the settings on which promises depend. The metrics tell what it found last.
func (c *Client) Durability(ctx context.Context) (d Durability, err error) {
	defer func() {
		if err != nil {
			d.mode = modeUnknown
		}
		c.mode.Store(d.mode)
	}()
	cluster, ok := c.rdb.(*redis.ClusterClient)
	if !ok {
		return durability(ctx, c.rdb)
	}
	var mu sync.Mutex // the masters are asked side by side
	all := Durability{mode: modeAlways}
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		d, err := durability(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if slices.Index(modes, d.mode) < slices.Index(modes, all.mode) {
			all.mode = d.mode
		}
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
	d.mode = mode(settings)
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

// mode is that of settings, of which those that are not told are missing.
func mode(settings map[string]string) string {
	switch v, ok := settings["appendonly"]; {
	case !ok:
		return modeUnknown
	case v != "yes":
		return modeOff
	}
	switch v, rewrites := settings["appendfsync"], settings["no-appendfsync-on-rewrite"]; {
	case v == modeNo || v == modeEverySec:
		return v
	case v != modeAlways || rewrites == "":
		return modeUnknown
	case rewrites != "no":
		return modeRewrites
	}
	return modeAlways
}

func isReply(err error) bool {
	_, ok := err.(redis.Error) //nolint:errorlint // go-redis' replies are of this type themselves
	return ok && !strings.HasPrefix(err.Error(), "LOADING")
}
