package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// countedEntries is how far a Stat counts: bodies may be 64 KiB each, and Redis does nothing else meanwhile.
const countedEntries = 100

// Stat is what people want to know of one partition's stream.
type Stat struct {
	Millis  int64        // Redis' clock, Unix milliseconds
	Entries int64        // in the stream, what is retained after its flush included
	Last    chat.Version // 0: none yet
	Added   int64        // entries that were ever added; -1: this Redis does not tell (before 7, and an embedded one)
	Above   int          // entries above the first position,
	Exact   bool         // unless that many are more than were counted
	First   []chat.Version
}

// Stats reads a Stat of each partition in one round trip. At each partition stand the positions of its sinks, the database's
// first; First has the entry that follows on each, 0 for none.
func (q *Queue) Stats(ctx context.Context, positions [][]chat.Version) ([]Stat, error) {
	pipe := q.rdb.Pipeline()
	args := make([][]any, len(positions))
	replies := make([]*redis.Cmd, len(positions))
	for p, at := range positions {
		args[p] = []any{countedEntries + 1}
		for _, v := range at {
			args[p] = append(args[p], v.ID())
		}
		replies[p] = pipe.EvalSha(ctx, q.scripts.stats.sha, []string{streamKey(p)}, args[p]...)
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	stats := make([]Stat, len(positions))
	for p, r := range replies {
		reply, err := r.Result()
		if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			reply, err = q.run(ctx, q.scripts.stats, []string{streamKey(p)}, args[p]...)
		}
		l, err := list(reply, err)
		if err != nil {
			return nil, fmt.Errorf("read what waits in the streams: %w", err)
		}
		if stats[p], err = decodeStat(l, len(positions[p])); err != nil {
			return nil, err
		}
	}
	return stats, nil
}

func decodeStat(l []any, positions int) (s Stat, err error) {
	if len(l) != 5+positions {
		return s, errReply
	}
	number := func(i int) int64 {
		n, ok := l[i].(int64)
		if !ok {
			err = errReply
		}
		return n
	}
	id := func(i int) chat.Version {
		text, ok := l[i].(string)
		if !ok {
			err = errReply
		}
		v, _ := version(text) // 0 for none
		return v
	}
	s.Millis, s.Entries, s.Last, s.Added = number(0), number(1), id(2), number(3)
	s.Above = int(number(4))
	s.Exact = s.Above <= countedEntries
	for i := range positions {
		s.First = append(s.First, id(5+i))
	}
	return s, err
}

// Accepted is how many writes this process has accepted: for a Redis that does not tell what was added.
func (q *Queue) Accepted() int64 {
	var sum float64
	for _, c := range []prometheus.Counter{q.metrics.chats, q.metrics.messages, q.metrics.edits} {
		var m dto.Metric
		if c.Write(&m) == nil {
			sum += m.GetCounter().GetValue()
		}
	}
	return int64(sum)
}
