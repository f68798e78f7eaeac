package queue

import (
	"errors"

	"chat-system/internal/chat"
)

type status byte

const (
	replyOK status = iota + 1
	replyReplay
	replyReused
	replyAsk
	replySeed
	replyAbsent
	replyFailed
	replyClosed
	replyFull
	replyStale
)

// reply of accept.lua to one write.
type reply struct {
	status  status
	gen     int64 // in which it was asked
	time    int64 // of Redis, µs
	number  int64
	version chat.Version
	updated int64 // µs
	stale   Stale
}

// Stale is what a script says that ran on another Redis, or in another generation, than its caller thought.
type Stale struct {
	Replid     string // of the Redis that it ran on
	Generation int64  // in which the partition is open there; 0: not at all
	Opened     bool   // it was opened as what it is, not restored from a file or promoted since
}

var errReply = errors.New("queue: malformed script reply")

// decodeTime reads what accept.lua answers for a number of partitions: its time and the answer for each.
func decodeTime(raw []any, partitions int) (time int64, each []any, err error) {
	if len(raw) != 1+partitions {
		return 0, nil, errReply
	}
	t, _ := raw[0].(string)
	w := words{rest: t}
	time = w.number()
	if w.bad || w.rest != "" {
		return 0, nil, errReply
	}
	return time, raw[1:], nil
}

// decodeReplies reads what accept.lua answers for n writes of a partition.
func decodeReplies(answer any, time, gen int64, n int) ([]reply, error) {
	raw, _ := answer.([]any)
	if len(raw) == 0 {
		return nil, errReply
	}
	all := func(r reply) []reply {
		rs := make([]reply, n)
		for i := range rs {
			rs[i] = r
		}
		return rs
	}
	switch raw[0] {
	case "FULL":
		return all(reply{status: replyFull, gen: gen}), nil
	case "STALE":
		if len(raw) != 4 {
			return nil, errReply
		}
		replid, _ := raw[1].(string)
		g, _ := raw[2].(string)
		w := words{rest: g}
		s := Stale{replid, w.number(), raw[3] == "1"}
		if replid == "" || w.bad {
			return nil, errReply
		}
		return all(reply{status: replyStale, gen: gen, stale: s}), nil
	case "OK":
	default:
		return nil, errReply
	}
	if len(raw) != 1+n {
		return nil, errReply
	}
	rs := make([]reply, n)
	for i := range rs {
		s, _ := raw[1+i].(string)
		r, ok := decodeReply(s)
		if !ok {
			return nil, errReply
		}
		r.gen, r.time = gen, time
		rs[i] = r
	}
	return rs, nil
}

func decodeReply(s string) (r reply, ok bool) {
	w := words{rest: s}
	switch w.next() {
	case "ok":
		r.status = replyOK
		r.number = w.number()
		r.version, ok = version(w.next())
		r.updated = w.number()
		return r, ok && !w.bad
	case "replay":
		r.status = replyReplay
		r.number = w.number()
		r.version, ok = version(w.next())
		return r, ok && !w.bad
	case "seed":
		r.status = replySeed
		r.number = w.number()
	case "reused":
		r.status = replyReused
	case "ask":
		r.status = replyAsk
	case "absent":
		r.status = replyAbsent
	case "failed":
		r.status = replyFailed
	case "closed":
		r.status = replyClosed
	default:
		return r, false
	}
	return r, !w.bad && w.rest == ""
}

func version(id string) (chat.Version, bool) {
	v, err := chat.ParseVersion(id)
	return v, err == nil
}
