package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chat-system/api/apitest"
)

func localEnviron(dir string) []string {
	return []string{"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"}
}

// The whole contract, on local mode as a newcomer starts it.
func TestLocalModeKeepsTheContract(t *testing.T) {
	t.Parallel()
	apitest.Run(t, apitest.Target{URL: "http://" + start(t, localEnviron(t.TempDir()), "local", "ready"), Search: true, Found: time.Minute})
}

func TestTheSmokeTestUsesTheService(t *testing.T) {
	t.Parallel()
	url := "http://" + start(t, append(localEnviron(t.TempDir()), "ADMIN_TOKEN=s3cret"), "local", "ready")
	if code, out, errs := said(t, []string{"CHAT_URL=" + url, "ADMIN_TOKEN=s3cret"}, "smoke-test"); code != 0 || !strings.HasSuffix(out, "and found\n") {
		t.Error(code, out, errs)
	}
	if code, _, errs := said(t, []string{"CHAT_URL=" + url, "ADMIN_TOKEN=other"}, "smoke-test"); code != 1 || !strings.Contains(errs, "401") {
		t.Error(code, errs)
	}
}

// Its first answers are cut off, on the way there and on the way back, or say that nothing is there yet.
func TestTheSmokeTestWaitsForTheService(t *testing.T) {
	t.Parallel()
	base := "http://" + start(t, localEnviron(t.TempDir()), "local", "ready")
	service, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(service)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Connection", "close") // net/http would send again what comes on a connection that it had
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"detail": "Wait."}`)
		case 3: // is done, and not answered
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	code, out, errs := said(t, []string{"CHAT_URL=" + front.URL}, "smoke-test")
	if code != 0 || !strings.HasSuffix(out, "and found\n") || !strings.Contains(out, "not yet: 503 Service Unavailable Wait.") {
		t.Error(code, out, errs)
	}
	r, err := http.Get(base + "/applications")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var applications []json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&applications); err != nil || len(applications) != 1 {
		t.Errorf("%d applications were made, %v", len(applications), err)
	}
}

// What search needs can all be made again from the tables.
func TestALostOrDamagedSearchIndexIsBuiltAnew(t *testing.T) { //nolint:tparallel // its parts follow on each other
	t.Parallel()
	dir := t.TempDir()
	var found string
	t.Run("Before", func(t *testing.T) {
		base := "http://" + start(t, localEnviron(dir), "local", "ready")
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(call(t, base+"/applications", `{"name":"x"}`)), &made); err != nil {
			t.Fatal(err)
		}
		chats := "/applications/" + made.Token + "/chats"
		call(t, base+chats, `{}`)
		call(t, base+chats+"/1/messages", `{"body":"a blue teapot"}`)
		found = chats + "/1/messages/search?q=teap"
		finds(t, base+found)
	})
	for name, damage := range map[string]func(file string) error{ //nolint:paralleltest // one process after another
		"Lost": os.Remove, "Garbage": func(f string) error { return os.WriteFile(f, []byte(strings.Repeat("no index", 1000)), 0o600) },
		"Emptied": func(f string) error { return os.Truncate(f, 0) },
	} {
		for _, pattern := range []string{"*", "*.zap", "root.bolt"} {
			t.Run(name+pattern, func(t *testing.T) {
				files, err := filepath.Glob(filepath.Join(dir, "search", pattern))
				if err != nil || len(files) == 0 {
					t.Fatal(files, err)
				}
				for _, f := range files {
					if err := damage(f); err != nil {
						t.Fatal(err)
					}
				}
				finds(t, "http://"+start(t, localEnviron(dir), "local", "ready")+found)
			})
		}
	}
}

func TestLocalModeSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr := start(t, localEnviron(dir), "local", "ready")
	garbage, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, f := range []string{filepath.Join(garbage, "chat.db"), file} {
		if err := os.WriteFile(f, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		environ []string
		want    string
	}{
		"a second process": {localEnviron(dir), "DATA_DIR " + dir + " is in use by another process"},
		"a port in use":    {append(localEnviron(t.TempDir()), "LISTEN_ADDR="+addr), "LISTEN_ADDR: listen tcp " + addr},
		"garbage":          {localEnviron(garbage), "DATA_DIR " + garbage + ": chat.db: file is not a database"},
		"a file":           {localEnviron(file), "DATA_DIR: "},
		"partitions":       {append(localEnviron(t.TempDir()), "PARTITIONS=2"), "PARTITIONS must be 1"},
	} {
		if code, _, errs := said(t, c.environ, "local"); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", what, code, errs)
		}
	}
}

func call(t *testing.T, url, body string) string {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode >= 300 {
		t.Fatal(r.Status, string(text), err)
	}
	return string(text)
}

// finds polls a search until it has a hit.
func finds(t *testing.T, url string) {
	t.Helper()
	eventually(t, "a hit", func() bool {
		r, err := http.Get(url)
		if err != nil {
			return false
		}
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		return err == nil && strings.Contains(string(text), "<em>")
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
