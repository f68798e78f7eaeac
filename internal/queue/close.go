package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
)

// Closing is a partition that accepts nothing new, so that a restore can tell what is missing from what is not stored yet.
type Closing struct {
	Generation int64    // in which it was closed: under another one it is closed no more
	Replid     string   // of its Redis
	Last       Position // the stream's last entry: the cursor reaches it once all that was accepted is stored
}

// Close closes a partition for some seconds, opening it first where it is not open as what it is. Closed again, it stays
// closed for longer. Writes are answered Unavailable, reads go on. When the time has passed, whoever comes first opens it
// in a new generation, which fences whatever a restore still does in the old one. From its closing on what is accepted
// gets versions above one.
func (q *Queue) Close(ctx context.Context, p int, above chat.Version, d time.Duration) (c Closing, err error) {
	for try := 0; ; try++ {
		cur, err := q.ledger.Cursor(ctx, p)
		if err != nil {
			return c, err
		}
		failpoint.Hit(q, "close.script")
		raw, err := list(q.run(ctx, q.scripts.close, []string{streamKey(p), openKey(p)},
			cur.Generation, d.Milliseconds(), above.ID(), int64(askFor/time.Second)))
		if err != nil {
			return c, fmt.Errorf("close partition %d: %w", p, err)
		}
		c, stale, err := decodeClosing(raw, cur.Generation)
		if err != nil || stale == nil {
			return c, err
		}
		if _, err := q.Open(ctx, p, cur.Generation, *stale); err != nil {
			return c, err
		}
		pause := time.NewTimer(rand.N(time.Duration(min(try, 20)+1) * 5 * time.Millisecond)) //nolint:gosec // no secret; many may open at once
		select {
		case <-pause.C:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}

// Reopen ends a closing: what is accepted from now on is numbered after what the database holds by now.
func (q *Queue) Reopen(ctx context.Context, p int, c Closing) error {
	_, err := q.Open(ctx, p, c.Generation, Stale{Replid: c.Replid, Generation: c.Generation, Opened: true})
	return err
}

// decodeClosing reads the answer of close.lua.
func decodeClosing(raw []any, gen int64) (c Closing, stale *Stale, err error) {
	if len(raw) != 4 {
		return c, nil, errReply
	}
	s := make([]string, len(raw))
	for i := range raw {
		s[i], _ = raw[i].(string)
	}
	if s[0] == "STALE" {
		g, err := strconv.ParseInt(s[2], 10, 64)
		return c, &Stale{s[1], g, s[3] == "1"}, err
	}
	v, err := chat.ParseVersion(s[2])
	if err != nil {
		return c, nil, err
	}
	last, err := strconv.ParseInt(s[3], 10, 64)
	return Closing{gen, s[1], Position{v, last}}, nil, err
}
