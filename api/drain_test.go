package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chat-system/api"
	"chat-system/internal/chat"
)

// stuck is a Store whose Application waits to be let go.
type stuck struct {
	api.Store
	entered chan struct{}
	leave   chan struct{}
}

func (s *stuck) Application(ctx context.Context, _ string) (chat.Application, error) {
	s.entered <- struct{}{}
	select {
	case <-s.leave:
		return chat.Application{Name: "answered"}, nil
	case <-ctx.Done():
		return chat.Application{}, ctx.Err()
	}
}

func connect(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func exchange(t *testing.T, conn net.Conn, in *bufio.Reader, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

const getHealth = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

func TestDrain(t *testing.T) {
	t.Parallel()
	store := &stuck{entered: make(chan struct{}), leave: make(chan struct{})}
	b := setup(t, func(c *api.Config) { c.Store, c.DrainDelay = store, 3*time.Second })
	idle, idleIn := connect(t, b.addr)
	exchange(t, idle, idleIn, getHealth)
	busy, busyIn := connect(t, b.addr)
	exchange(t, busy, busyIn, getHealth)
	if _, err := io.WriteString(busy, "GET "+somewhere+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-store.entered

	drained := make(chan error, 1)
	go func() { drained <- b.Drain(context.WithoutCancel(t.Context())) }()
	for !b.health.Draining() {
		<-time.After(time.Millisecond)
	}
	// The port is still open: readiness fails, and connections are to be closed by their clients.
	fresh, freshIn := connect(t, b.addr)
	r, _ := exchange(t, fresh, freshIn, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	if r.StatusCode != http.StatusServiceUnavailable || !r.Close {
		t.Errorf("/readyz while draining: %d, close %v", r.StatusCode, r.Close)
	}
	if err := <-b.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := idleIn.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
	select {
	case err := <-drained:
		t.Fatalf("drained with a request under way: %v", err)
	default:
	}
	close(store.leave)
	r, body := exchange(t, busy, busyIn, "")
	if r.StatusCode != http.StatusOK || !strings.Contains(body, "answered") || !r.Close {
		t.Errorf("the accepted request: %d %s, close %v", r.StatusCode, body, r.Close)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
	if conn, err := net.Dial("tcp", b.addr); err == nil {
		_ = conn.Close()
		t.Error("the port is open")
	}
}

func TestDrainGivesUp(t *testing.T) {
	t.Parallel()
	store := &stuck{entered: make(chan struct{}), leave: make(chan struct{})}
	defer close(store.leave)
	b := setup(t, func(c *api.Config) { c.Store = store })
	conn, _ := connect(t, b.addr)
	if _, err := io.WriteString(conn, "GET "+somewhere+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-store.entered
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Drain(ctx); err != context.DeadlineExceeded { //nolint:errorlint // the very value
		t.Errorf("%v", err)
	}
}

// A Server that drained before it served does not begin.
func TestDrainBeforeServe(t *testing.T) {
	t.Parallel()
	s := api.New(api.Config{Store: newFake()})
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); err != nil {
		t.Errorf("%v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.MaxConnections = 2 })
	first, firstIn := connect(t, b.addr)
	exchange(t, first, firstIn, getHealth)
	second, secondIn := connect(t, b.addr)
	exchange(t, second, secondIn, getHealth)
	third, thirdIn := connect(t, b.addr)
	r, body := exchange(t, third, thirdIn, getHealth)
	var p struct{ Type string }
	if err := json.Unmarshal([]byte(body), &p); err != nil || r.StatusCode != http.StatusServiceUnavailable || p.Type != "/docs#unavailable" || !r.Close ||
		r.Header.Get("Retry-After") != "1" || r.Header.Get("Content-Type") != "application/problem+json" || r.Header.Get("X-Request-Id") == "" {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
	}
	if n := counter(t, b.registry, "chat_http_connections_turned_away_total"); n != 1 {
		t.Errorf("%v counted", n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C { // until the server has noticed
		fourth, fourthIn := connect(t, b.addr)
		if r, _ := exchange(t, fourth, fourthIn, getHealth); r.StatusCode == http.StatusOK {
			break
		}
		_ = fourth.Close() // only so many are told at once
		if time.Now().After(deadline) {
			t.Fatal("no connection becomes free")
		}
	}
	exchange(t, second, secondIn, getHealth)
	if n := gather(t, b.registry, "chat_http_connections")[0].GetGauge().GetValue(); n != 2 {
		t.Errorf("%v connections", n)
	}
}
