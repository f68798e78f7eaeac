package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"chat-system/api/apitest"
	"chat-system/internal/enginetest"
)

// The whole contract, on two pods and a flusher on real engines; requests go to one pod, or to the other.
func TestPodsKeepTheContract(t *testing.T) {
	t.Parallel()
	environ := []string{
		"DATABASE_URL=" + enginetest.SharedMySQL(t), "REDIS_URL=" + enginetest.Redis(t).URL, "ELASTICSEARCH_URL=", "RATE_LIMIT_PER_MINUTE=0",
		"LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0", "LOG_FORMAT=text", "ADMIN_TOKEN=an administrator's token",
	}
	if code := run(t.Context(), []string{"migrate"}, environ, &lineLog{t: t}, &lineLog{t: t}); code != 0 {
		t.Fatalf("chat migrate ended with %d", code)
	}
	start(t, environ, "flusher", "flushing")
	for range 2 {
		url := "http://" + start(t, environ, "api", "serving")
		t.Run("Pod", func(t *testing.T) {
			t.Parallel()
			apitest.Run(t, apitest.Target{URL: url, AdminToken: "an administrator's token"})
		})
	}
}

// start runs a command until the test ends, and waits until it says a word; it gives the address that it says with it.
func start(t *testing.T, environ []string, command, word string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	code := make(chan int, 1)
	log := &lineLog{t: t, word: word, said: make(chan string, 1)}
	go func() { code <- run(ctx, []string{command}, environ, log, log) }()
	t.Cleanup(func() {
		stop()
		if c := <-code; c != 0 {
			t.Errorf("chat %s ended with %d", command, c)
		}
	})
	select {
	case line := <-log.said:
		return regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindString(line)
	case c := <-code:
		code <- c
		t.Fatalf("chat %s ended with %d", command, c)
	case <-time.After(30 * time.Second):
		t.Fatalf("chat %s does not say %q", command, word)
	}
	return ""
}

// lineLog shows what a command says with the test, and gives the first line with a word on.
type lineLog struct {
	t    testing.TB
	word string
	said chan string
}

func (l *lineLog) Write(b []byte) (int, error) {
	line := strings.TrimSpace(string(b))
	l.t.Log(line)
	if l.word != "" && strings.Contains(line, l.word) {
		select {
		case l.said <- line:
		default:
		}
	}
	return len(b), nil
}
