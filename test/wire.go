package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"chat-system/internal/enginetest"
)

// wire stands between a process and its engine.
type wire struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), enginetest.FreeAddr(t), upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &wire{t, p}
}

func (w *wire) addr() string { return w.proxy.Listen }

// dropReplies lets requests through, and breaks the connection in place of the reply, until restore.
func (w *wire) dropReplies() { w.toxic("limit_data", "downstream", `{"bytes":0}`) }

func (w *wire) toxic(kind, stream, attributes string) {
	w.t.Helper()
	spec := fmt.Sprintf(`{"name":"fault","type":%q,"stream":%q,"attributes":%s}`, kind, stream, attributes)
	if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(spec)); err != nil {
		w.t.Fatal(err)
	}
}

// restore ends the fault.
func (w *wire) restore() {
	w.t.Helper()
	if err := w.proxy.Toxics.RemoveToxic(context.Background(), "fault"); err != nil {
		w.t.Fatal(err)
	}
}

// turn leads to another upstream; what is connected is cut off.
func (w *wire) turn(upstream string) {
	w.t.Helper()
	if err := w.proxy.Update(&toxiproxy.Proxy{Listen: w.proxy.Listen, Upstream: upstream, Enabled: true}); err != nil {
		w.t.Fatal(err)
	}
}
