package apitest

import (
	"strings"
	"testing"
)

func testOptions(t *testing.T, target Target) {
	c := newPlace(t, target)
	for path, allow := range c.allowed() {
		if a := c.Do("OPTIONS", path, "").want(204); a.Header.Get("Allow") != allow || len(a.Body) > 0 {
			t.Errorf("OPTIONS %s: Allow: %s, want %s", path, a.Header.Get("Allow"), allow)
		}
	}
	if a := c.Do("OPTIONS", "/applications", "", "Authorization", "").want(204); a.Header.Get("Allow") == "" {
		t.Error("OPTIONS needs no token")
	}
}

// HEAD is GET without a body.
func testHead(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	said := c.say(chat, "said")
	for _, path := range []string{strings.TrimSuffix(chat, "/1"), chat, chat + "/messages", said, "/docs", "/healthz", chat + "/messages/2"} {
		get, head := c.Get(path), c.Do("HEAD", path, "")
		if head.Status != get.Status {
			t.Errorf("%s: HEAD %d, GET %d", path, head.Status, get.Status)
		}
		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Link", "Cache-Control"} {
			if name != "Content-Length" || get.Status == 200 { // a problem names its request, whose id may have another length
				if g, h := get.Header.Get(name), head.Header.Get(name); g != h {
					t.Errorf("%s: %s: HEAD %q, GET %q", path, name, h, g)
				}
			}
		}
	}
	tag := c.Get(said).Header.Get("ETag")
	c.Do("HEAD", said, "", "If-None-Match", tag).want(304)
}

func testRequestIDs(t *testing.T, target Target) {
	c := newClient(t, target)
	app := c.app()
	for _, id := range []string{"a", "a b~!\"\\", strings.Repeat("x", 128)} {
		if got := c.Get(app, "X-Request-Id", id).want(200).Header.Get("X-Request-Id"); got != id {
			t.Errorf("%q became %q", id, got)
		}
		p := c.Get(app+"/chats/1", "X-Request-Id", id).problem(404, "not-found")
		if p.RequestID != id {
			t.Errorf("%q became %q", id, p.RequestID)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", strings.Repeat("x", 129), "ü", "a\tb", ""} {
		got := c.Get(app, "X-Request-Id", id).want(200).Header.Get("X-Request-Id")
		if got == id || len(got) < 20 || seen[got] {
			t.Errorf("%q became %q", id, got)
		}
		seen[got] = true
	}
	c.Get(app, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").want(200)
	c.Get(app, "traceparent", "nonsense").want(200)
}

func testFiles(t *testing.T, target Target) {
	c := newClient(t, target)
	for path, want := range map[string]struct{ contentType, contains string }{
		"/openapi.yaml":  {"application/yaml", "openapi: 3.1.0"},
		"/docs":          {"text/html; charset=utf-8", `id="validation-failed"`},
		"/docs/docs.css": {"text/css; charset=utf-8", "body"},
	} {
		a := c.Get(path).want(200)
		if a.Header.Get("Content-Type") != want.contentType || !strings.Contains(string(a.Body), want.contains) {
			t.Errorf("%s: %s without %q", path, a.Header.Get("Content-Type"), want.contains)
		}
		if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy: %s", path, policy)
		}
	}
	page := string(c.Get("/docs").Body)
	for _, forbidden := range []string{"<script", "http://", "https://", "<img", "style=", "onclick"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("/docs contains %s", forbidden)
		}
	}
}

func testHealth(t *testing.T, target Target) {
	c := newClient(t, target)
	for _, path := range []string{"/healthz", "/readyz"} {
		a := c.Get(path).want(200)
		if s := decode[struct{ Status string }](a).Status; s != "ok" {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := c.Get("/healthz").Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func testAdmin(t *testing.T, target Target) {
	c := newClient(t, target)
	if target.AdminToken == "" {
		c.Get("/applications", "Authorization", "Bearer anything").want(200)
		return
	}
	app := c.app()
	c.Get("/applications", "Authorization", "bearer  "+target.AdminToken).want(200)
	c.Get(app, "Authorization", "").want(200)
	c.Post(app+"/chats", "", "Authorization", "Bearer wrong").want(202)
}
