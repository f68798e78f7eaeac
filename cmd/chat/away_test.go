package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chat-system/api/apitest"
	"chat-system/internal/enginetest"
)

// What no waiting mends is said at once.
func TestAnotherNumberOfPartitionsEndsEveryCommand(t *testing.T) {
	t.Parallel()
	environ := []string{
		"DATABASE_URL=" + enginetest.SharedMySQL(t), "REDIS_URL=" + enginetest.Redis(t).URL, "ELASTICSEARCH_URL=",
		"LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0",
	}
	if code := run(t.Context(), []string{"migrate"}, environ, &lineLog{t: t}, &lineLog{t: t}); code != 0 {
		t.Fatalf("chat migrate ended with %d", code)
	}
	for _, command := range []string{"api", "flusher", "migrate"} {
		var errs strings.Builder
		code := run(t.Context(), []string{command}, append(environ, "PARTITIONS=5"), io.Discard, &errs)
		if code != 1 || !strings.Contains(errs.String(), "created with PARTITIONS=16, and it is 5 now") {
			t.Errorf("chat %s ended with %d: %s", command, code, errs.String())
		}
	}
}

// While an engine is away clients are told that, and no more.
func TestAnElectionNeedsACluster(t *testing.T) {
	t.Parallel()
	environ := []string{"LEADER_ELECTION=kubernetes", "LEASE_NAME=chat", "LEASE_PEERS=app=chat", "POD_NAME=a", "POD_NAMESPACE=b"}
	if code, _, errs := said(t, environ, "flusher"); code != 1 || !strings.HasPrefix(errs, "chat flusher: LEADER_ELECTION is kubernetes, ") {
		t.Error(code, errs)
	}
}

func TestNothingInsideIsToldWhileAnEngineIsAway(t *testing.T) {
	t.Parallel()
	search := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"type":"sEcReT","reason":"sEcReT"}}`, http.StatusInternalServerError)
	}))
	defer search.Close()
	mysql, redis := enginetest.MySQL(t), enginetest.Redis(t)
	environ := []string{
		"DATABASE_URL=" + mysql.DSN, "REDIS_URL=" + redis.URL, "ELASTICSEARCH_URL=" + search.URL, "RATE_LIMIT_PER_MINUTE=0",
		"LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0", "LOG_FORMAT=text",
	}
	if code := run(t.Context(), []string{"migrate"}, environ, &lineLog{t: t}, &lineLog{t: t}); code != 0 {
		t.Fatalf("chat migrate ended with %d", code)
	}
	target := apitest.Target{URL: "http://" + start(t, environ, "api", "serving"), Search: true}
	chat := apitest.Chat(t, target)
	apitest.WhileAway(t, target, chat) // search answers errors
	redis.Kill()
	apitest.WhileAway(t, target, chat)
	redis.Start()
	mysql.Kill()
	apitest.WhileAway(t, target, chat)
	redis.Kill()
	apitest.WhileAway(t, target, chat)
}
