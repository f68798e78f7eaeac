package queue

import (
	"context"
	"fmt"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// Clean takes the entries, which were just committed and follow on the version from, out of pending and trims the stream
// below a version (0: does not trim). It may be repeated and may come late. It gives the stream's length.
func (q *Queue) Clean(ctx context.Context, p int, from chat.Version, committed []Entry, below chat.Version) (length int64, err error) {
	for {
		n := min(len(committed), maxBatch)
		to := from
		if n > 0 {
			to = committed[n-1].Version
		}
		if length, err = q.clean(ctx, p, from, to, "flushed", committed[:n], below); err != nil {
			return 0, err
		}
		if committed = committed[n:]; len(committed) == 0 {
			return length, nil
		}
		from = to
		failpoint.Hit(q, "clean.more")
	}
}

// CleanAgain takes out of pending what was committed up to a version and not cleaned by whoever committed it.
func (q *Queue) CleanAgain(ctx context.Context, p int, to chat.Version) error {
	from, err := q.Cleaned(ctx, p)
	failpoint.Hit(q, "clean.mark")
	if err != nil {
		return fmt.Errorf("clean partition %d: %w", p, err)
	}
	for from < to {
		es, more, err := q.between(ctx, p, from, to)
		failpoint.Hit(q, "clean.read")
		if err != nil {
			return err
		}
		last, upTo := "", to
		if n := len(es); n > 0 {
			last = es[n-1].Version.ID() + " " + itoa(es[n-1].Generation)
			if more {
				upTo = es[n-1].Version
			}
		}
		if _, err := q.clean(ctx, p, from, upTo, last, es, 0); err != nil {
			return err
		}
		from = upTo
		failpoint.Hit(q, "clean.passed")
	}
	return nil
}

// between reads the entries above from and up to and including to, whether they follow on anything or not; more says
// that there may be further ones.
func (q *Queue) between(ctx context.Context, p int, from, to chat.Version) (es []Entry, more bool, err error) {
	raw, err := list(q.rdb.Do(ctx, "xrange", streamKey(p), "("+from.ID(), to.ID(), "count", maxBatch).Result())
	if err != nil {
		return nil, false, fmt.Errorf("read partition %d: %w", p, err)
	}
	for _, r := range raw {
		e, err := decodeRaw(r)
		if err != nil {
			return nil, false, fmt.Errorf("read partition %d: %w", p, err)
		}
		es = append(es, e)
	}
	return es, len(raw) == maxBatch, nil
}

func (q *Queue) clean(ctx context.Context, p int, from, to chat.Version, how string, committed []Entry, below chat.Version) (int64, error) {
	keys := []string{streamKey(p), openKey(p)}
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
		byScope[e.Scope] = append(byScope[e.Scope], e.Number)
	}
	trim := ""
	if below > 0 {
		trim = below.ID()
	}
	args := make([]any, 0, 5+len(scopes)+len(committed))
	args = append(args, from.ID(), to.ID(), how, trim, int64(counterTTL/time.Second))
	for _, s := range scopes {
		args = append(append(args, len(byScope[s])), byScope[s]...)
	}
	length, err := q.run(ctx, q.scripts.clean, keys, args...)
	if err != nil {
		return 0, fmt.Errorf("clean partition %d: %w", p, err)
	}
	n, ok := length.(int64)
	switch {
	case !ok:
		return 0, errReply
	case n < 0:
		return 0, fmt.Errorf("clean partition %d: %w", p, errRead)
	}
	return n, nil
}
