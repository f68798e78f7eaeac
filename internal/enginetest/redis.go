package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
)

// RedisServer is a Redis of a test's own.
type RedisServer struct {
	*Process
	Addr string // host:port
	URL  string // redis://host:port/0
}

// Redis starts an empty Redis that keeps what it acknowledges: append-only file, synced always, no snapshots, no eviction.
// Flags follow and override those, as on its command line: Redis(t, "--maxmemory", "64mb").
func Redis(t TB, flags ...string) *RedisServer {
	t.Helper()
	needEngines(t)
	s, addr, err := redisServer(flags)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &RedisServer{Process: own(t, s), Addr: addr, URL: "redis://" + addr + "/0"}
}

func redisServer(flags []string) (*server, string, error) {
	command, err := installed("redis-server")
	if err != nil {
		return nil, "", err
	}
	dir, err := newDir("redis")
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	command = append(command, "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
		"--enable-debug-command", "yes")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	return &server{
		name: "redis-server", command: append(command, flags...), dir: dir,
		ready: func(ctx context.Context) error { return pingRedis(ctx, addr) },
	}, addr, nil
}

// pingRedis is content when the server has loaded its data: until then it answers -LOADING.
func pingRedis(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, "+PONG") {
		err = fmt.Errorf("PING: %q", answer)
	}
	return err
}
