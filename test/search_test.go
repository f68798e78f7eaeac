package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"chat-system/internal/enginetest"
)

func TestSearchFindsEverythingInTheEnd(t *testing.T) {
	t.Parallel()
	es := enginetest.Elasticsearch(t)
	s := newService(t, 1, 2, "ELASTICSEARCH_URL="+es.URL)
	l := s.load(3, 6)
	l.more(between)

	es.Pause() // search alone is delayed
	l.more(between)
	es.Resume()

	es.Kill()
	l.more(between)
	es.Start()
	l.more(between)

	s.flushers[0].kill()
	if out, err := run(t, s.env, "reindex"); err != nil { // under load, filled by the other flusher
		t.Fatal(err)
	} else {
		t.Log(out)
	}
	l.more(between)
	l.check(s)
	l.finds(nil)
}

// Elasticsearch is slow, then has no room for more (429), then refuses one document for its data: the others are found, and
// neither posts nor reads notice. The refused one is a dead letter of search alone.
func TestSearchIsSlowFullAndRefusesADocument(t *testing.T) {
	t.Parallel()
	es := enginetest.Elasticsearch(t)
	slow := newWire(t, strings.TrimPrefix(es.URL, "http://"))
	front := newFront(t, "http://"+slow.addr())
	s := newService(t, 2, 2, "ELASTICSEARCH_URL="+front.URL)
	l := s.load(3, 6)
	l.more(between)

	slow.toxic("latency", "downstream", `{"latency":1500}`)
	l.more(between)
	slow.restore()

	front.full.Store(true)
	until(t, "bulks are turned away", func() bool { return front.turnedAway.Load() >= 3 || t.Failed() })
	l.more(between)
	front.full.Store(false)

	front.poison.Store(true)
	n := l.post(1, "a poisoned message")
	l.more(between)
	until(t, "a document is a dead letter", func() bool {
		return s.one("SELECT COUNT(*) FROM dead_letters WHERE sink <> 'mysql'") == 1 || t.Failed()
	})
	l.end()
	l.checkLists()
	l.finds(map[int64]int64{1: n})
	ids := s.letters("list")
	if len(ids) != 1 {
		t.Fatalf("%v", ids)
	}
	front.poison.Store(false)
	if out, err := run(t, s.env, "dead-letters", "retry", ids[0]); err != nil {
		t.Fatal(out, err)
	}
	l.finds(nil)
}

// finds waits until search finds every message of every chat, but for one number in some.
func (l *load) finds(but map[int64]int64) {
	l.t.Helper()
	for chat, messages := range l.messages {
		until(l.t, fmt.Sprintf("search finds all of chat %d", chat), func() bool {
			found := l.search(chat, "message")
			for n, m := range messages {
				if n != but[chat] && found[n] != m.body {
					return false
				}
			}
			want := len(messages)
			if but[chat] != 0 {
				want--
			}
			return len(found) == want
		})
	}
}

// front stands before Elasticsearch and answers or changes bulks.
type front struct {
	*httptest.Server
	full       atomic.Bool // bulks get 429
	poison     atomic.Bool // a poisoned document gets a date that is none, so that Elasticsearch itself refuses it
	turnedAway atomic.Int64
}

func newFront(t *testing.T, upstream string) *front {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	f, proxy := &front{}, httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			if f.full.Load() {
				f.turnedAway.Add(1)
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, `{"error":{"type":"es_rejected_execution_exception","reason":"rejected"},"status":429}`)
				return
			}
			body, _ := io.ReadAll(r.Body)
			if f.poison.Load() {
				lines := strings.Split(string(body), "\n")
				for i, line := range lines {
					if strings.Contains(line, "poisoned") {
						lines[i] = createdAt.ReplaceAllString(line, `"created_at":"never"`)
					}
				}
				body = []byte(strings.Join(lines, "\n"))
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

var createdAt = regexp.MustCompile(`"created_at":\d+`)

var next = regexp.MustCompile(`<([^>]+)>; rel="next"`)

// search pages through every hit and gives their bodies by number.
func (l *load) search(chat int64, text string) map[int64]string {
	found := map[int64]string{}
	path := fmt.Sprintf("%s/search?limit=200&q=%s", l.path(chat), text)
	for {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.some()+path, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		res, err := l.http.Do(r)
		if err != nil {
			return nil
		}
		var hits []struct {
			Number int64
			Body   string
		}
		err = json.NewDecoder(res.Body).Decode(&hits)
		_ = res.Body.Close()
		if err != nil {
			return nil // a problem document: not now
		}
		for _, h := range hits {
			if _, twice := found[h.Number]; twice {
				l.t.Errorf("chat %d: message %d is found twice", chat, h.Number)
			}
			found[h.Number] = h.Body
		}
		link := next.FindStringSubmatch(res.Header.Get("Link"))
		if link == nil {
			return found
		}
		path = link[1]
	}
}
