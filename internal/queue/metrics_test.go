package queue

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

// told wants a mode of durability, and no other, among a client's metrics.
func told(t *testing.T, c *Client, mode string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("# HELP chat_redis_durability 1 at the mode in which Redis keeps what is acknowledged: always, or which writes a crash can lose.\n")
	text.WriteString("# TYPE chat_redis_durability gauge\n")
	for _, m := range modes {
		v := " 0\n"
		if m == mode {
			v = " 1\n"
		}
		text.WriteString("chat_redis_durability{mode=\"" + m + "\"}" + v)
	}
	if err := testutil.CollectAndCompare(c.Collector(), strings.NewReader(text.String()), "chat_redis_durability"); err != nil {
		t.Error(err)
	}
}

func TestTheMetricsTellHowDurableRedisIs(t *testing.T) {
	t.Parallel()
	server := enginetest.Redis(t)
	c, err := Connect(server.URL, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	told(t, c, modeUnknown)
	for _, step := range [][3]string{
		{"", "", modeAlways}, {"no-appendfsync-on-rewrite", "yes", modeRewrites}, {"appendfsync", "everysec", modeEverySec},
		{"appendfsync", "no", modeNo}, {"appendonly", "no", modeOff},
	} {
		if step[0] != "" {
			if err := c.Redis().ConfigSet(t.Context(), step[0], step[1]).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Durability(t.Context()); err != nil {
			t.Fatal(err)
		}
		told(t, c, step[2])
	}
	server.Kill()
	if _, err := c.Durability(t.Context()); err == nil {
		t.Fatal("a dead Redis answers")
	}
	told(t, c, modeUnknown)
}

// downable is a database that can be away.
type downable struct {
	*memory
	down atomic.Bool
}

var errDown = errors.New("the database is away")

func (d *downable) err() error {
	if d.down.Load() {
		return errDown
	}
	return nil
}

func (d *downable) Cursor(ctx context.Context, p int) (Cursor, error) {
	c, err := d.memory.Cursor(ctx, p)
	return c, errors.Join(err, d.err())
}

func (d *downable) LastNumber(ctx context.Context, p int, s chat.Scope, most int64) (int64, int64, error) {
	n, gen, err := d.memory.LastNumber(ctx, p, s, most)
	return n, gen, errors.Join(err, d.err())
}

func (d *downable) StoredKey(ctx context.Context, app int64, key [16]byte) ([16]byte, int64, bool, error) {
	payload, n, found, err := d.memory.StoredKey(ctx, app, key)
	return payload, n, found, errors.Join(err, d.err())
}

func TestWhyAWriteIsRefusedIsCounted(t *testing.T) {
	t.Parallel()
	server, db := enginetest.Redis(t), &downable{memory: newMemory()}
	client, err := Connect(server.URL, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	q := New(Config{Partitions: 1, MaxEntries: 1000, Shebang: true, Log: slog.New(slog.DiscardHandler)}, client, db)
	refused := func(why string, w Write) {
		t.Helper()
		if r, err := q.Accept(t.Context(), w); code(err) != chat.Unavailable {
			t.Errorf("%s: %+v, %v", why, r, err)
		}
		if n := testutil.ToFloat64(q.metrics.refused.WithLabelValues(why)); n != 1 {
			t.Errorf("%v are counted as %s", n, why)
		}
	}
	accepted := func(w Write) {
		t.Helper()
		if _, err := q.Accept(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	db.down.Store(true)
	refused("opening", newChat(app))
	db.down.Store(false)
	accepted(newChat(app))
	db.down.Store(true)
	refused("database", newMessage(app, 1, "the first of its chat"))
	db.down.Store(false)
	accepted(newMessage(app, 1, "x"))
	if err := client.Redis().ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	refused("failed", newMessage(app, 1, "too much"))
	server.Kill()
	refused("redis", newMessage(app, 1, "nobody is there"))
	if n := testutil.ToFloat64(q.metrics.accepted.WithLabelValues("message")); n != 1 {
		t.Errorf("%v messages are counted as accepted", n)
	}
}
