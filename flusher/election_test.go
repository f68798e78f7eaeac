package flusher_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"chat-system/flusher"
)

// dealt is an election that a test decides.
type dealt struct {
	ctx  context.Context
	lead func(context.Context, int)
	up   chan struct{}
	wg   sync.WaitGroup
}

// Run implements flusher.Election.
func (d *dealt) Run(ctx context.Context, lead func(context.Context, int)) {
	d.ctx, d.lead = ctx, lead
	close(d.up)
	<-ctx.Done()
	d.wg.Wait()
}

// win lets the flusher lead a shard until lose is called.
func (d *dealt) win(shard int) (lose func()) {
	ctx, cancel := context.WithCancel(d.ctx)
	done := make(chan struct{})
	d.wg.Go(func() {
		defer close(done)
		d.lead(ctx, shard)
	})
	return func() {
		cancel()
		<-done
	}
}

// elected starts a flusher of two shards that leads what the election lets it.
func (b *bundle) elected(i *indexes, registry *prometheus.Registry) *dealt {
	d := &dealt{up: make(chan struct{})}
	c := b.config
	c.Shards, c.Election, c.Metrics = 2, d, registry
	f := flusher.New(c, b.db, b.queue, b.ledger())
	f.Search(i, 1_000_000)
	b.t.Cleanup(b.runFlusher(f))
	<-d.up
	return d
}

// Shards go from one process to another and back while messages come: each is stored once and found.
func TestShardsChangeHands(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index := openIndex(t)
		one, two := prometheus.NewRegistry(), prometheus.NewRegistry()
		first, second := b.elected(index, one), b.elected(index, two)
		lose := first.win(0)
		defer first.win(1)()
		app := b.app()
		chats := []int64{b.chat(app), b.chat(app), b.chat(app), b.chat(app)}
		const each = 60
		for n := range each {
			for _, c := range chats {
				b.post(app, c, fmt.Sprintf("message %d", n))
			}
			if n%10 == 9 {
				lose()
				if n%20 == 9 {
					lose = second.win(0)
				} else {
					lose = first.win(0)
				}
			}
		}
		b.drained()
		for _, c := range chats {
			if got := len(b.bodies(app, c)); got != each {
				t.Errorf("chat %d has %d messages", c, got)
			}
			b.until("all of it is found", func() bool { return b.hits(index, app, c, "message") == each })
		}
		lose()
		lose = second.win(0)
		defer lose()
		b.leads(one, "0 0\n1 1")
		b.leads(two, "0 1\n1 0")
		b.post(app, chats[0], "the last")
		b.drained()
		b.until("only a partition's leader tells of its stream", func() bool {
			ours, theirs := series(t, one), series(t, two)
			return ours == 2 && theirs == 2
		})
	})
}

func (b *bundle) leads(r *prometheus.Registry, want string) {
	b.t.Helper()
	var text strings.Builder
	text.WriteString("# HELP chat_shard_leader 1 where this process leads the shard.\n# TYPE chat_shard_leader gauge\n")
	for line := range strings.SplitSeq(want, "\n") {
		shard, v, _ := strings.Cut(line, " ")
		fmt.Fprintf(&text, "chat_shard_leader{shard=%q} %s\n", shard, v)
	}
	var err error
	b.until("chat_shard_leader is right", func() bool {
		err = testutil.GatherAndCompare(r, strings.NewReader(text.String()), "chat_shard_leader")
		return err == nil
	})
}

// series counts the partitions whose stream a registry tells of.
func series(t *testing.T, r *prometheus.Registry) int {
	t.Helper()
	n, err := testutil.GatherAndCount(r, "chat_queue_stream_entries")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
