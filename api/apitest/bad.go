package apitest

import (
	"slices"
	"strings"
	"testing"
)

// row is a row of the contract's table of bad input, or one of the alternatives in it, by the contract's words.
type row struct {
	what   string
	status int    // of the answer; 0: the contract says that this is good
	slug   string // of the problem
	cases  func(*place) []bad
}

// bad is one request of a row.
type bad struct {
	method, path, body string
	header             []string
	at                 []string // the pointers and parameters of the faults, in order
	allow              string   // of a 405
	wire               string   // instead of all of these: what goes over the wire, after whose answer the connection is closed
}

// place is where the requests go; it exists.
type place struct {
	*client
	app, chats, chat, messages, said string
}

func newPlace(t *testing.T, target Target) *place {
	t.Helper()
	c := newClient(t, target)
	chat := c.chat()
	said := c.say(chat, "said")
	app := strings.TrimSuffix(chat, "/chats/1")
	return &place{c, app, app + "/chats", chat, chat + "/messages", said}
}

// Every row of the contract's table of bad input, with the answer's exact status, kind and places. (What is wrong with the
// connection's time is in testSlow.)
func testBadInput(t *testing.T, target Target) {
	p := newPlace(t, target)
	for _, r := range slices.Concat(badJSON, badFields, badBodies, badQueries, badKeys, badPaths, badMethods, badTokens, badHTTP) {
		t.Run(r.what, func(t *testing.T) {
			p := *p
			c := *p.client
			c.t, p.client = t, &c
			for _, b := range r.cases(&p) {
				p.refused(r, b)
			}
		})
	}
	if n := decode[chatAnswer](p.Get(p.chat).want(200)).MessagesCount; n != 1+good {
		t.Errorf("%d messages: a refused write takes no number", n)
	}
	if l := decode[[]chatAnswer](p.Get(p.chats).want(200)); len(l) != 1 {
		t.Errorf("%d chats: a refused write takes no number", len(l))
	}
}

func (p *place) refused(r row, b bad) {
	p.t.Helper()
	if b.wire != "" {
		refused(p.t, p.target, b.wire, r.status, r.slug)
		return
	}
	a := p.Do(b.method, b.path, b.body, b.header...)
	a.what += " " + b.body[:min(80, len(b.body))]
	if r.status == 0 {
		want := 200
		if b.method == "POST" {
			if want = 202; b.path == "/applications" {
				want = 201
			}
		}
		a.want(want)
		return
	}
	a.problem(r.status, r.slug, b.at...)
	if allow := a.Header.Get("Allow"); allow != b.allow {
		p.t.Errorf("%s: Allow: %q, want %q", a.what, allow, b.allow)
	}
	if want := map[bool]string{true: "Bearer"}[r.status == 401]; a.Header.Get("WWW-Authenticate") != want {
		p.t.Errorf("%s: WWW-Authenticate: %q", a.what, a.Header.Get("WWW-Authenticate"))
	}
}

// everywhere sends bodies to every call that needs one, with NESTED and MEMBER as they are there; so is at.
func (p *place) everywhere(at string, bodies ...string) (all []bad) {
	for _, to := range []struct{ method, path, nested, member string }{
		{"POST", "/applications", "application", "name"},
		{"PUT", p.app, "application", "name"},
		{"PATCH", p.app, "application", "name"},
		{"POST", p.messages, "message", "body"},
		{"PUT", p.said, "message", "body"},
		{"PATCH", p.said, "message", "body"},
	} {
		fill := strings.NewReplacer("NESTED", to.nested, "MEMBER", to.member).Replace
		for _, body := range bodies {
			b := bad{method: to.method, path: to.path, body: fill(body)}
			if at != "" {
				b.at = []string{fill(at)}
			}
			all = append(all, b)
		}
	}
	return all
}

// gets asks for paths, at each of which the fault is at the same parameters.
func gets(at []string, paths ...string) (all []bad) {
	for _, path := range paths {
		all = append(all, bad{method: "GET", path: path, at: at})
	}
	return all
}
