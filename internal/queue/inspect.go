package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

const (
	entriesChunk = 256 // entries of one XRANGE: a body has up to 64 KiB
	hashChunk    = 256 // fields of one HSCAN, counters of one pipeline
	scanChunk    = 1000
)

// ErrDisagrees says that what a Redis holds does not fit together. The error around it names the partition and the key.
var ErrDisagrees = errors.New("queue: what Redis holds does not agree")

// Inspection is what a Redis holds of a partition.
type Inspection struct {
	Partition  int    `json:"partition"`
	Entries    int64  `json:"entries"`    // of the stream
	First      string `json:"first"`      // id of its oldest entry, empty without any
	Last       string `json:"last"`       // and of its newest
	Floor      string `json:"floor"`      // up to which entry all is void, empty for nothing
	Generation int64  `json:"generation"` // in which it is open; 0: not at all
	Replid     string `json:"replid"`     // of the Redis in which it was opened
	Counters   int64  `json:"counters"`   // scopes that have one
	Pending    int64  `json:"pending"`    // writes above the floor that are not known to be stored
	Void       int64  `json:"void"`       // entries below the floor
}

// Partitions are those of which a Redis, or one master of a Cluster, holds the stream or how it is open, in order.
func Partitions(ctx context.Context, rdb redis.Cmdable) ([]int, error) {
	held, err := holdings(ctx, rdb)
	return slices.Sorted(maps.Keys(held)), err
}

// Entries are all entries of a partition's stream by their ids, oldest first: markers, and what is void or was flushed
// and is retained. An error ends them: Redis', or that of an entry that can't be read, which is an ErrDisagrees.
func Entries(ctx context.Context, rdb redis.Cmdable, partition int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		from := "-"
		for {
			raw, err := rdb.XRangeN(ctx, streamKey(partition), from, "+", entriesChunk).Result()
			if err != nil {
				yield(Entry{}, fmt.Errorf("partition %d: %s: %w", partition, streamKey(partition), err))
				return
			}
			for _, m := range raw {
				e, err := decodeMessage(m)
				if err != nil {
					err = disagree(partition, streamKey(partition), "%v", err)
				}
				if !yield(e, err) || err != nil {
					return
				}
			}
			if len(raw) < entriesChunk {
				return
			}
			from = "(" + raw[len(raw)-1].ID
		}
	}
}

// decodeMessage reads an entry as XRANGE gives it to go-redis, which has made a map of its fields.
func decodeMessage(m redis.XMessage) (Entry, error) {
	fields := make([]string, 0, 8)
	for _, name := range []string{"h", "b", "k", "t"} {
		if v, ok := m.Values[name].(string); ok {
			fields = append(fields, name, v)
		}
	}
	return decodeEntry(m.ID, fields)
}

// Inspect reads all that a Redis holds of the partitions, and checks that it agrees. Nobody may write to it meanwhile.
// The rules are what accept.lua, open.lua and clean.lua leave behind after each of their calls:
//
//   - every entry of a stream can be read;
//   - a stream goes on above the floor: the marker there is its newest entry, or lies below that;
//   - each pending write above the floor is the entry of the stream with its id: clean.lua trims only what it took out of
//     pending before;
//   - where a counter is of the generation in which the partition is open, it is at or above the pending numbers of its
//     scope above the floor, and at or above the created numbers of the entries of that generation. A counter that is
//     missing has expired, since nothing of its scope was pending.
//
// Where the keys are not of one moment (consistent is false), or «open» is missing, each key is checked by itself alone.
// What does not agree is an ErrDisagrees, the first one of each partition.
func Inspect(ctx context.Context, rdb redis.Cmdable, consistent bool) ([]Inspection, error) {
	held, err := holdings(ctx, rdb)
	if err != nil {
		return nil, err
	}
	var all []Inspection
	var faults []error
	for _, p := range slices.Sorted(maps.Keys(held)) {
		i := inspector{ctx: ctx, rdb: rdb, held: held[p], Inspection: Inspection{Partition: p}}
		err := i.inspect(consistent)
		if err != nil && !errors.Is(err, ErrDisagrees) {
			return nil, err
		}
		if err != nil {
			faults = append(faults, err)
		}
		all = append(all, i.Inspection)
	}
	return all, errors.Join(faults...)
}

