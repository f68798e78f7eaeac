package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
)

// Above is a position in the stream of a partition.
type Above struct {
	Partition int
	Version   chat.Version
}

// Backlog is what the stream of a partition holds, and what of it lies above a position.
type Backlog struct {
	Length int64        // entries of the stream
	Added  int64        // entries that it was ever given, whatever was trimmed; -1: this Redis does not tell
	Last   chat.Version // of the newest entry that it was given
	Oldest chat.Version // of the oldest entry above the position; 0: none lies there
	Above  int64        // entries above the position; -1: not counted
}

// countAtMost bounds what is read to count the entries above a position, where Redis does not tell how many it was given.
const countAtMost = 10_000

// Backlogs looks at streams in one round trip, which costs the same however much they hold.
func (q *Queue) Backlogs(ctx context.Context, of []Above) ([]Backlog, error) {
	pipe := q.rdb.Pipeline()
	infos := make([]*redis.Cmd, len(of))
	above := make([]*redis.XMessageSliceCmd, len(of))
	count := int64(1)
	if !q.Shebang {
		count = countAtMost
	}
	for i, a := range of { // what lies above comes second: where it is nothing, nothing lay there before either
		infos[i] = redis.NewCmd(ctx, "xinfo", "stream", streamKey(a.Partition)) // go-redis' own refuses fields that it does not know
		infos[i].SetFirstKeyPos(2)
		_ = pipe.Process(ctx, infos[i])
		above[i] = pipe.XRangeN(ctx, streamKey(a.Partition), "("+a.Version.ID(), "+", count)
	}
	_, _ = pipe.Exec(ctx) // each holds its own error
	all := make([]Backlog, len(of))
	for i := range of {
		info, err := infos[i].Slice()
		if err != nil && isReply(err) && err.Error() == "ERR no such key" {
			all[i].Last = of[i].Version // nothing was ever added
			continue
		}
		if err == nil {
			all[i], err = q.backlog(info, above[i])
		}
		if err != nil {
			return nil, fmt.Errorf("look at partition %d: %w", of[i].Partition, err)
		}
	}
	return all, nil
}

func (q *Queue) backlog(info []any, above *redis.XMessageSliceCmd) (b Backlog, err error) {
	found, err := above.Result()
	if err != nil {
		return b, err
	}
	b.Added, b.Above = -1, -1
	for i := 0; i+1 < len(info); i += 2 {
		switch n, _ := info[i+1].(int64); info[i] {
		case "length":
			b.Length = n
		case "entries-added":
			b.Added = n
		case "last-generated-id":
			id, _ := info[i+1].(string)
			if b.Last, err = chat.ParseVersion(id); err != nil {
				return b, errReply
			}
		}
	}
	if len(found) == 0 || !q.Shebang {
		b.Above = int64(len(found))
	}
	if len(found) > 0 {
		if b.Oldest, err = chat.ParseVersion(found[0].ID); err != nil {
			return b, errReply
		}
	}
	return b, nil
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
