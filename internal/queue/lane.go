package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// lane sends the writes of one Redis node: while one pipeline is in flight the next gathers.
type lane struct {
	q       *Queue
	group   *Group[*call]
	buckets [][]*call // by partition
	touched []int
}

func newLane(q *Queue) *lane {
	l := &lane{q: q, buckets: make([][]*call, q.Partitions)}
	l.group = NewGroup(maxBatch, maxWaiting, l.run)
	return l
}

// run sends a batch in one pipeline, one script call for each partition, and answers every call of it.
func (l *lane) run(batch []*call) {
	start := time.Now()
	for len(batch) > 0 {
		n, size := 0, 0
		for n < len(batch) && (n == 0 || size+len(batch[n].Body) <= maxBatchBytes) {
			size += len(batch[n].Body)
			n++
		}
		l.send(batch[:n])
		batch = batch[n:]
	}
	l.q.metrics.acceptDuration.Observe(time.Since(start).Seconds())
}

func (l *lane) send(batch []*call) {
	l.q.metrics.batch.Observe(float64(len(batch)))
	for _, c := range batch {
		if len(l.buckets[c.partition]) == 0 {
			l.touched = append(l.touched, c.partition)
		}
		l.buckets[c.partition] = append(l.buckets[c.partition], c)
	}
	failpoint.Hit("accept.send")
	l.exec(l.touched, l.q.scripts.accept.sha, "evalsha")
	for _, p := range l.touched {
		clear(l.buckets[p])
		l.buckets[p] = l.buckets[p][:0]
	}
	l.touched = l.touched[:0]
}

func (l *lane) exec(partitions []int, script, how string) {
	ctx := context.Background() // the client's own timeouts bound it; a caller that leaves does not cancel its neighbours
	pipe := l.q.rdb.Pipeline()
	cmds := make([]*once, len(partitions))
	gens := make([]int64, len(partitions))
	for i, p := range partitions {
		gens[i] = l.q.parts[p].gen.Load()
		cmds[i] = &once{redis.NewCmd(ctx, l.args(how, script, p, gens[i])...)}
		_ = pipe.Process(ctx, cmds[i])
	}
	var wait *redis.Cmd
	if l.q.WriteQuorum > 0 {
		wait = pipe.Do(ctx, "WAIT", l.q.WriteQuorum, writeTimeout.Milliseconds())
	}
	_, _ = pipe.Exec(ctx) // every command holds its own error
	failpoint.Hit("accept.reply")
	var quorum error
	if wait != nil {
		if n, err := wait.Int(); err != nil {
			quorum = err
		} else if n < l.q.WriteQuorum {
			quorum = errors.New("queue: too few replicas have the write")
		}
	}
	var unloaded []int
	for i, p := range partitions {
		replies, err := cmds[i].Slice()
		if err != nil && how == "evalsha" && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			unloaded = append(unloaded, p)
			continue
		}
		l.answer(l.buckets[p], gens[i], replies, err, quorum)
	}
	if len(unloaded) > 0 {
		l.exec(unloaded, l.q.scripts.accept.source, "eval")
	}
}

// args of accept.lua for the calls of a partition.
func (l *lane) args(how, script string, p int, gen int64) []any {
	bucket := l.buckets[p]
	args := make([]any, 3, 3+2+3*len(bucket)+4+5*len(bucket))
	args = append(args, streamKey(p), openKey(p))
	place := make(map[chat.Scope]int, 8)
	scopes := make([]chat.Scope, 0, 8)
	for _, c := range bucket {
		if place[c.Scope] == 0 {
			scopes = append(scopes, c.Scope)
			place[c.Scope] = len(scopes)
			args = append(args, seqKey(p, c.Scope), pendingKey(p, c.Scope))
		}
	}
	keys := 2 + 2*len(scopes)
	for _, c := range bucket {
		if c.Idempotency.Given {
			args = append(args, idemKey(p, c.Scope.Application, c.Idempotency.Key))
		}
	}
	args[0], args[1], args[2] = how, script, len(args)-3
	args = append(args, gen, l.q.Share(), int64(idempotencyTTL/time.Second), len(scopes))
	for _, s := range scopes {
		args = append(args, itoa(s.Application)+" "+itoa(s.Chat))
	}
	for _, c := range bucket {
		head, key := heads[c.Kind], ""
		if c.Kind == MessageEdited {
			head = "e " + itoa(c.Number) + " " + itoa(c.CreatedAt.UnixMicro())
		}
		if c.Idempotency.Given {
			keys++
			asked := " 0 "
			if c.asked == gen {
				asked = " 1 "
			}
			key = itoa(int64(keys)) + asked + hex.EncodeToString(c.Idempotency.Key[:]) + " " + hex.EncodeToString(c.Idempotency.Payload[:])
		}
		args = append(args, place[c.Scope], head, c.Body, key)
	}
	return args
}

var heads = map[Kind]string{ChatCreated: "c", MessageCreated: "m", question: "q"}

// answer gives each call of a partition its reply.
func (l *lane) answer(bucket []*call, gen int64, replies []any, err, quorum error) {
	var rs []reply
	if err == nil {
		rs, err = decodeReplies(replies, gen, len(bucket))
	}
	if err != nil {
		l.q.metrics.refused.WithLabelValues("redis").Add(float64(len(bucket)))
		if undone(err) {
			err = unavailable(err)
		} else {
			err = unknown(err)
		}
	}
	for i, c := range bucket {
		c.reply, c.err = reply{}, err
		if err == nil {
			c.reply = rs[i]
			if quorum != nil && c.reply.status == replyOK && c.Kind != question {
				c.err = unknown(quorum)
			}
			l.q.metrics.count(c)
		}
		c.done <- struct{}{}
	}
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
