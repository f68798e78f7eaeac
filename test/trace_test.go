package test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	collectpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"chat-system/internal/enginetest"
)

// What no span and no log line may hold.
const (
	secretBody   = "sEcReT-body"
	secretSearch = "sEcReT-search"
	secretKey    = "sEcReT-key"
	secretAdmin  = "sEcReT-admin"
	secretHeader = "sEcReT-header"
)

// collector takes spans as an OpenTelemetry collector does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	raw   [][]byte
	spans []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var sent collectpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(raw, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != secretHeader {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, raw)
		for _, of := range sent.ResourceSpans {
			for _, s := range of.ScopeSpans {
				c.spans = append(c.spans, s.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// environ of a process that sends its spans there.
func (c *collector) environ() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=" + secretHeader, "OTEL_BSP_SCHEDULE_DELAY=20"}
}

// find gives the spans of a name, or of any, for which holds says so.
func (c *collector) find(name string, holds func(*tracepb.Span) bool) (found []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if (name == "" || s.Name == name) && holds(s) {
			found = append(found, s)
		}
	}
	return found
}

// of gives those of a trace.
func (c *collector) of(id, name string) []*tracepb.Span {
	return c.find(name, func(s *tracepb.Span) bool { return hex.EncodeToString(s.TraceId) == id })
}

func (c *collector) holds(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.raw, func(raw []byte) bool { return bytes.Contains(raw, []byte(text)) })
}

// linked gives the span of a batch to which the one span of an entry links, where that links back to where it was accepted.
func (c *collector) linked(t *testing.T, entry *tracepb.Span, batch string) *tracepb.Span {
	t.Helper()
	if len(entry.Links) != 1 {
		t.Fatalf("%s has the links %v", entry.Name, entry.Links)
	}
	var found []*tracepb.Span
	until(t, "the span of the batch comes", func() bool {
		found = c.find(batch, func(s *tracepb.Span) bool { return bytes.Equal(s.SpanId, entry.Links[0].SpanId) })
		return len(found) > 0
	})
	if len(found) != 1 || !bytes.Equal(found[0].TraceId, entry.Links[0].TraceId) || len(found[0].ParentSpanId) != 0 ||
		!slices.ContainsFunc(found[0].Links, func(l *tracepb.Span_Link) bool {
			return bytes.Equal(l.TraceId, entry.TraceId) && bytes.Equal(l.SpanId, entry.ParentSpanId)
		}) {
		t.Fatalf("%s links to %v", entry.Name, found)
	}
	return found[0]
}

// visitor is a client with a trace.
type visitor struct {
	t    *testing.T
	addr string
	n    int
}

// ask sends a request in a trace of its own, and gives the trace's id.
func (v *visitor) ask(method, path, body, flags string, answer any) (trace string, status int) {
	v.t.Helper()
	v.n++
	trace = fmt.Sprintf("%032x", 0xabc000+v.n)
	r, err := http.NewRequest(method, "http://"+v.addr+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+secretAdmin)
	r.Header.Set("Idempotency-Key", fmt.Sprint(secretKey, v.n))
	r.Header.Set("X-Request-Id", fmt.Sprintf("request-%d.", v.n))
	r.Header.Set("Traceparent", "00-"+trace+"-00000000000000aa-"+flags)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if answer != nil {
		if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
			v.t.Fatal(err)
		}
	}
	return trace, res.StatusCode
}

const messageBody = `{"body":"` + secretBody + `"}`

// opens makes an application and a chat, and waits until search follows the stream: what it fills from the tables has no
// trace any more.
func (v *visitor) opens(c *collector) (token, messages string) {
	v.t.Helper()
	var app struct{ Token string }
	if _, status := v.ask("POST", "/applications", `{"name":"traced"}`, "00", &app); status != http.StatusCreated {
		v.t.Fatal(status)
	}
	messages = "/applications/" + app.Token + "/chats/1/messages"
	if _, status := v.ask("POST", "/applications/"+app.Token+"/chats", `{}`, "00", nil); status != http.StatusAccepted {
		v.t.Fatal(status)
	}
	var sent []string
	until(v.t, "search follows", func() bool {
		trace, _ := v.ask("POST", messages, messageBody, "01", nil)
		sent = append(sent, trace)
		return slices.ContainsFunc(sent, func(trace string) bool { return len(c.of(trace, "indexed")) > 0 })
	})
	return app.Token, messages
}

// follow finds the whole trace of a POST.
func (v *visitor) follow(c *collector, trace string) {
	v.t.Helper()
	one := func(name, parent string) *tracepb.Span {
		v.t.Helper()
		until(v.t, name+" of trace "+trace+" comes", func() bool { return len(c.of(trace, name)) > 0 })
		spans := c.of(trace, name)
		if len(spans) != 1 || hex.EncodeToString(spans[0].ParentSpanId) != parent || spans[0].Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			v.t.Fatalf("%s under %s: %v", name, parent, spans)
		}
		return spans[0]
	}
	id := func(s *tracepb.Span) string { return hex.EncodeToString(s.SpanId) }
	server := one("POST /applications/:token/chats/:chat/messages", "00000000000000aa")
	accept := one("accept", id(server))
	store := c.linked(v.t, one("stored", id(accept)), "store")
	index := c.linked(v.t, one("indexed", id(accept)), "index")
	if store.StartTimeUnixNano > index.StartTimeUnixNano { // it may end later: what is committed is seen at once
		v.t.Errorf("put into search before it was stored: %v, %v", store, index)
	}
}

func (v *visitor) mustPost(messages, flags string) string {
	v.t.Helper()
	trace, status := v.ask("POST", messages, messageBody, flags, nil)
	if status != http.StatusAccepted {
		v.t.Fatal(status)
	}
	return trace
}

// leavesNothing posts unsampled, then sampled: once all is there of the latter, there would be something of the former.
func (v *visitor) leavesNothing(c *collector, messages string) {
	v.t.Helper()
	none := v.mustPost(messages, "00")
	v.follow(c, v.mustPost(messages, "01"))
	id, err := hex.DecodeString(none)
	if err != nil || c.holds(string(id)) { // in no link either
		v.t.Errorf("not sampled, and there is %v, %v", c.of(none, ""), err)
	}
}

// discreet checks that nothing of what was sent is in a span or a log line, and that no request is in a log.
func (v *visitor) discreet(c *collector, token string, processes ...*process) {
	v.t.Helper()
	for _, text := range []string{secretBody, secretSearch, secretKey, secretAdmin, secretHeader, token} {
		if c.holds(text) {
			v.t.Errorf("a span holds %s", text)
		}
		for _, p := range processes {
			if p.log.has(text) > 0 {
				v.t.Errorf("the log of chat %s holds %s", p.command, text)
			}
		}
	}
}

func TestATraceGoesFromThePostToTheDocument(t *testing.T) {
	t.Parallel()
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		c := newCollector(t)
		p := newProcess(t, "local", append(c.environ(), "DATA_DIR="+t.TempDir(), "ADMIN_TOKEN="+secretAdmin)...)
		p.start()
		p.ready()
		v := &visitor{t: t, addr: p.addr}
		token, messages := v.opens(c)
		v.follow(c, v.mustPost(messages, "01"))
		v.leavesNothing(c, messages)
		if _, status := v.ask("GET", messages+"/search?q="+secretSearch, "", "01", nil); status != http.StatusOK {
			t.Error(status)
		}
		if n := p.log.has("request-"); n > 0 {
			t.Errorf("%d log lines of requests", n)
		}
		p.term() // sends what is left
		v.discreet(c, token, p)
	})
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		c := newCollector(t)
		es := enginetest.SharedElasticsearch(t)
		s := newService(t, 1, 1, append(c.environ(), "ELASTICSEARCH_URL="+es, "ADMIN_TOKEN="+secretAdmin, "LOG_FORMAT=json")...)
		pod, flusher := s.pods[0], s.flushers[0]
		v := &visitor{t: t, addr: pod.addr}
		token, messages := v.opens(c)
		v.follow(c, v.mustPost(messages, "01"))
		v.leavesNothing(c, messages)
		for range 50 {
			v.mustPost(messages, "01")
		}
		if _, status := v.ask("GET", messages+"/search?q="+secretSearch, "", "01", nil); status != http.StatusOK {
			t.Error(status)
		}
		if n := pod.log.has("request-") + flusher.log.has("request-"); n > 0 {
			t.Errorf("%d log lines of requests", n)
		}

		// a flush that fails is told with its trace, which links to what waits; and that is stored in the end
		s.drained()
		hold, err := s.database().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for p := range 4 {
			if _, err := hold.ExecContext(t.Context(), "SELECT position FROM flush_cursors WHERE partition_id = ? AND sink = 'mysql' FOR UPDATE", p); err != nil {
				t.Fatal(err)
			}
		}
		waits := v.mustPost(messages, "01")
		until(t, "its flush has begun", func() bool {
			return s.one(`SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%flush_cursors SET position%sink = ''mysql''%'`) > 0
		})
		s.mysql.Kill()
		_ = hold.Rollback() // it failed with the server
		until(t, "a flush fails in a trace", func() bool {
			return slices.ContainsFunc(flusher.log.lines("flush failed"), func(l string) bool { return strings.Contains(l, `"trace_id":"`) })
		})
		until(t, "its span comes", func() bool {
			return len(c.find("store", func(s *tracepb.Span) bool {
				return s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR && slices.ContainsFunc(s.Links, func(l *tracepb.Span_Link) bool {
					return hex.EncodeToString(l.TraceId) == waits
				})
			})) > 0
		})
		s.mysql.Start()
		v.follow(c, waits)

		// one line for each request that fails
		s.redis.Kill()
		failed := map[string]string{} // traces, by the id of their request
		for range 5 {
			trace, status := v.ask("POST", messages, messageBody, "01", nil)
			if status != http.StatusServiceUnavailable {
				t.Fatal(status)
			}
			failed[fmt.Sprintf("request-%d.", v.n)] = trace
		}
		for id, trace := range failed {
			until(t, "the line and the acceptance of what failed come", func() bool {
				return pod.log.has(id) > 0 && slices.ContainsFunc(c.of(trace, "accept"), func(s *tracepb.Span) bool {
					return s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR
				})
			})
			if lines := pod.log.lines(id); len(lines) != 1 || !strings.Contains(lines[0], `"request_id":"`+id+`"`) || !strings.Contains(lines[0], `"trace_id":"`+trace+`"`) {
				t.Errorf("%q", lines)
			}
		}
		s.redis.Start()
		v.discreet(c, token, pod, flusher)
	})
}

