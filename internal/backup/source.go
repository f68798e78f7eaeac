package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/queue"
)

const (
	answerTimeout = time.Minute // for one answer of Redis: the DUMP of a long stream
	maxPartitions = 1024        // that PARTITIONS may name
)

// source is the Redis that is backed up.
type source struct {
	client  *queue.Client
	masters []*redis.Client
	slots   string // of the Cluster, and where they lie
}

// connect finds the masters and asks each whether it answers.
func connect(ctx context.Context, url string) (*source, error) {
	client, err := queue.Connect(url, func() {})
	if err != nil {
		return nil, &Error{Invalid, err}
	}
	s := &source{client: client}
	if err := s.find(ctx); err != nil {
		_ = client.Close()
		return nil, interrupted(ctx, answered(err))
	}
	return s, nil
}

func (s *source) find(ctx context.Context) error {
	cluster, ok := s.client.Redis().(*redis.ClusterClient)
	if !ok {
		one, ok := s.client.Redis().(*redis.Client)
		if !ok {
			return errors.New("a client of another kind")
		}
		s.masters = []*redis.Client{one.WithTimeout(answerTimeout)}
		return one.Ping(ctx).Err()
	}
	var mu sync.Mutex // the masters are asked side by side
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error {
		mu.Lock()
		s.masters = append(s.masters, one.WithTimeout(answerTimeout))
		mu.Unlock()
		return one.Ping(ctx).Err()
	})
	slices.SortFunc(s.masters, func(a, b *redis.Client) int { return cmp.Compare(a.Options().Addr, b.Options().Addr) })
	if err == nil {
		s.slots, err = slots(ctx, cluster)
	}
	return err
}

// moved says whether slots of the Cluster lie elsewhere than when it was connected to: then a partition may be missing.
func (s *source) moved(ctx context.Context) error {
	cluster, ok := s.client.Redis().(*redis.ClusterClient)
	if !ok {
		return nil
	}
	now, err := slots(ctx, cluster)
	if err != nil {
		return interrupted(ctx, answered(err))
	}
	if now != s.slots {
		return failure(Changed, "slots of the Cluster moved while it was copied")
	}
	return nil
}

// slots is which master has which slots; all 16384 are to have one.
func slots(ctx context.Context, cluster *redis.ClusterClient) (string, error) {
	all, err := cluster.ClusterSlots(ctx).Result()
	if err != nil {
		return "", err
	}
	var lines []string
	served := 0
	for _, r := range all {
		if len(r.Nodes) > 0 {
			served += r.End - r.Start + 1
			lines = append(lines, fmt.Sprintf("%d-%d %s", r.Start, r.End, r.Nodes[0].ID))
		}
	}
	if served != 16384 {
		return "", failure(Unreachable, "%d of the Cluster's 16384 slots have a master", served)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// close ends the connections.
func (s *source) close() { _ = s.client.Close() } // nothing was written

// describe adds what Redis itself says of its size and its version, as far as it lets this user ask.
func (s *source) describe(ctx context.Context, m *Manifest) error {
	for _, master := range s.masters {
		pipe := master.Pipeline()
		info, keys := pipe.Info(ctx, "server"), pipe.DBSize(ctx)
		var lengths []*redis.IntCmd
		for p := range maxPartitions {
			lengths = append(lengths, pipe.XLen(ctx, queue.StreamKey(p)))
		}
		if _, err := pipe.Exec(ctx); err != nil && ReasonOf(answered(err)) == Unreachable {
			return interrupted(ctx, answered(err))
		}
		m.Database = master.Options().DB
		m.RedisVersion = cmp.Or(m.RedisVersion, field(info.Val(), "redis_version"))
		m.Keys += keys.Val()
		for _, l := range lengths {
			if l.Val() > 0 { // a refusal, and another master's partition, count as nothing
				m.Entries += l.Val()
				m.Partitions++
			}
		}
	}
	return nil
}

// field of an INFO.
func field(info, name string) string {
	_, after, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ := strings.Cut(after, "\r")
	return value
}

// answered gives what Redis answered, or that it did not, its reason.
func answered(err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	if reply := redis.Error(nil); errors.As(err, &reply) {
		switch word, _, _ := strings.Cut(reply.Error(), " "); word {
		case "NOAUTH", "WRONGPASS", "NOPERM":
			return failure(Refused, "Redis refuses: %w", err)
		case "LOADING", "MASTERDOWN", "CLUSTERDOWN":
		default:
			return failure(Failed, "Redis answers: %w", err)
		}
	}
	return failure(Unreachable, "Redis can't be asked: %w", err)
}