// holding is which keys of a partition there are.
type holding struct {
	stream, open      bool
	counters, pending map[chat.Scope]bool
}

// holdings looks through all keys once.
func holdings(ctx context.Context, rdb redis.Cmdable) (map[int]*holding, error) {
	held := map[int]*holding{}
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		keys, next, err := rdb.Scan(ctx, cursor, "chat:{*", scanChunk).Result()
		if err != nil {
			return nil, fmt.Errorf("look through the keys: %w", err)
		}
		cursor = next
		for _, key := range keys {
			p, what, ok := parseKey(key)
			if !ok {
				continue // no key of ours
			}
			h := held[p]
			if h == nil {
				h = &holding{counters: map[chat.Scope]bool{}, pending: map[chat.Scope]bool{}}
			}
			kind, of, _ := strings.Cut(what, ":")
			s, isScope := parseScope(of)
			switch {
			case what == "stream":
				h.stream = true
			case what == "open":
				h.open = true
			case kind == "seq" && isScope:
				h.counters[s] = true
			case kind == "pending" && isScope:
				h.pending[s] = true
			case kind == "seq" || kind == "pending":
				return nil, disagree(p, key, "it names no scope")
			default:
				continue // the answers for Idempotency-Keys alone are no partition
			}
			held[p] = h
		}
	}
	return held, nil
}

// parseKey takes a key of a partition apart, «chat:{p}:what».
func parseKey(key string) (p int, what string, ok bool) {
	rest, ok := strings.CutPrefix(key, "chat:{")
	if !ok {
		return 0, "", false
	}
	number, what, ok := strings.Cut(rest, "}:")
	if !ok {
		return 0, "", false
	}
	p, err := strconv.Atoi(number)
	return p, what, err == nil && p >= 0 && strconv.Itoa(p) == number
}

func parseScope(text string) (s chat.Scope, ok bool) {
	application, of, isChat := strings.Cut(text, "/")
	w := words{rest: application}
	s.Application = w.number()
	if isChat {
		w.rest = of
		s.Chat = w.number()
	}
	return s, !w.bad && string(appendScope(nil, s)) == text
}

func disagree(p int, key, format string, args ...any) error {
	return fmt.Errorf("%w: partition %d: %s: %s", ErrDisagrees, p, key, fmt.Sprintf(format, args...))
}

// inspector reads one partition.
type inspector struct {
	Inspection
	ctx     context.Context // it lives for one call of Inspect
	rdb     redis.Cmdable
	held    *holding
	floor   chat.Version
	waiting map[chat.Version]place // live pending writes whose entries were not met yet
	highest map[chat.Scope]int64   // live pending number, and created number of an entry of this generation
}

// place is a number of a scope.
type place struct {
	scope  chat.Scope
	number int64
}

func (i *inspector) inspect(consistent bool) error {
	i.waiting, i.highest = map[chat.Version]place{}, map[chat.Scope]int64{}
	if err := i.readOpen(); err != nil {
		return err
	}
	for s := range i.held.pending {
		if err := i.readPending(s); err != nil {
			return err
		}
	}
	if err := i.readStream(); err != nil {
		return err
	}
	together := consistent && i.held.open
	if err := i.readCounters(together); err != nil {
		return err
	}
	if !together {
		return nil
	}
	if last, _ := version(i.Last); last < i.floor {
		return disagree(i.Partition, streamKey(i.Partition), "its newest entry is %q, below the floor %s", i.Last, i.Floor)
	}
	for v, at := range i.waiting {
		return disagree(i.Partition, pendingKey(i.Partition, at.scope), "number %d waits as %s, which is no entry of the stream", at.number, v.ID())
	}
	return nil
}

