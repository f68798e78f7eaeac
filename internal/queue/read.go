package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// Batch is what follows on a position of a stream.
type Batch struct {
	Follows bool    // false: the stream was cut behind the position, or lies elsewhere
	Entries []Entry // in order, without the position's own
	Stale   Stale   // how the partition is open
	Broken  []error // an entry that can't be read: it names its place, in which it is kept
}

// Read reads up to count entries that follow on a position, together with how the partition is open. The proof that they
// follow comes after the entries on the same connection: a partition that was opened anew in between has another
// generation then, and a stream that was emptied has lost the position. A script that read them would cost three times as
// much.
func (q *Queue) Read(ctx context.Context, p int, from Position, count int) (Batch, error) {
	b, err := q.read(ctx, p, from, count, "evalsha", q.scripts.read.sha)
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		failpoint.Hit(q, "read.unloaded")
		b, err = q.read(ctx, p, from, count, "eval", q.scripts.read.source)
	}
	if err != nil {
		return Batch{}, fmt.Errorf("read partition %d: %w", p, err)
	}
	return b, nil
}

func (q *Queue) read(ctx context.Context, p int, from Position, count int, how, script string) (Batch, error) {
	pipe := q.rdb.Pipeline()
	entries := pipe.Do(ctx, "xrange", streamKey(p), from.Version.ID(), "+", "count", count+1) // its own first
	proof := pipe.Do(ctx, how, script, 2, streamKey(p), openKey(p), from.Version.ID(), from.Generation, count)
	_, _ = pipe.Exec(ctx) // both hold their own errors
	proven, err := proof.Slice()
	if err != nil {
		return Batch{}, err
	}
	read, err := entries.Slice()
	if err != nil {
		return Batch{}, err
	}
	return decodeBatch(proven, read, from)
}

// decodeBatch reads the answer of read.lua and what was read above the position before it.
func decodeBatch(proof, above []any, from Position) (b Batch, err error) {
	if len(proof) != 5 {
		return b, errReply
	}
	replid, _ := proof[0].(string)
	opened, _ := proof[1].(string)
	gen, _ := proof[2].(string)
	follows, ok := proof[3].(int64)
	entries, ok2 := proof[4].([]any)
	w := words{rest: gen}
	b.Stale = Stale{replid, w.number(), replid == opened}
	if replid == "" || w.bad || !ok || !ok2 {
		return b, errReply
	}
	b.Follows = follows != 0
	if follows == 1 {
		if len(above) == 0 {
			return b, errRead
		}
		switch own, err := decodeRaw(above[0]); {
		case err != nil:
			return b, err
		case own.Position() != from:
			return b, errRead
		}
		entries = above[1:]
	}
	b.Entries = make([]Entry, 0, len(entries))
	for _, raw := range entries {
		e, err := decodeRaw(raw)
		if errors.Is(err, errReply) {
			return b, err
		}
		if err != nil {
			b.Broken = append(b.Broken, err)
			break // what follows waits: an entry is never passed over
		}
		b.Entries = append(b.Entries, e)
	}
	return b, nil
}

// errRead says that the stream is another one than the one that was read: the position came into it afterwards, or what
// was to be cleaned lies in it no more.
var errRead = errors.New("queue: the stream changed while it was read")

func decodeRaw(raw any) (Entry, error) {
	id, fields, ok := rawEntry(raw)
	if !ok {
		return Entry{}, errReply
	}
	return decodeEntry(id, fields)
}

func rawEntry(raw any) (id string, fields []string, ok bool) {
	pair, ok := raw.([]any)
	if !ok || len(pair) != 2 {
		return "", nil, false
	}
	id, ok = pair[0].(string)
	list, ok2 := pair[1].([]any)
	if !ok || !ok2 {
		return "", nil, false
	}
	fields = make([]string, len(list))
	for i, f := range list {
		if fields[i], ok = f.(string); !ok {
			return "", nil, false
		}
	}
	return id, fields, true
}

// Depths reads the depth of each partition in one round trip.
func (q *Queue) Depths(ctx context.Context, partitions []int) ([]Depth, error) {
	pipe := q.rdb.Pipeline()
	lens := make([]*redis.IntCmd, len(partitions))
	lasts := make([]*redis.XMessageSliceCmd, len(partitions))
	for i, p := range partitions {
		lens[i] = pipe.XLen(ctx, streamKey(p))
		lasts[i] = pipe.XRevRangeN(ctx, streamKey(p), "+", "-", 1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the depth of the streams: %w", err)
	}
	ds := make([]Depth, len(partitions))
	for i := range partitions {
		ds[i].Entries = lens[i].Val()
		if m := lasts[i].Val(); len(m) == 1 {
			if v, err := chat.ParseVersion(m[0].ID); err == nil {
				ds[i].Last = v
			}
		}
	}
	return ds, nil
}
