package monitor_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // registers "mysql"

	"chat-system/api"
	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/monitor"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

const (
	adminToken = "an administrator's token"
	partitions = 4

	flusherName = "chat-flusher-5d8c7"
)

// bundle is a service on real engines, with its page.
type bundle struct {
	t     *testing.T
	mysql *enginetest.MySQLServer
	redis *enginetest.RedisServer
	db    *db.DB
	sql   *sql.DB
	store *store.Store
	queue *queue.Queue
	url   string
	http  *http.Client // follows no redirection, keeps cookies

	log    *slog.Logger
	tokens []string // of applications

	config monitor.Config
	kill   func() // the pod that was started last
}

// setup starts one; change may adjust the page's configuration.
func setup(t *testing.T, change func(*monitor.Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, mysql: enginetest.MySQL(t), redis: enginetest.Redis(t)}
	said := &strings.Builder{}
	log := slog.New(slog.NewTextHandler(logTo{t, said}, nil))
	b.log = log
	t.Cleanup(func() { // after all that logs has ended
		for _, secret := range append(b.tokens, adminToken, script) {
			if strings.Contains(said.String(), secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
	})
	b.must(func() (err error) {
		b.db, err = db.Open(db.Config{DSN: b.mysql.DSN, Pool: 16, Log: log})
		return err
	}())
	t.Cleanup(func() { _ = b.db.Close() })
	b.must(b.db.Migrate(t.Context(), partitions, log))
	b.must(func() (err error) {
		b.sql, err = sql.Open("mysql", b.mysql.DSN)
		return err
	}())
	t.Cleanup(func() { _ = b.sql.Close() })
	client, err := queue.Connect(b.redis.URL, func() {})
	b.must(err)
	t.Cleanup(func() { _ = client.Close() })
	b.queue = queue.New(queue.Config{Partitions: partitions, MaxEntries: 100_000, Shebang: true, Log: log}, client, store.Ledger{DB: b.db})
	b.store = store.New(b.db, b.queue, nil, true)
	c := monitor.Config{
		AdminToken: adminToken, Store: b.store, DB: b.db, Queue: b.queue, Redis: client, Log: log,
		Names:    monitor.Names{Redis: "Redis", Database: "MySQL", Search: "Elasticsearch"},
		Settings: []monitor.Setting{{Name: "ADMIN_TOKEN", Value: "set, not shown", Doc: "a token"}},
	}
	if change != nil {
		change(&c)
	}
	b.config = c
	b.pod(enginetest.FreeAddr(b.t)) // to which another one may come back
	b.http = b.newClient()
	return b
}

// pod serves at an address until kill, or the test ends.
func (b *bundle) pod(address string) {
	b.t.Helper()
	server := api.New(api.Config{Store: b.store, Log: b.log, Monitor: monitor.New(b.config), AdminToken: b.config.AdminToken})
	ln, err := net.Listen("tcp", address)
	b.must(err)
	b.url = "http://" + ln.Addr().String()
	go func() { _ = server.Serve(ln) }()
	b.kill = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Drain(ctx)
	}
	b.t.Cleanup(b.kill)
}

func (b *bundle) newClient() *http.Client {
	jar, err := cookiejar.New(nil)
	b.must(err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// flush runs a flusher until the test ends.
func (b *bundle) flush() {
	b.t.Helper()
	f := flusher.New(flusher.Config{
		Partitions: partitions, ChatThreshold: 1000, MessageThreshold: 1000, MaxWait: 20 * time.Millisecond, Retention: time.Minute, Writers: 2, Name: flusherName,
		Log: b.log,
	}, b.db, b.queue, store.Ledger{DB: b.db})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	b.t.Cleanup(func() {
		stop()
		<-done
	})
}

func (b *bundle) must(err error) {
	if err != nil {
		b.t.Helper()
		b.t.Fatal(err)
	}
}

func (b *bundle) exec(statement string) {
	b.t.Helper()
	_, err := b.sql.ExecContext(b.t.Context(), statement)
	b.must(err)
}

// newApplication makes one with a chat.
func (b *bundle) newApplication(name string) (token string) {
	b.t.Helper()
	app, _, err := b.store.CreateApplication(b.t.Context(), name, chat.Idempotency{})
	b.must(err)
	b.tokens = append(b.tokens, app.Token)
	_, _, err = b.store.CreateChat(b.t.Context(), app.Token, chat.Idempotency{})
	b.must(err)
	return app.Token
}

func (b *bundle) post(token, body string) int64 {
	b.t.Helper()
	n, _, err := b.store.CreateMessage(b.t.Context(), token, 1, body, chat.Idempotency{})
	b.must(err)
	return n
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

func (b *bundle) get(path string) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	b.must(err)
	return b.do(request)
}

// submit sends a form, as a page of this site does.
func (b *bundle) submit(path string, form url.Values, headers ...string) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	b.must(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.url)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return b.do(request)
}

func (b *bundle) do(request *http.Request) answer {
	b.t.Helper()
	r, err := b.http.Do(request)
	b.must(err)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	b.must(err)
	return answer{r, string(text)}
}

func (b *bundle) signIn() {
	b.t.Helper()
	if r := b.submit("/monitor/sign-in", url.Values{"token": {adminToken}}); r.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("signing in: %d %s", r.StatusCode, r.body)
	}
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// form is a form with the session's token.
func (b *bundle) form(pairs ...string) url.Values {
	b.t.Helper()
	m := formToken.FindStringSubmatch(b.get("/monitor/dead-letters").body)
	if m == nil {
		b.t.Fatal("the page has no form token")
	}
	form := url.Values{"form_token": {m[1]}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// numbers are what /monitor/data answers.
type numbers struct {
	Accepted, Flushed *int64
	Partitions        []struct {
		State        string
		Waiting, Lag *int64
		Trouble      string
	}
	Engines  []struct{ Name, Status string }
	Findings []struct{ Text, Advice string }
	Letters  map[string]int `json:"dead_letters"`
	Empty    *bool
	History  []struct{ At int64 }
}

func (b *bundle) data() (n numbers) {
	b.t.Helper()
	r := b.get("/monitor/data?history=1")
	if r.StatusCode != http.StatusOK {
		b.t.Fatalf("data: %d %s", r.StatusCode, r.body)
	}
	b.must(json.Unmarshal([]byte(r.body), &n))
	return n
}

func (n numbers) engine(name string) string {
	for _, e := range n.Engines {
		if e.Name == name {
			return e.Status
		}
	}
	return ""
}

// waiting is how many entries wait; -1: Redis did not tell in time.
func (n numbers) waiting() (sum int64) {
	for _, p := range n.Partitions {
		if p.Waiting == nil {
			return -1
		}
		sum += *p.Waiting
	}
	return sum
}

// storing flushes an application's first message, so that the next one is accepted without the database, and gives its token.
func (b *bundle) storing() (token string) {
	b.t.Helper()
	b.flush()
	b.signIn()
	token = b.newApplication("a")
	b.post(token, "the counter goes on from here")
	b.eventually("it is flushed", func() bool { return b.data().waiting() == 0 })
	return token
}

// letters makes dead letters of messages that the database refuses, and gives their IDs.
func (b *bundle) deadLetters(token string, bodies ...string) []string {
	b.t.Helper()
	b.exec("ALTER TABLE messages ADD CONSTRAINT poison CHECK (body NOT LIKE '%poison%')")
	for _, body := range bodies {
		b.post(token, body)
	}
	var ids []string
	b.eventually("dead letters", func() bool {
		ls, err := flusher.DeadLetters{DB: b.db}.List(b.t.Context(), flusher.StateOpen, flusher.LetterID{}, 100)
		b.must(err)
		ids = nil
		for _, l := range ls {
			ids = append(ids, fmt.Sprintf("%d/%s/%s", l.PartitionID, chat.Version(l.Version).ID(), l.Sink))
		}
		return len(ids) == len(bodies)
	})
	return ids
}

func (b *bundle) eventually(what string, holds func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// logTo is written to by one at a time, as slog's handlers promise.
type logTo struct {
	t    *testing.T
	said *strings.Builder
}

func (l logTo) Write(b []byte) (int, error) {
	l.said.Write(b)
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
