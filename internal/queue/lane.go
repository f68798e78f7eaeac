package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// lane sends the writes of one Redis node: while pipelines are in flight the next gathers.
type lane struct {
	q     *Queue
	group *Group[*call]
	apart bool      // a script call for each partition: a Cluster's must keep to one slot
	sorts sync.Pool // of *sorted
}

// sorted is a batch by partition.
type sorted struct {
	*lane
	buckets []bucket // by partition
	touched []int
}

// bucket holds the calls of a batch for one partition, scope by scope, in which order the script answers them.
type bucket struct {
	gen    int64 // in which they are sent
	place  map[chat.Scope]int
	scopes []scopeCalls
}

type scopeCalls struct {
	scope chat.Scope
	calls []*call
}

func newLane(q *Queue, apart bool) *lane {
	l := &lane{q: q, apart: apart}
	l.sorts.New = func() any {
		s := &sorted{lane: l, buckets: make([]bucket, q.Partitions)}
		for i := range s.buckets {
			s.buckets[i].place = map[chat.Scope]int{}
		}
		return s
	}
	l.group = NewGroup(maxBatch, overlap, maxWaiting, l.run)
	return l
}

func (b *bucket) add(c *call) {
	i, ok := b.place[c.Scope]
	if !ok {
		i = len(b.scopes)
		b.place[c.Scope] = i
		if i < cap(b.scopes) {
			b.scopes = b.scopes[:i+1] // with the room for calls that it had
		} else {
			b.scopes = append(b.scopes, scopeCalls{})
		}
		b.scopes[i].scope = c.Scope
	}
	b.scopes[i].calls = append(b.scopes[i].calls, c)
}

func (b *bucket) empty() {
	clear(b.place)
	for i := range b.scopes {
		clear(b.scopes[i].calls)
		b.scopes[i].calls = b.scopes[i].calls[:0]
	}
	b.scopes = b.scopes[:0]
}

func (b *bucket) size() (n int) {
	for i := range b.scopes {
		n += len(b.scopes[i].calls)
	}
	return n
}

// all goes through the calls in the order of the script's answers.
func (b *bucket) all(yield func(*call) bool) {
	for i := range b.scopes {
		for _, c := range b.scopes[i].calls {
			if !yield(c) {
				return
			}
		}
	}
}

// run sends a batch in one pipeline and answers every call of it; what has waited too long is answered unsent.
func (l *lane) run(batch []*call) {
	start := time.Now()
	due := batch[:0]
	for _, c := range batch {
		if start.After(c.deadline) {
			c.reply, c.err = reply{}, l.q.refuse("late", errors.New("queue: Redis did not take the writes before it in time"))
			c.done <- struct{}{}
			continue
		}
		due = append(due, c)
	}
	batch = due
	s := l.sorts.Get().(*sorted) //nolint:forcetypeassert // it holds nothing else
	defer l.sorts.Put(s)
	for len(batch) > 0 {
		n, size := 0, 0
		for n < len(batch) && (n == 0 || size+len(batch[n].Body) <= maxBatchBytes) {
			size += len(batch[n].Body)
			n++
		}
		s.send(batch[:n])
		batch = batch[n:]
	}
	l.q.metrics.acceptDuration.Observe(time.Since(start).Seconds())
}

func (l *sorted) send(batch []*call) {
	l.q.metrics.batch.Observe(float64(len(batch)))
	for _, c := range batch {
		b := &l.buckets[c.partition]
		if len(b.scopes) == 0 {
			l.touched = append(l.touched, c.partition)
			b.gen = l.q.parts[c.partition].gen.Load()
		}
		b.add(c)
	}
	failpoint.Hit(l.q, "accept.send")
	if l.apart {
		l.exec(slices.Collect(slices.Chunk(l.touched, 1)), l.q.scripts.accept.sha, "evalsha")
	} else {
		l.exec([][]int{l.touched}, l.q.scripts.accept.sha, "evalsha")
	}
	for _, p := range l.touched {
		l.buckets[p].empty()
	}
	l.touched = l.touched[:0]
}

// exec sends one pipeline with a script call for each group of partitions.
func (l *sorted) exec(groups [][]int, script, how string) {
	ctx := context.Background() // the client's own timeouts bound it; a caller that leaves does not cancel its neighbours
	pipe := l.q.rdb.Pipeline()
	cmds := make([]*once, len(groups))
	for i, partitions := range groups {
		cmds[i] = &once{redis.NewCmd(ctx, l.args(how, script, partitions)...)}
		_ = pipe.Process(ctx, cmds[i])
	}
	var wait *redis.Cmd
	if l.q.WriteQuorum > 0 {
		wait = pipe.Do(ctx, "WAIT", l.q.WriteQuorum, quorumTimeout.Milliseconds())
	}
	_, _ = pipe.Exec(ctx) // every command holds its own error
	failpoint.Hit(l.q, "accept.reply")
	var quorum error
	if wait != nil {
		if n, err := wait.Int(); err != nil {
			quorum = err
		} else if n < l.q.WriteQuorum {
			quorum = errors.New("queue: too few replicas have the write")
		}
	}
	var unloaded [][]int
	for i, partitions := range groups {
		replies, err := cmds[i].Slice()
		if err != nil && how == "evalsha" && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			unloaded = append(unloaded, partitions)
			continue
		}
		var at int64
		if err == nil {
			at, replies, err = decodeTime(replies, len(partitions))
		}
		for i, p := range partitions {
			b := &l.buckets[p]
			if err != nil {
				l.answer(b, nil, err, quorum)
				continue
			}
			rs, err := decodeReplies(replies[i], at, b.gen, b.size())
			l.answer(b, rs, err, quorum)
		}
	}
	if len(unloaded) > 0 {
		failpoint.Hit(l.q, "accept.unloaded")
		l.exec(unloaded, l.q.scripts.accept.source, "eval")
	}
}

