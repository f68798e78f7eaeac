package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

// log gathers what a command prints.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Engines that are away, that refuse the password, and that are no such engine are complained about without the secrets
// that lead to them.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	mysql, server := enginetest.SharedMySQL(t), enginetest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.ConfigSet(t.Context(), "requirepass", "another").Err(); err != nil {
		t.Fatal(err)
	}
	refused := strings.Replace(mysql, "root@", "root:s3cret@", 1)
	away := enginetest.FreeAddr(t)
	for name, engines := range map[string][]string{
		"database away":    {"DATABASE_URL=root:s3cret@tcp(" + away + ")/chat", "REDIS_URL=" + server.URL},
		"database refuses": {"DATABASE_URL=" + refused, "REDIS_URL=" + server.URL},
		"no database":      {"DATABASE_URL=root:s3cret@tcp(" + server.Addr + ")/chat", "REDIS_URL=" + server.URL},
		"Redis away":       {"DATABASE_URL=" + mysql, "REDIS_URL=redis://user:s3cret@" + away + "/0"},
		"Redis refuses":    {"DATABASE_URL=" + mysql, "REDIS_URL=redis://:s3cret@" + server.Addr + "/0"},
	} {
		for _, command := range []string{"api", "flusher"} {
			t.Run(name+"/"+command, func(t *testing.T) {
				t.Parallel()
				environ := append(engines, "LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0", "ADMIN_TOKEN=s3cret-token-of-an-administrator",
					"ELASTICSEARCH_URL=http://user:s3cret@"+away, "LOG_LEVEL=debug")
				if strings.HasPrefix(engines[0], "DATABASE_URL="+mysql) {
					if code := run(t.Context(), []string{"migrate"}, environ, &log{}, &log{}); code != 0 {
						t.Fatalf("chat migrate ended with %d", code)
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var said log
				code := make(chan int, 1)
				go func() { code <- run(ctx, []string{command}, environ, &said, &said) }()
				deadline := time.Now().Add(30 * time.Second)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for ended := false; !ended && strings.Count(said.String(), "waiting") < 2; {
					select {
					case c := <-code:
						code <- c
						ended = true
					case <-tick.C:
						if time.Now().After(deadline) {
							t.Fatalf("it says nothing: %s", said.String())
						}
					}
				}
				stop()
				<-code
				if text := said.String(); text == "" || strings.Contains(text, "s3cret") {
					t.Errorf("it says: %s", text)
				}
			})
		}
	}
}
