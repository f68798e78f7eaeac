package apitest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Chat makes a chat with a message and gives the path of it.
func Chat(t *testing.T, target Target) string {
	t.Helper()
	c := newClient(t, target)
	chat := c.chat()
	c.say(chat, "said")
	return chat
}

// inside is what only somebody inside the service should read: addresses, drivers, statements, errors of Go.
var inside = regexp.MustCompile(`(?i)127\.0\.0\.1|localhost|\btcp\b|\bdial|refused|\bEOF\b|sEcReT|sql|redis:|elastic|timeout|deadline|context|goroutine|\.go:|lua|[a-z]+: [a-z]+:`)

// WhileAway asks for everything while an engine is away: each call answers as if it were there, or 503 with Retry-After and
// the truth on what was done, and nothing of the fault.
func WhileAway(t *testing.T, target Target, chat string) {
	t.Helper()
	c := newClient(t, target)
	app := strings.TrimSuffix(chat, "/chats/1")
	failed := 0
	for _, call := range []struct{ method, path, body string }{
		{"GET", "/applications", ""}, {"POST", "/applications", `{"name":"a"}`}, {"GET", app, ""}, {"PUT", app, `{"name":"a"}`},
		{"GET", app + "/chats", ""}, {"POST", app + "/chats", ""}, {"GET", chat, ""}, {"GET", chat + "/messages", ""}, {"POST", chat + "/messages", `{"body":"a"}`},
		{"GET", chat + "/messages/1", ""}, {"PUT", chat + "/messages/1", `{"body":"a"}`}, {"GET", chat + "/messages/search?q=a", ""}, {"GET", "/readyz", ""},
	} {
		for _, key := range []string{"", fmt.Sprint("away ", call.path)} {
			a := c.Do(call.method, call.path, call.body, "Idempotency-Key", key)
			if a.Status < 300 || (a.Status == 501 && strings.Contains(call.path, "/search")) {
				continue
			}
			failed++
			p := decode[problem](a.want(503))
			if a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", a.what)
			}
			if call.method != "GET" && !strings.Contains(p.Detail, "nothing was done") && !strings.Contains(p.Detail, "is not known") {
				t.Errorf("%s does not say what was done: %s", a.what, p.Detail)
			}
			if call.path != "/readyz" { // which names engines, by their names alone
				if found := inside.FindString(string(a.Body)); found != "" {
					t.Errorf("%s tells %q: %s", a.what, found, a.Body)
				}
			}
		}
	}
	if failed == 0 {
		t.Error("nothing is away")
	}
}