// args of accept.lua for the calls of partitions.
func (l *sorted) args(how, script string, partitions []int) []any {
	keys := []any{how, script, 0}
	args := []any{int64(idempotencyTTL / time.Second), len(partitions)}
	for _, p := range partitions {
		b := &l.buckets[p]
		firstKey, header := len(keys), len(args)
		keys = append(keys, streamKey(p), openKey(p))
		args = append(args, "")
		for i := range b.scopes {
			s := &b.scopes[i]
			keys = append(keys, seqKey(p, s.scope), pendingKey(p, s.scope))
			args = append(args, itoa(s.scope.Application)+" "+itoa(s.scope.Chat), len(s.calls))
			for _, c := range s.calls {
				if c.Idempotency.Given {
					keys = append(keys, idemKey(p, c.Scope.Application, c.Idempotency.Key))
				}
				args = append(args, c.head(b.gen), c.Body)
			}
		}
		args[header] = fmt.Sprint(b.gen, l.q.Share(), len(b.scopes), b.size(), len(keys)-firstKey, len(args)-header)
	}
	keys[2] = len(keys) - 3
	return append(keys, args...)
}

// head tells accept.lua what the write does.
func (c *call) head(gen int64) string {
	if c.trace.Sampled() {
		return "t" + c.trace.hex() + " " + c.what(gen)
	}
	return c.what(gen)
}

func (c *call) what(gen int64) string {
	switch {
	case c.Kind == MessageEdited:
		return "e " + itoa(c.Number) + " " + itoa(c.CreatedAt.UnixMicro())
	case !c.Idempotency.Given:
		return heads[c.Kind]
	}
	asked := " 0 "
	if c.asked == gen {
		asked = " 1 "
	}
	return heads[c.Kind] + asked + hex.EncodeToString(c.Idempotency.Key[:]) + " " + hex.EncodeToString(c.Idempotency.Payload[:])
}

var heads = map[Kind]string{ChatCreated: "c", MessageCreated: "m", question: "q"}

// answer gives each call of a partition its reply.
func (l *lane) answer(b *bucket, rs []reply, err, quorum error) {
	if err != nil {
		l.q.metrics.refused.WithLabelValues(why(err)).Add(float64(b.size()))
		if undone(err) {
			err = unavailable(err)
		} else {
			err = unknown(err)
		}
	}
	i := 0
	for c := range b.all {
		c.reply, c.err = reply{}, err
		if err == nil {
			c.reply = rs[i]
			acknowledged := c.reply.status == replyOK || c.reply.status == replyReplay
			if quorum != nil && acknowledged && c.Kind != question {
				c.err = unknown(quorum)
				l.q.metrics.refused.WithLabelValues("quorum").Inc()
			} else {
				l.q.metrics.count(c)
			}
		}
		i++
		c.done <- struct{}{}
	}
}

// why a write is refused for an error of Redis: it answered, and refuses, or it did not answer.
func why(err error) string {
	if _, answered := errors.AsType[redis.Error](err); answered {
		return "failed"
	}
	return "redis"
}

// undone tells the errors after which a script certainly did nothing: Redis refused to run it, or it was never sent.
func undone(err error) bool {
	for _, prefix := range []string{
		"OOM ", "LOADING ", "READONLY ", "MASTERDOWN ", "MISCONF ", "NOAUTH ", "WRONGPASS ", "NOPERM ", "CLUSTERDOWN ",
		"TRYAGAIN ", "MOVED ", "ASK ", "BUSY ", "NOREPLICAS ", "NOSCRIPT ",
	} {
		if redis.HasErrorPrefix(err, strings.TrimSpace(prefix)) {
			return true
		}
	}
	var op *net.OpError
	return errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || (errors.As(err, &op) && op.Op == "dial")
}

// once is a command that is never sent twice, on a cluster's client too: its reply may be lost after it was run.
type once struct{ *redis.Cmd }

// NoRetry tells go-redis so.
func (once) NoRetry() bool { return true }

// run runs a script that must not be sent again by itself.
func (q *Queue) run(ctx context.Context, s script, keys []string, args ...any) (any, error) {
	send := func(how, script string) (any, error) {
		all := make([]any, 0, 3+len(keys)+len(args))
		all = append(all, how, script, len(keys))
		for _, k := range keys {
			all = append(all, k)
		}
		cmd := once{redis.NewCmd(ctx, append(all, args...)...)}
		_ = q.rdb.Process(ctx, cmd)
		return cmd.Result()
	}
	reply, err := send("evalsha", s.sha)
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		failpoint.Hit(q, "script.unloaded")
		reply, err = send("eval", s.source)
	}
	return reply, err
}

// list takes a script's reply that is a list.
func list(reply any, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	l, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	return l, nil
}