func (i *inspector) readOpen() error {
	key := openKey(i.Partition)
	o, err := i.rdb.HMGet(i.ctx, key, "replid", "gen", "floor", "cleaned").Result()
	if err != nil {
		return i.failed(key, err)
	}
	field := func(n int) string { s, _ := o[n].(string); return s }
	i.Replid, i.Floor = field(0), field(2)
	if i.held.open {
		w := words{rest: field(1)}
		if i.Generation = w.number(); w.bad || i.Replid == "" {
			return disagree(i.Partition, key, "it holds no generation or no replid")
		}
	}
	for _, id := range []string{field(2), field(3)} {
		if _, ok := version(id); id != "" && !ok {
			return disagree(i.Partition, key, "%q is no id of an entry", id)
		}
	}
	i.floor, _ = version(i.Floor)
	return nil
}

func (i *inspector) readPending(s chat.Scope) error {
	key := pendingKey(i.Partition, s)
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		fields, next, err := i.rdb.HScan(i.ctx, key, cursor, "", hashChunk).Result()
		if err != nil {
			return i.failed(key, err)
		}
		cursor = next
		for f := 0; f+1 < len(fields); f += 2 {
			w := words{rest: fields[f]}
			number := w.number()
			write, err := decodePending(fields[f+1])
			if err != nil || w.bad || number == 0 {
				return disagree(i.Partition, key, "the write under %q can't be read", fields[f])
			}
			if write.Version > i.floor {
				if other, twice := i.waiting[write.Version]; twice && other != (place{s, number}) {
					return disagree(i.Partition, key, "number %d waits as %s, and number %d does too", number, write.Version.ID(), other.number)
				}
				i.waiting[write.Version] = place{s, number}
				i.highest[s] = max(i.highest[s], number)
			}
		}
	}
	i.Pending = int64(len(i.waiting))
	return nil
}

func (i *inspector) readStream() error {
	for e, err := range Entries(i.ctx, i.rdb, i.Partition) {
		if err != nil {
			if cause := errors.Unwrap(err); wrongType(cause) {
				return i.failed(streamKey(i.Partition), cause)
			}
			return err
		}
		if i.Entries++; i.First == "" {
			i.First = e.Version.ID()
		}
		i.Last = e.Version.ID()
		if e.Version < i.floor {
			i.Void++
		}
		if e.Kind == Marker || e.Version <= i.floor {
			continue
		}
		if at, ok := i.waiting[e.Version]; ok && at == (place{e.Scope, e.Number}) {
			delete(i.waiting, e.Version)
		}
		if e.Kind != MessageEdited && e.Generation == i.Generation {
			i.highest[e.Scope] = max(i.highest[e.Scope], e.Number)
		}
	}
	return nil
}

// readCounters reads the counters; compare says whether they are to agree with what was read before.
func (i *inspector) readCounters(compare bool) error {
	for scopes := range slices.Chunk(slices.Collect(maps.Keys(i.held.counters)), hashChunk) {
		pipe := i.rdb.Pipeline()
		replies := make([]*redis.SliceCmd, len(scopes))
		for n, s := range scopes {
			replies[n] = pipe.HMGet(i.ctx, seqKey(i.Partition, s), "n", "gen")
		}
		_, _ = pipe.Exec(i.ctx) // each holds its own error
		for n, s := range scopes {
			key := seqKey(i.Partition, s)
			c, err := replies[n].Result()
			if err != nil {
				return i.failed(key, err)
			}
			last, _ := c[0].(string)
			gen, _ := c[1].(string)
			if last == "" && gen == "" { // it expired meanwhile
				continue
			}
			i.Counters++
			w := words{rest: last + " " + gen}
			given, generation := w.number(), w.number()
			if w.bad {
				return disagree(i.Partition, key, "it is no counter")
			}
			if compare && generation == i.Generation && given < i.highest[s] {
				return disagree(i.Partition, key, "it is %d, and number %d was given in the same generation", given, i.highest[s])
			}
		}
	}
	return nil
}

// failed says what reading a key failed with. That it is of another type is a disagreement.
func (i *inspector) failed(key string, err error) error {
	if wrongType(err) {
		return disagree(i.Partition, key, "%v", err)
	}
	return fmt.Errorf("partition %d: %s: %w", i.Partition, key, err)
}

func wrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }
