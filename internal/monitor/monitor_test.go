package monitor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/docs/runbooks"
	"chat-system/internal/backup"
	"chat-system/internal/monitor"
)

func TestWhoMayLook(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, path := range []string{"/monitor", "/monitor/dead-letters?q=x", "/monitor/applications/1", "/monitor/configuration", "/monitor/nowhere"} {
		want := "/monitor/sign-in?next=" + url.QueryEscape(path)
		if path == "/monitor" {
			want = "/monitor/sign-in"
		}
		if r := b.get(path); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want || r.body != "" {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := b.get("/monitor/data"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("data: %d", r.StatusCode)
	}
	if r := b.get("/sidekiq"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/monitor" {
		t.Errorf("sidekiq: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := b.submit("/monitor/dead-letters/retry-all", nil); r.Header.Get("Location") != "/monitor/sign-in" {
		t.Errorf("a POST without a session: %d %s", r.StatusCode, r.body)
	}
	if r := b.submit("/monitor/sign-in", url.Values{"token": {"wrong"}}); r.StatusCode != http.StatusForbidden || !strings.Contains(r.body, "not the administrator") || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token: %d %s", r.StatusCode, r.body)
	}
	if r := b.submit("/monitor/sign-in", url.Values{"token": {adminToken}}, "Origin", "https://evil.example"); r.StatusCode != http.StatusForbidden || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a form of another site: %d", r.StatusCode)
	}
	for next, want := range map[string]string{
		"/monitor/applications?cursor=x": "/monitor/applications?cursor=x", "https://evil.example": "/monitor", "//evil.example": "/monitor",
		"/monitorx": "/monitor", "/monitor\\..": "/monitor",
	} {
		r := b.submit("/monitor/sign-in", url.Values{"token": {adminToken}, "next": {next}})
		cookie := r.Header.Get("Set-Cookie")
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") ||
			!strings.Contains(cookie, "max-age=43200") || strings.Contains(cookie, adminToken) {
			t.Errorf("%s: %d %s %s", next, r.StatusCode, r.Header.Get("Location"), cookie)
		}
	}
	for _, proto := range []string{"https", "https,http"} {
		r := b.submit("/monitor/sign-in", url.Values{"token": {adminToken}}, "X-Forwarded-Proto", proto)
		if cookie := r.Header.Get("Set-Cookie"); !strings.Contains(cookie, "; secure") {
			t.Errorf("%s: %s", proto, cookie)
		}
	}
	b.signIn()
	r := b.get("/monitor")
	policy := r.Header.Get("Content-Security-Policy")
	if r.StatusCode != http.StatusOK || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page: %d %v", r.StatusCode, r.Header)
	}
	if r := b.get("/monitor/nowhere"); r.StatusCode != http.StatusNotFound {
		t.Errorf("nowhere: %d", r.StatusCode)
	}
	form := b.form()
	if r := b.submit("/monitor/sign-out", form); r.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: %d %s", r.StatusCode, r.body)
	}
	if r := b.get("/monitor"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out: %d", r.StatusCode)
	}
}

func TestGuessingIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	guess := func() {
		t.Helper()
		begun, slow := time.Now(), 0
		for taken := 1; ; taken++ { // ten in a minute: each comes back in six seconds, and what Redis is slow for is counted elsewhere
			sent := time.Now()
			r := b.submit("/monitor/sign-in", url.Values{"token": {"wrong"}})
			if time.Since(sent) > time.Second {
				slow++
			}
			if r.StatusCode == http.StatusTooManyRequests {
				if r.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				return
			}
			if most := 10 + slow + int(time.Since(begun)/(6*time.Second)); taken > most {
				t.Fatalf("%d guesses are taken", taken)
			}
		}
	}
	b.eventually("the right token among guesses is refused", func() bool { // unless they take so long that one comes back
		guess()
		return b.submit("/monitor/sign-in", url.Values{"token": {adminToken}}).StatusCode == http.StatusTooManyRequests
	})
	b.redis.Kill()
	guess()
}

func TestAnOpenPageIsForThisMachineAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *monitor.Config) { c.AdminToken, c.Open, c.Local = "", true, true })
	if r := b.get("/monitor"); r.StatusCode != http.StatusOK {
		t.Errorf("%d", r.StatusCode)
	}
	for _, host := range []string{"evil.example", "10.0.0.1:3000", "localhost.evil.example"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/monitor/data", nil)
		b.must(err)
		request.Host = host
		if r := b.do(request); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", host, r.StatusCode)
		}
	}
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/monitor/data", nil)
		b.must(err)
		request.Header.Set(header, "1.1 a")
		if r := b.do(request); r.StatusCode != http.StatusForbidden || !strings.Contains(r.body, "proxy") {
			t.Errorf("%s: %d", header, r.StatusCode)
		}
	}
	b.flush()
	token := b.newApplication("a")
	b.deadLetters(token, "poison")
	b.exec("ALTER TABLE messages DROP CONSTRAINT poison")
	for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}} {
		if r := b.submit("/monitor/dead-letters/retry-all", b.form(), headers...); r.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", headers, r.StatusCode)
		}
	}
	if r := b.submit("/monitor/dead-letters/retry-all", url.Values{"form_token": {"x"}}); r.StatusCode != http.StatusForbidden {
		t.Errorf("without the form's token: %d", r.StatusCode)
	}
	var open int
	b.must(b.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dead_letters WHERE state = 'open'").Scan(&open))
	if open != 1 {
		t.Errorf("another site did something: %d are open", open)
	}
	if r := b.submit("/monitor/dead-letters/retry-all", b.form()); r.Header.Get("Location") != "/monitor/dead-letters?stored=1" {
		t.Errorf("from the page: %d %s", r.StatusCode, r.body)
	}
}

func TestWithoutATokenNobodyLooks(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *monitor.Config) { c.AdminToken = "" })
	for _, path := range []string{"/monitor", "/monitor/data", "/monitor/sign-in"} {
		if r := b.get(path); r.StatusCode != http.StatusForbidden || !strings.Contains(r.body, "ADMIN_TOKEN") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
}

// A runbook is for who is signed in; whoever follows an alert there comes to it by way of the form.
func TestRunbooksAreReadHere(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	if r := b.get("/monitor/runbooks/ChatNoLeader"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/monitor/sign-in?next=%2Fmonitor%2Frunbooks%2FChatNoLeader" {
		t.Errorf("signed out: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	b.signIn()
	list := b.get("/monitor/runbooks")
	for _, name := range runbooks.Names() {
		if !strings.Contains(list.body, `<a href="/monitor/runbooks/`+name+`">`) {
			t.Errorf("%s is not listed", name)
		}
		if r := b.get("/monitor/runbooks/" + name); r.StatusCode != http.StatusOK || !strings.Contains(r.body, "<h1>"+name+"</h1>") || !strings.Contains(r.body, "<h2>Mitigation</h2>") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	for _, name := range []string{"Nothing", "../metrics", "ChatNoLeader.md", "..%2Fmetrics"} {
		if r := b.get("/monitor/runbooks/" + name); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
}

// The backup controller tells of backups; what it told last stays when it is away.
func TestBackupsAreShown(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	controller := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode([]backup.Manifest{
			{Name: "under-way"},
			{Name: "good", StartedAt: time.Now(), FinishedAt: time.Now(), VerifiedAt: new(time.Now()), Size: 2048, Keys: 1234, Location: "/backups"},
			{Name: "bad", StartedAt: time.Now(), FinishedAt: time.Now(), Error: "Damaged: a byte is " + script},
		})
	}))
	t.Cleanup(controller.Close)
	b := setup(t, func(c *monitor.Config) { c.BackupsURL = controller.URL })
	if r := b.get("/monitor/backups"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("without a session: %d", r.StatusCode)
	}
	b.signIn()
	for _, want := range []string{`>under-way</code></th><td>not yet</td><td>under way<`, `class="good"`, `>2.0 KiB<`, `class="bad">failed: Damaged: a byte is &lt;script&gt;`} {
		if r := b.get("/monitor/backups"); r.StatusCode != http.StatusOK || !strings.Contains(r.body, want) {
			t.Errorf("%s is missing: %d %s", want, r.StatusCode, r.body)
		}
	}
	if r := b.get("/monitor"); !strings.Contains(r.body, `href="/monitor/backups"`) {
		t.Error("nothing leads there")
	}
	status = http.StatusServiceUnavailable
	b.eventually("the controller is away", func() bool {
		r := b.get("/monitor/backups")
		return strings.Contains(r.body, "does not answer") && strings.Contains(r.body, ">good<")
	})
	if r := setup(t, nil).get("/monitor"); strings.Contains(r.body, "/monitor/backups") {
		t.Error("there is a page of backups where nobody tells of them")
	}
}

const script = `<script>alert("x")</script><img src=x onerror=alert(1)>`

func TestTextIsTextAndSecretsStayAway(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.flush()
	b.signIn()
	token := b.newApplication(script)
	b.post(token, script)
	b.deadLetters(token, "poison "+script)
	apps := b.get("/monitor/applications")
	app := regexpFind(t, apps.body, `href="(/monitor/applications/\d+)"`)
	letter := regexpFind(t, b.get("/monitor/dead-letters?q=POISON").body, `href="(/monitor/dead-letters/letter[^"]+)"`)
	for _, path := range []string{"/monitor", "/monitor/data", "/monitor/applications", app, app + "/1", "/monitor/dead-letters", "/monitor/dead-letters?q=" + url.QueryEscape(script), letter, "/monitor/configuration"} {
		r := b.get(strings.ReplaceAll(path, "&amp;", "&"))
		if r.StatusCode != http.StatusOK || strings.Contains(r.body, "<script>") || strings.Contains(r.body, "<img") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
		if strings.Contains(r.body, token) || strings.Contains(r.body, adminToken) {
			t.Errorf("%s tells a secret", path)
		}
	}
	for _, path := range []string{app, app + "/1"} {
		if r := b.get(path); !strings.Contains(r.body, "&lt;img src=x onerror=alert(1)&gt;") {
			t.Errorf("%s lacks the text: %s", path, r.body)
		}
	}
	for _, path := range []string{"/monitor/applications/x", "/monitor/applications/1", app + "/9", app + "/x", "/monitor/dead-letters/letter?id=1/2/3"} {
		if r := b.get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestNumbersMove(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.signIn()
	b.eventually("the engines answer, and nothing is there", func() bool {
		n := b.data()
		return n.Empty != nil && *n.Empty && n.waiting() == 0 && n.engine("Redis") == "ok" && n.engine("MySQL") == "ok" && n.engine("Elasticsearch") == "off" && len(n.Partitions) == partitions
	})
	token := b.newApplication("a")
	const many = 300
	for range many {
		b.post(token, "x")
	}
	b.eventually("what waits is seen", func() bool {
		n := b.data()
		return n.Accepted != nil && *n.Accepted >= many+1 && n.waiting() >= many && *n.Flushed <= 2
	})
	b.flush()
	b.eventually("it is flushed", func() bool {
		n := b.data()
		return n.waiting() == 0 && n.Flushed != nil && *n.Flushed == *n.Accepted && n.Empty != nil && !*n.Empty && len(n.History) > 1
	})
}

func TestWhyFlushesFailIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	token := b.storing()
	troubles := func() (all string) {
		for _, p := range b.data().Partitions {
			all += p.Trouble
		}
		return all
	}
	b.eventually("no trouble", func() bool { return troubles() == "" })
	b.exec("RENAME TABLE messages TO hidden")
	b.post(token, "x")
	b.eventually("it is told why", func() bool { return strings.Contains(troubles(), "messages' doesn't exist") })
	b.exec("RENAME TABLE hidden TO messages")
	b.eventually("all is well again", func() bool { return b.data().waiting() == 0 && troubles() == "" })
}

func TestFlushesThatHangAreShown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	token := b.storing()
	tx, err := b.sql.BeginTx(t.Context(), nil)
	b.must(err)
	_, err = tx.ExecContext(t.Context(), "SELECT * FROM flush_cursors FOR UPDATE")
	b.must(err)
	b.post(token, "x")
	b.eventually("it is told, and why", func() bool {
		n := b.data()
		return n.engine("MySQL") == "warning" && len(n.Findings) > 0 && strings.Contains(n.Findings[0].Advice, "flushes hang, most likely for a lock")
	})
	b.must(tx.Rollback())
	b.eventually("all is well again", func() bool { n := b.data(); return n.waiting() == 0 && n.engine("MySQL") == "ok" })
}

func TestARedisThatTakesNoWritesIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.flush()
	b.signIn()
	b.newApplication("a")
	client := redis.NewClient(&redis.Options{Addr: b.redis.Addr})
	t.Cleanup(func() { _ = client.Close() })
	b.eventually("all is well", func() bool { return b.data().engine("Redis") == "ok" })
	b.must(client.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	b.eventually("it is told, and why", func() bool {
		n := b.data()
		return n.engine("Redis") == "failed" && n.Accepted != nil && len(n.Findings) > 0 &&
			n.Findings[0].Text == "Nothing is accepted: Redis takes no writes." && strings.Contains(n.Findings[0].Advice, "NOREPLICAS")
	})
	b.must(client.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err())
	b.eventually("all is well again", func() bool { n := b.data(); return n.engine("Redis") == "ok" && len(n.Findings) == 0 })
}

func TestSigningInWithoutRedis(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.redis.Pause()
	b.signIn()
	if r := b.get("/monitor"); r.StatusCode != http.StatusOK {
		t.Errorf("%d", r.StatusCode)
	}
	b.redis.Resume()
}

func TestABrokenEngineIsShownAndTheRestStays(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.flush()
	b.signIn()
	b.newApplication("a")
	b.eventually("all is well", func() bool { n := b.data(); return n.Accepted != nil && n.waiting() == 0 })
	b.redis.Pause()
	b.eventually("Redis hangs", func() bool {
		n := b.data()
		return n.engine("Redis") == "failed" && n.engine("MySQL") == "ok" && n.Accepted == nil && n.Partitions[0].State == "unknown"
	})
	if r := b.get("/monitor/dead-letters"); r.StatusCode != http.StatusOK {
		t.Errorf("dead letters without Redis: %d", r.StatusCode)
	}
	b.redis.Resume()
	b.eventually("Redis is back", func() bool { return b.data().engine("Redis") == "ok" })
	b.mysql.Kill()
	b.eventually("MySQL is gone, and nobody knows whether there is a message", func() bool {
		n := b.data()
		return n.engine("MySQL") == "failed" && n.Empty == nil && n.engine("Redis") == "ok" && n.Accepted != nil
	})
	if r := b.get("/monitor/dead-letters"); r.StatusCode != http.StatusServiceUnavailable || strings.Contains(r.body, "127.0.0.1") {
		t.Errorf("dead letters without MySQL: %d %s", r.StatusCode, r.body)
	}
}

func TestDeadLettersAreDealtWith(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.flush()
	b.signIn()
	token := b.newApplication("a")
	ids := b.deadLetters(token, "poison 1", "poison 2", "poison 3", "poison 4")
	list := b.get("/monitor/dead-letters")
	b.eventually("how many there are", func() bool { return strings.Contains(b.get("/monitor/dead-letters").body, "4 are open.") })
	for _, id := range ids {
		if !strings.Contains(list.body, `id="`+id+`"`) {
			t.Errorf("%s is not listed", id)
		}
	}
	if r := b.get("/monitor/dead-letters?q=poison+2"); strings.Count(r.body, `class="reason"`) != 1 {
		t.Errorf("a search: %s", r.body)
	}
	if r := b.submit("/monitor/dead-letters/retry", b.form("id", ids[0])); !strings.Contains(r.Header.Get("Location"), "refused=1") {
		t.Errorf("a retry that is refused: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	b.exec("ALTER TABLE messages DROP CONSTRAINT poison")
	if r := b.submit("/monitor/dead-letters/retry", b.form("id", ids[0])); r.Header.Get("Location") != "/monitor/dead-letters?stored=1" {
		t.Errorf("a retry: %d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	if r := b.submit("/monitor/dead-letters/retry", b.form("id", ids[0])); r.Header.Get("Location") != "/monitor/dead-letters?gone=1" {
		t.Errorf("once more: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := b.submit("/monitor/dead-letters/discard", b.form("id", ids[1])); r.StatusCode != http.StatusNotFound {
		t.Errorf("a discard that nobody confirmed: %d", r.StatusCode)
	}
	if r := b.get("/monitor/dead-letters/discard?id=" + url.QueryEscape(ids[1])); !strings.Contains(r.body, "can&#39;t be taken back") && !strings.Contains(r.body, "can't be taken back") {
		t.Errorf("the question: %s", r.body)
	}
	if r := b.submit("/monitor/dead-letters/discard", b.form("id", ids[1], "confirmed", "yes")); r.Header.Get("Location") != "/monitor/dead-letters?discarded=1" {
		t.Errorf("a discard: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	b.eventually("how many are discarded", func() bool {
		return strings.Contains(b.get("/monitor/dead-letters?state=discarded").body, "1 is discarded.")
	})
	if r := b.submit("/monitor/dead-letters/retry-all", b.form()); r.Header.Get("Location") != "/monitor/dead-letters?stored=2" {
		t.Errorf("all: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	b.eventually("what became of them is counted", func() bool {
		n := b.data()
		return n.Letters["open"] == 0 && n.Letters["stored"] == 3 && n.Letters["discarded"] == 1
	})
	var rows int
	b.must(b.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM messages WHERE body LIKE 'poison%'").Scan(&rows))
	if rows != 3 {
		t.Errorf("%d rows", rows)
	}
}

func regexpFind(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s is not in %s", pattern, text)
	}
	return m[1]
}
