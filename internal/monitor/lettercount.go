package monitor

import (
	"context"
	"sync"
	"time"

	"chat-system/db"
	"chat-system/flusher"
)

const (
	countAge   = 5 * time.Second // dead letters are counted, which takes its time where they are many
	countPause = time.Minute     // at most, after they could not be in time
)

// letterCount is how many dead letters there are by state.
type letterCount struct {
	probe probe[map[string]int]

	mu    sync.Mutex
	at    time.Time // when they were counted last
	pause time.Duration
	last  map[string]int
}

// get counts them at most every few seconds. Where that can't be done in time it gives the old numbers, and says that they are.
func (c *letterCount) get(ctx context.Context, d *db.DB) (counts map[string]int, current bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < max(countAge, c.pause) {
		return c.last, c.pause == 0
	}
	counts, _, err := c.probe.ask(ctx, func(ctx context.Context) (map[string]int, error) {
		rows, err := d.CountDeadLetters(ctx)
		counts := map[string]int{flusher.StateOpen: 0, flusher.StateStored: 0, flusher.StateDiscarded: 0}
		for _, r := range rows {
			counts[r.State] += int(r.Letters)
		}
		return counts, err
	})
	c.at = time.Now()
	if err != nil {
		c.pause = min(2*max(c.pause, countAge), countPause) // the database may go on counting though nobody listens any more
		return c.last, false
	}
	c.last, c.pause = counts, 0
	return counts, true
}

// forget lets them be counted at once.
func (c *letterCount) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Time{}
}
