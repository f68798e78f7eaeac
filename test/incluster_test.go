//go:build incluster

package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-system/api/apitest"
)

// What runs in a pod of a cluster, against the service at SERVICE (host:port) with the ADMIN_TOKEN; test/e2e starts it.

func TestContractInCluster(t *testing.T) {
	t.Parallel()
	apitest.Run(t, apitest.Target{URL: "http://" + os.Getenv("SERVICE"), AdminToken: os.Getenv("ADMIN_TOKEN"), Search: true, Found: time.Minute})
}

// TestLoadInCluster loads the service until it is told to end, then holds it against what was acknowledged.
func TestLoadInCluster(t *testing.T) {
	t.Parallel()
	l := loadUntilTold(t, loadOptions{})
	l.checkLists()
	messages := 0
	for _, of := range l.messages {
		messages += len(of)
	}
	_, _ = fmt.Fprintf(os.Stdout, "stored: %s %d %d\n", l.token, len(l.messages), messages) // the driver reads the pod's log
}

// TestLossInCluster is a load under which Redis is lost with its disk: what was acknowledged and not stored may go, and its
// numbers are given anew. What must hold then is asked of the tables, by the driver.
func TestLossInCluster(t *testing.T) {
	t.Parallel()
	l := loadUntilTold(t, loadOptions{name: "loss", lossy: true})
	for chat := range int64(l.chats) {
		l.post(chat+1, "the last")
	}
}

// queuedMessages are those that wait in Redis when it is backed up and lost.
const queuedMessages = 300

// TestQueuedInCluster posts them, each with a key, while no flusher runs.
func TestQueuedInCluster(t *testing.T) {
	t.Parallel()
	l := &load{client: inCluster(t, 1), messages: map[int64]map[int64]*written{}}
	var app struct{ Token string }
	l.insist("POST", "/applications", "the application queued", map[string]string{"name": "queued"}, &app)
	l.token = app.Token
	if n := l.newChat("the chat"); n != 1 {
		t.Fatalf("the first chat has number %d", n)
	}
	for i := range int64(queuedMessages) {
		if n := l.post(1, fmt.Sprintf("queued %d", i+1)); n != i+1 {
			t.Fatalf("message %d has number %d", i+1, n)
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "queued: %s\n", l.token) // the driver hands it to the next
}

// TestRestoredInCluster finds them in the application of TOKEN after the restore, each under its number and with its key.
func TestRestoredInCluster(t *testing.T) {
	t.Parallel()
	l := &load{client: inCluster(t, 1), token: os.Getenv("TOKEN"), messages: map[int64]map[int64]*written{1: {}}}
	for i := range int64(queuedMessages) {
		body := fmt.Sprintf("queued %d", i+1)
		if n := l.post(1, body); n != i+1 {
			t.Errorf("%q, sent again, is message %d", body, n)
		}
	}
	if got := l.replayed.Load(); got != queuedMessages {
		t.Errorf("%d of %d answers were replayed", got, queuedMessages)
	}
	if n := l.post(1, "the next"); n != queuedMessages+1 {
		t.Errorf("the next message has number %d", n)
	}
	l.checkLists()
}

// TestMonitorInCluster signs in at the monitoring page, which any pod may answer, and finds there who flushes, that all is well,
// and the backup named BACKUP with its verification.
func TestMonitorInCluster(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	visitor := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	page := "http://" + os.Getenv("SERVICE") + "/monitor"
	read := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %s", r.Status, err, text)
		}
		return string(text)
	}
	if text := read(visitor.PostForm(page+"/sign-in", url.Values{"token": {os.Getenv("ADMIN_TOKEN")}})); !strings.Contains(text, "<h1>Overview</h1>") {
		t.Fatalf("signed in, and see %s", text)
	}
	verified := regexp.MustCompile(`<code>` + regexp.QuoteMeta(os.Getenv("BACKUP")) + `</code></th><td><time [^>]+>[^<]+</time></td><td><time class="good"`)
	until(t, "the backup is shown", func() bool { return verified.MatchString(read(visitor.Get(page + "/backups"))) })
	var now struct {
		Partitions []struct{ Leader string }
		Findings   []struct{ Text string }
	}
	until(t, "all is well, and every partition is led by somebody", func() bool {
		now.Partitions, now.Findings = nil, nil
		if err := json.Unmarshal([]byte(read(visitor.Get(page+"/data"))), &now); err != nil {
			t.Fatal(err)
		}
		for _, p := range now.Partitions {
			if !strings.Contains(p.Leader, "flusher") {
				return false
			}
		}
		return len(now.Partitions) > 0 && len(now.Findings) == 0
	})
}

func inCluster(t *testing.T, connections int) *client {
	c := newClient(t, []string{os.Getenv("SERVICE")}, connections)
	c.admin = os.Getenv("ADMIN_TOKEN")
	return c
}

// loadUntilTold loads the service until it is told to end.
//
//	GET  /counts   what became of the requests up to now
//	POST /end      ends the load
func loadUntilTold(t *testing.T, o loadOptions) *load {
	o.chats, o.writers = 4, 8
	c := inCluster(t, o.writers)
	l := startLoad(c, o)
	end := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		refusal := ""
		if r := c.refusal.Load(); r != nil {
			refusal = *r
		}
		_ = json.NewEncoder(w).Encode(map[string]any{ // the driver asks again
			"acknowledged": l.acked.Load(), "refused": c.refused.Load(), "cut": c.cut.Load(), "refusal": refusal, "failed": t.Failed(),
		})
	})
	once := sync.OnceFunc(func() { close(end) })
	mux.HandleFunc("POST /end", func(http.ResponseWriter, *http.Request) { once() })
	// a connection that the API server has opened in reserve may stay unused for long: closed, it would be what the next call gets
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Minute}
	go func() { _ = server.ListenAndServe() }()
	t.Cleanup(func() { // once /end is answered
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	})
	<-end
	l.end()
	return l
}
