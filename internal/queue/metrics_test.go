package queue

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

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
