package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chat-system/db"
	"chat-system/internal/enginetest"
)

// A message has the same entity tag before and after it is stored, and another one after an edit.
func TestAnEntityTagOutlivesTheFlush(t *testing.T) {
	t.Parallel()
	dsn := enginetest.SharedMySQL(t)
	environ := []string{
		"DATABASE_URL=" + dsn, "REDIS_URL=" + enginetest.Redis(t).URL, "ELASTICSEARCH_URL=", "RATE_LIMIT_PER_MINUTE=0",
		"LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0", "LOG_FORMAT=text",
	}
	if code := run(t.Context(), []string{"migrate"}, environ, &lineLog{t: t}, &lineLog{t: t}); code != 0 {
		t.Fatalf("chat migrate ended with %d", code)
	}
	url := "http://" + start(t, environ, "api", "serving")
	send := func(method, path, body, tag string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if tag != "" {
			request.Header.Set("If-None-Match", tag)
		}
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body) // so that the connection is used again
		if err := r.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	chat := send("POST", send("POST", "/applications", `{"name":"a"}`, "").Header.Get("Location")+"/chats", "", "").Header.Get("Location")
	plain := send("POST", chat+"/messages", `{"body":"a"}`, "").Header.Get("Location")
	edited := send("POST", chat+"/messages", `{"body":"b"}`, "").Header.Get("Location")
	tags := map[string]string{plain: send("GET", plain, "", "").Header.Get("ETag"), edited: send("GET", edited, "", "").Header.Get("ETag")}
	if tag := send("PUT", edited, `{"body":"c"}`, "").Header.Get("ETag"); tag == "" || tag == tags[edited] {
		t.Errorf("edited, %q became %q", tags[edited], tag)
	} else {
		tags[edited] = tag
	}

	start(t, environ, "flusher", "flushing")
	d, err := db.Open(db.Config{DSN: dsn, Pool: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	stored := func() bool {
		apps, err := d.ApplicationsPage(t.Context(), db.ApplicationsPageParams{CreatedAt: time.Unix(0, 0).UTC(), Limit: 1})
		if err != nil || len(apps) != 1 {
			t.Fatalf("%v, %v", apps, err)
		}
		rows, err := d.MessagesAfter(t.Context(), db.MessagesAfterParams{ApplicationID: apps[0].ID, ChatNumber: 1, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		return len(rows) == 2 && rows[1].Body == "c"
	}
	for deadline := time.Now().Add(20 * time.Second); !stored(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the messages are not stored")
		}
	}
	for path, tag := range tags {
		if got := send("GET", path, "", "").Header.Get("ETag"); got != tag {
			t.Errorf("%s: stored, %s became %s", path, tag, got)
		}
		if r := send("GET", path, "", tag); r.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d to the tag that it had before it was stored", path, r.StatusCode)
		}
	}
}
