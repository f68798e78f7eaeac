package apitest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// links reads the Link header fields by rel.
func links(h http.Header) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`<([^>]*)>; rel="([a-z]+)"`).FindAllStringSubmatch(strings.Join(h.Values("Link"), ", "), -1) {
		found[m[2]] = m[1]
	}
	return found
}

func numbers(l []message) string {
	var b strings.Builder
	for _, m := range l {
		fmt.Fprint(&b, m.Number, " ")
	}
	return strings.TrimSpace(b.String())
}

// Lists go by windows of numbers; chats and messages alike.
func testWindows(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	chats := strings.TrimSuffix(chat, "/1")
	for range 6 {
		c.Post(chats, "").want(202)
	}
	for n := range 7 {
		c.say(chat, fmt.Sprint("message ", n+1))
	}
	for _, list := range []string{chats, chat + "/messages"} {
		for _, w := range []struct{ query, want, next, prev string }{
			{"", "1 2 3 4 5 6 7", "", ""},
			{"?limit=3", "1 2 3", "?after=3&limit=3", ""},
			{"?after=3&limit=3", "4 5 6", "?after=6&limit=3", "?before=4&limit=3"},
			{"?after=6&limit=3", "7", "", "?before=7&limit=3"},
			{"?after=4&limit=3", "5 6 7", "", "?before=5&limit=3"},
			{"?before=4&limit=2", "2 3", "?after=3&limit=2", "?before=2&limit=2"},
			{"?before=3&limit=5", "1 2", "?after=2&limit=5", ""},
			{"?before=1", "", "?after=0&limit=50", ""},
			{"?before=0", "", "?after=0&limit=50", ""},
			{"?after=7", "", "", ""},
			{"?after=9223372036854775807&limit=200", "", "", ""},
			{"?unknown=1&unknown=2&q=%ff&limit=7", "1 2 3 4 5 6 7", "", ""},
			{"?li%6dit=1", "1", "?after=1&limit=1", ""},
		} {
			a := c.Get(list + w.query).want(200)
			l := decode[[]message](a)
			got := links(a.Header)
			next, prev := strings.TrimPrefix(got["next"], list), strings.TrimPrefix(got["prev"], list)
			if numbers(l) != w.want || next != w.next || prev != w.prev || string(a.Body)[0] != '[' {
				t.Errorf("%s%s: %s with %v, want %s with %s and %s", list, w.query, numbers(l), got, w.want, w.next, w.prev)
			}
		}
	}
}

func testCursors(t *testing.T, target Target) {
	c := newClient(t, target)
	made := map[string]bool{}
	for range 5 {
		made[strings.TrimPrefix(c.app(), "/applications/")] = true
	}
	seen := map[string]bool{}
	last := application{}
	for path := "/applications?limit=200"; path != ""; {
		a := c.Get(path).want(200)
		for _, app := range decode[[]application](a) {
			if seen[app.Token] {
				t.Errorf("%s comes twice", app.Token)
			}
			if app.CreatedAt.Before(last.CreatedAt) {
				t.Errorf("%+v comes after %+v", app, last)
			}
			seen[app.Token], last = true, app
			delete(made, app.Token)
		}
		path = links(a.Header)["next"]
	}
	if len(made) > 0 {
		t.Errorf("not listed: %v", made)
	}
	first := c.Get("/applications?limit=2").want(200)
	second := c.Get(links(first.Header)["next"]).want(200)
	if a, b := decode[[]application](first), decode[[]application](second); len(a) != 2 || len(b) != 2 || a[1].Token == b[0].Token {
		t.Errorf("%v, then %v", a, b)
	}
}