// A collector that hangs, or is away, costs spans alone, and is told of.
func TestACollectorThatFailsCostsSpansAlone(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(release) })
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden) // and repeats what is secret
	}))
	t.Cleanup(refuses.Close)
	for name, c := range map[string]struct{ url, timeout, result string }{
		"hangs":   {hangs.URL, "60000", "dropped"},
		"away":    {"http://" + enginetest.FreeAddr(t), "200", "failed"},
		"refuses": {refuses.URL, "30000", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, "local", "DATA_DIR="+t.TempDir(), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.url, "OTEL_EXPORTER_OTLP_HEADERS=Authorization="+secretHeader,
				"OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_BSP_MAX_QUEUE_SIZE=100", "OTEL_BSP_EXPORT_TIMEOUT="+c.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT="+c.timeout)
			p.start()
			p.ready()
			v := &visitor{t: t, addr: p.addr}
			var app struct{ Token string }
			v.ask("POST", "/applications", `{"name":"traced"}`, "01", &app)
			v.ask("POST", "/applications/"+app.Token+"/chats", `{}`, "01", nil)
			messages := "/applications/" + app.Token + "/chats/1/messages"
			for range 100 {
				v.mustPost(messages, "01") // which local mode answers once it is stored
			}
			until(t, "spans are counted as "+c.result, func() bool { return p.metric(`chat_trace_spans_total{result="`+c.result+`"}`) > 0 })
			if n := p.metric(`chat_trace_spans_total{result="sent"}`); n > 0 {
				t.Errorf("%v spans were sent", n)
			}
			if c.result == "failed" {
				until(t, "it is said", func() bool { return p.log.has("traces are lost") > 0 })
				if lines := p.log.lines("traces are lost"); len(lines) != 1 {
					t.Errorf("%q", lines)
				}
			}
			p.term()
			if p.log.has(secretHeader) > 0 || p.log.has(secretBody) > 0 {
				t.Errorf("the log holds a secret")
			}
		})
	}
}

// Without a collector, or with nothing sampled, entries are as they were.
func TestNothingIsAddedWhereNothingIsTraced(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := newService(t, 1, 0)
	traced := s.addPod(append(c.environ(), "OTEL_TRACES_SAMPLER=always_off")...)
	traced.start()
	traced.ready()
	v := &visitor{t: t}
	for _, p := range s.pods {
		v.addr = p.addr
		var app struct{ Token string }
		v.ask("POST", "/applications", `{"name":"plain"}`, "01", &app)
		if _, status := v.ask("POST", "/applications/"+app.Token+"/chats", `{}`, "01", nil); status != http.StatusAccepted {
			t.Fatal(status)
		}
	}
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer func() { _ = client.Close() }()
	chats := 0
	for p := range 4 {
		es, err := client.XRange(t.Context(), fmt.Sprintf("chat:{%d}:stream", p), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			header, _ := e.Values["h"].(string)
			if strings.HasPrefix(header, "c ") {
				chats++
			}
			if _, has := e.Values["t"]; has {
				t.Errorf("an entry has a trace: %v", e)
			}
		}
	}
	if chats != 2 {
		t.Errorf("%d chats are queued, want 2", chats)
	}
}
