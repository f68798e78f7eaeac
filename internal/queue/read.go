package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// Batch is what follows on a position of a stream.
type Batch struct {
	Follows bool    // false: the stream was cut behind the position, or lies elsewhere
	Entries []Entry // in order, without the position's own
	Stale   Stale   // how the partition is open
	Broken  []Broken
}

// Broken is an entry that cannot be read; its place in the stream is kept.
type Broken struct {
	ID  string
	Err error
}

// Read reads up to count entries that follow on a position, together with how the partition is open, in one step.
func (q *Queue) Read(ctx context.Context, p int, from Position, count int) (Batch, error) {
	raw, err := list(q.run(ctx, q.scripts.read, []string{streamKey(p), openKey(p)}, from.Version.ID(), from.Generation, count))
	if err != nil {
		return Batch{}, fmt.Errorf("read partition %d: %w", p, err)
	}
	return decodeBatch(raw)
}

func decodeBatch(raw []any) (b Batch, err error) {
	if len(raw) != 5 {
		return b, errReply
	}
	replid, _ := raw[0].(string)
	opened, _ := raw[1].(string)
	gen, _ := raw[2].(string)
	follows, ok := raw[3].(int64)
	entries, ok2 := raw[4].([]any)
	w := words{rest: gen}
	b.Stale = Stale{replid, w.number(), replid == opened}
	if replid == "" || w.bad || !ok || !ok2 {
		return b, errReply
	}
	b.Follows = follows == 1
	b.Entries = make([]Entry, 0, len(entries))
	for _, raw := range entries {
		id, fields, ok := rawEntry(raw)
		if !ok {
			return b, errReply
		}
		e, err := decodeEntry(id, fields)
		if err != nil {
			b.Broken = append(b.Broken, Broken{id, err})
			break // what follows waits: an entry is never passed over
		}
		b.Entries = append(b.Entries, e)
	}
	return b, nil
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

// Until reads up to count entries above from and up to and including to, whether they follow on anything or not: what
// is to be cleaned after a change of leader.
func (q *Queue) Until(ctx context.Context, p int, from, to chat.Version, count int64) ([]Entry, error) {
	msgs, err := q.rdb.XRangeN(ctx, streamKey(p), "("+from.ID(), to.ID(), count).Result()
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", p, err)
	}
	es := make([]Entry, 0, len(msgs))
	for _, m := range msgs {
		fields := make([]string, 0, 2*len(m.Values))
		for _, name := range []string{"h", "b", "k"} {
			if v, ok := m.Values[name].(string); ok {
				fields = append(fields, name, v)
			}
		}
		if e, err := decodeEntry(m.ID, fields); err == nil {
			es = append(es, e)
		}
	}
	return es, nil
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

// Clean takes committed entries out of pending and trims the stream below a version (0: does not trim). It may be
// repeated and may come late. It gives the stream's length.
func (q *Queue) Clean(ctx context.Context, p int, committed []Entry, below chat.Version) (int64, error) {
	for {
		n := min(len(committed), maxBatch)
		length, err := q.clean(ctx, p, committed[:n], below)
		committed = committed[n:]
		if err != nil || len(committed) == 0 {
			return length, err
		}
	}
}

func (q *Queue) clean(ctx context.Context, p int, committed []Entry, below chat.Version) (int64, error) {
	keys := []string{streamKey(p)}
	byScope := map[chat.Scope][]any{}
	var scopes []chat.Scope
	for i := range committed {
		e := &committed[i]
		if e.Kind == Marker {
			continue
		}
		if byScope[e.Scope] == nil {
			scopes = append(scopes, e.Scope)
			keys = append(keys, seqKey(p, e.Scope), pendingKey(p, e.Scope))
		}
		byScope[e.Scope] = append(byScope[e.Scope], e.Number, e.Version.ID())
	}
	trim := ""
	if below > 0 {
		trim = below.ID()
	}
	args := []any{trim, int64(counterTTL / time.Second)}
	for _, s := range scopes {
		args = append(args, len(byScope[s])/2)
		args = append(args, byScope[s]...)
	}
	length, err := q.run(ctx, q.scripts.clean, keys, args...)
	if err != nil {
		return 0, fmt.Errorf("clean partition %d: %w", p, err)
	}
	n, ok := length.(int64)
	if !ok {
		return 0, errReply
	}
	return n, nil
}
