package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// Above is a position in the stream of a partition, and how many entries above it are counted at most: that bounds what it costs
// Redis, which reads them for it, and bodies may be 64 KiB each.
type Above struct {
	Partition int
	Version   chat.Version
	Most      int
}

// Backlog is what the stream of a partition holds, and what of it lies above a position.
type Backlog struct {
	Millis int64        // Redis' clock, Unix milliseconds
	Length int64        // entries of the stream, what is retained after its flush included
	Added  int64        // entries that it was ever given, whatever was trimmed; -1: this Redis does not tell (before 7, and an embedded one)
	Last   chat.Version // of the newest entry that it was given; 0: none yet
	Oldest chat.Version // of the oldest entry above the position; 0: none lies there
	Above  int64        // entries above the position; -1: more than were counted
}

const countEmbedded = 10_000

// Counted is how many entries are to be counted where so many would do: an embedded Redis does not tell how many a stream was
// given, so there they have to be.
func (q *Queue) Counted(most int) int {
	if !q.Shebang {
		return countEmbedded
	}
	return most
}

// Backlogs looks at streams in one round trip.
func (q *Queue) Backlogs(ctx context.Context, of []Above) ([]Backlog, error) {
	pipe := q.rdb.Pipeline()
	replies := make([]*redis.Cmd, len(of))
	for i, a := range of {
		replies[i] = pipe.EvalSha(ctx, q.scripts.backlog.sha, []string{streamKey(a.Partition)}, a.Most, a.Version.ID())
	}
	_, _ = pipe.Exec(ctx) // each reply has its error
	all := make([]Backlog, len(of))
	for i, a := range of {
		reply, err := replies[i].Result()
		if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			reply, err = q.run(ctx, q.scripts.backlog, []string{streamKey(a.Partition)}, a.Most, a.Version.ID())
		}
		l, err := list(reply, err)
		if err == nil {
			all[i], err = decodeBacklog(l, int64(a.Most))
		}
		if err != nil {
			return nil, fmt.Errorf("look at partition %d: %w", a.Partition, err)
		}
	}
	return all, nil
}

func decodeBacklog(l []any, most int64) (b Backlog, err error) {
	if len(l) != 6 {
		return b, errReply
	}
	number := func(i int) int64 {
		n, ok := l[i].(int64)
		if !ok {
			err = errReply
		}
		return n
	}
	id := func(i int) (v chat.Version) {
		text, ok := l[i].(string)
		if ok && text != "" {
			v, ok = version(text)
		}
		if !ok {
			err = errReply
		}
		return v
	}
	b = Backlog{Millis: number(0), Length: number(1), Last: id(2), Added: number(3), Above: number(4), Oldest: id(5)}
	if b.Above > most {
		b.Above = -1
	}
	return b, err
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

// Cleaned is up to where Redis knows the partition to be stored: at most a batch less than the database does.
func (q *Queue) Cleaned(ctx context.Context, p int) (chat.Version, error) {
	id, err := q.rdb.HGet(ctx, openKey(p), "cleaned").Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	v, err := chat.ParseVersion(id)
	if err != nil {
		return 0, errReply
	}
	return v, nil
}
