package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

// withServer gives an Elastic whose only node is the handler.
func withServer(t *testing.T, h http.HandlerFunc) *Elastic {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return withNodes(t, s.URL)
}

func withNodes(t *testing.T, urls ...string) *Elastic {
	t.Helper()
	e, err := NewElastic(ElasticConfig{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// answer is a handler that always says the same.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func query() Query { return Query{Chat: newScope(), Text: "cat", Limit: 10} }

func isUnavailable(err error) bool {
	var e *chat.Error
	return errors.As(err, &e) && e.Code == chat.Unavailable
}

func TestElasticBulkAnswers(t *testing.T) {
	t.Parallel()
	item := func(status, kind string) string {
		return `{"index":{"status":` + status + `,"error":{"type":"` + kind + `","reason":"why"}}}`
	}
	for name, c := range map[string]struct {
		second  string // the item of the second of three messages
		refused bool
		busy    bool
		fails   bool
	}{
		"written":           {second: `{"index":{"status":201}}`},
		"conflict is done":  {second: item("409", "version_conflict_engine_exception")},
		"refused":           {second: item("400", "document_parsing_exception"), refused: true},
		"queue full":        {second: item("429", "es_rejected_execution_exception"), busy: true, fails: true},
		"disk full":         {second: item("403", "cluster_block_exception"), fails: true},
		"no alias":          {second: item("404", "index_not_found_exception"), fails: true},
		"shard gone":        {second: item("503", "unavailable_shards_exception"), fails: true},
		"foreign mapping":   {second: item("400", "strict_dynamic_mapping_exception"), fails: true},
		"an item too few":   {second: "", fails: true},
		"an item like none": {second: `{}`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items := []string{`{"index":{"status":201}}`, c.second, `{"index":{"status":200}}`}
			if c.second == "" {
				items = items[1:2]
				items[0] = `{"index":{"status":201}}`
			}
			e := withServer(t, answer(200, `{"items":[`+strings.Join(items, ",")+`]}`))
			refused, err := e.Put(t.Context(), messages(newScope(), "a", "b", "c"))
			if (err != nil) != c.fails || errors.Is(err, ErrBusy) != c.busy {
				t.Errorf("error %v", err)
			}
			if got := len(refused) == 1 && refused[0] == (Refusal{1, "document_parsing_exception: why"}); got != c.refused || len(refused) > 1 {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

// A refusal is counted over all bulks of a Put.
func TestElasticRefusalInTheSecondBulk(t *testing.T) {
	t.Parallel()
	var bulks atomic.Int32
	e := withServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := strings.Count(string(body), "\n") / 2
		items := strings.Repeat(`{"index":{"status":201}},`, n-1)
		last := `{"index":{"status":201}}`
		if bulks.Add(1) == 2 {
			last = `{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"why"}}}`
		}
		answer(200, `{"items":[`+items+last+`]}`)(w, r)
	})
	refused, err := e.Put(t.Context(), messages(newScope(), make([]string, maxBulkDocs+3)...))
	if err != nil || len(refused) != 1 || refused[0].Index != maxBulkDocs+2 || bulks.Load() != 2 {
		t.Errorf("refused %v, error %v, %d bulks", refused, err, bulks.Load())
	}
}

func TestElasticFailingAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		body        string
		busy        bool
		unavailable bool // for a search; all fail
	}{
		"overloaded":     {429, `{"error":{"type":"circuit_breaking_exception","reason":"too large"},"status":429}`, true, true},
		"no index":       {404, `{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}`, false, true},
		"no shard":       {503, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"},"status":503}`, false, true},
		"unauthorized":   {401, `{"error":"no"}`, false, true},
		"no JSON":        {200, `<html>`, false, true},
		"cut off":        {200, `{"hits":{"hi`, false, true},
		"proxy's page":   {502, `<html>Bad Gateway</html>`, false, true},
		"our own fault":  {400, `{"error":{"type":"parsing_exception","reason":"unknown query"},"status":400}`, false, false},
		"too large":      {413, ``, false, true},
		"a broken proxy": {302, ``, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := withServer(t, answer(c.status, c.body))
			refused, err := e.Put(t.Context(), messages(newScope(), "cat"))
			if err == nil || len(refused) > 0 || errors.Is(err, ErrBusy) != c.busy {
				t.Errorf("Put: refused %v, error %v", refused, err)
			}
			if _, err := e.Search(t.Context(), query()); err == nil || isUnavailable(err) != c.unavailable {
				t.Errorf("Search: %v", err)
			}
			if err := e.Ready(t.Context()); err == nil {
				t.Error("ready")
			}
			if err := e.Ensure(t.Context()); err == nil {
				t.Error("Ensure is content")
			}
		})
	}
}

// An index is yellow from the moment it is made, also before its shard can be searched.
func TestElasticIsNotReadyBeforeItsShards(t *testing.T) {
	t.Parallel()
	e := withServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_search"):
			answer(503, `{"error":{"type":"search_phase_execution_exception","reason":"","caused_by":
				{"type":"search_phase_execution_exception","reason":"Search rejected due to missing shards [[messages-1][0]]."}},"status":503}`)(w, r)
		case strings.HasPrefix(r.URL.Path, "/_cluster/health"):
			answer(200, `{"status":"yellow"}`)(w, r)
		default:
			answer(200, `{"messages-1":{"aliases":{"messages":{}}}}`)(w, r)
		}
	})
	for what, err := range map[string]error{"Ready": e.Ready(t.Context()), "Search": func() error { _, err := e.Search(t.Context(), query()); return err }()} {
		if err == nil || !strings.Contains(fmt.Sprint(err, errors.Unwrap(err)), "missing shards [[messages-1][0]]") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestElasticUnreachable(t *testing.T) {
	t.Parallel()
	e := withNodes(t, "http://"+enginetest.FreeAddr(t))
	if _, err := e.Put(t.Context(), messages(newScope(), "cat")); err == nil || errors.Is(err, ErrBusy) {
		t.Errorf("Put: %v", err)
	}
	if _, err := e.Search(t.Context(), query()); !isUnavailable(err) {
		t.Errorf("Search: %v", err)
	}
	if err := e.Ready(t.Context()); err == nil {
		t.Error("ready")
	}
}

func TestElasticTimeouts(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is noticed after the body alone
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	e, err := NewElastic(ElasticConfig{URLs: []string{s.URL}, SearchTimeout: 50 * time.Millisecond, BulkTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Search(t.Context(), query()); !isUnavailable(err) {
		t.Errorf("Search: %v", err)
	}
	if _, err := e.Put(t.Context(), messages(newScope(), "cat")); err == nil {
		t.Error("Put has all the time of the world")
	}
	if n := requests.Load(); n > 2 { // fewer: one was given up before it was taken in
		t.Errorf("%d requests, so what ran into its timeout was sent again", n)
	}
}

// One of two nodes is down, or says so: the other answers.
func TestElasticFailover(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(answer(200, `{"hits":{"hits":[{"_score":7,"_source":{"number":3,"body":"cat"}}]},"items":[{"index":{"status":201}}]}`))
	t.Cleanup(good.Close)
	leaving := httptest.NewServer(answer(503, `{}`))
	t.Cleanup(leaving.Close)
	for name, bad := range map[string]string{"down": "http://" + enginetest.FreeAddr(t), "leaving": leaving.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := withNodes(t, bad, good.URL)
			for range 4 {
				if r, err := e.Search(t.Context(), query()); err != nil || len(r.Hits) != 1 {
					t.Errorf("Search: %v, %v", r, err)
				}
				if _, err := e.Put(t.Context(), messages(newScope(), "cat")); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
}

// Real Elasticsearch behind a proxy that loses every other answer after it was given: nothing is lost or doubled.
func TestElasticLostAnswers(t *testing.T) {
	t.Parallel()
	direct, e := ensured(t)
	upstream, err := url.Parse(direct.config.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		ModifyResponse: func(r *http.Response) error {
			if calls.Add(1)%2 == 1 {
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	lossy, err := NewElastic(ElasticConfig{URLs: []string{s.URL}, Alias: direct.config.Alias, SearchTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	scope := newScope()
	refused, err := lossy.Put(t.Context(), messages(scope, "the cat", "the dog"))
	if err != nil || len(refused) > 0 {
		t.Fatalf("Put: refused %v, error %v", refused, err)
	}
	e.settle(t)
	if got := len(find(t, lossy, scope, "the").Hits); got != 2 {
		t.Errorf("%d found", got)
	}
	if calls.Load() < 4 {
		t.Errorf("%d requests, so none was sent again", calls.Load())
	}
}

func TestElasticAddresses(t *testing.T) {
	t.Parallel()
	for _, a := range [][]string{nil, {""}, {"elasticsearch:9200"}, {"ftp://x"}, {"http://"}, {"http://a", "::"}, {"http://u:secret@"}} {
		if _, err := NewElastic(ElasticConfig{URLs: a}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", a, err)
		}
	}
	var got atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got.Store(user + " " + password + " " + r.URL.Path)
		answer(200, `{"hits":{"hits":[]}}`)(w, r)
	}))
	t.Cleanup(s.Close)
	e := withNodes(t, strings.Replace(s.URL, "http://", "http://me:pass@", 1)+"/es/")
	if _, err := e.Search(t.Context(), query()); err != nil || got.Load() != "me pass /es/messages/_search" {
		t.Errorf("%v, %v", got.Load(), err)
	}
}

// A bulk holds a bounded number of documents and bytes, and they are all there in order.
func TestElasticBulkBody(t *testing.T) {
	t.Parallel()
	for name, bodies := range map[string][]string{
		"many": make([]string, 2*maxBulkDocs+1),
		"large": append(slices.Repeat([]string{strings.Repeat("x", chat.MaxBody)}, 60),
			strings.Repeat("\x00", chat.MaxBody), strings.Repeat("ﷺ", chat.MaxBody/3)), // what grows most
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := messages(newScope(), bodies...)
			bulks := 0
			for rest := all; len(rest) > 0; bulks++ {
				b, n := bulkBody(rest)
				if n < 1 || n > maxBulkDocs || b.Len() > maxBulkBytes+3<<20 {
					t.Fatalf("%d documents in %d bytes", n, b.Len())
				}
				lines := json.NewDecoder(b)
				for _, m := range rest[:n] {
					var a bulkAction
					var s source
					if err := errors.Join(lines.Decode(&a), lines.Decode(&s)); err != nil {
						t.Fatal(err)
					}
					if s.message(scopeOf(m)) != m || a.Index.ID != documentID(m) || a.Index.Version != m.Version {
						t.Fatalf("%s: a message comes out as another one", a.Index.ID)
					}
				}
				rest = rest[n:]
			}
			if bulks < 2 {
				t.Error("all went into one bulk")
			}
		})
	}
}
