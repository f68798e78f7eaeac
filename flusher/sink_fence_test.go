//go:build failpoint

package flusher_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-system/internal/enginetest"
	"chat-system/internal/failpoint"
)

// What is not committed may be rolled back, and is not put into search.
func TestNothingIsPutIntoSearchBeforeItIsStored(t *testing.T) {
	t.Parallel()
	b := onServers(t, enginetest.SharedMySQL(t), enginetest.Redis(t).URL)
	b.config.CommitTime = 10 * time.Minute
	index := openIndex(t)
	app := b.app()
	c := b.chat(app)
	b.post(app, c, "apples")
	b.startWithSearch(index, 1_000_000)
	b.until("the first message is found", func() bool { return b.hits(index, app, c, "apples") == 1 })
	b.drained()

	committing, commit := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(commit) })
	t.Cleanup(release) // before the flusher is stopped
	t.Cleanup(failpoint.Set(b.queue, "flush.commit", sync.OnceFunc(func() {
		close(committing)
		<-commit
	})))
	b.post(app, c, "pears")
	<-committing
	var looks atomic.Int64
	t.Cleanup(failpoint.Set(b.queue, "sink.committed", func() { looks.Add(1) }))
	b.until("search has looked for more", func() bool { return looks.Load() > 3 })
	if b.hits(index, app, c, "pears") > 0 {
		t.Error("what is not stored is found")
	}
	release()
	b.until("what is stored is found", func() bool { return b.hits(index, app, c, "pears") == 1 })
}
