package apitest

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

// key is another one for each test run, since a real store keeps them.
func key(c *client) string { return strings.TrimPrefix(c.app(), "/applications/") }

func testIdempotency(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	chats := strings.TrimSuffix(chat, "/1")
	k := key(c)
	for _, post := range []struct{ path, body, same, other string }{
		{"/applications", `{"name":"a"}`, `{ "application" : {"name":"\u0061"} }`, `{"name":"b"}`},
		{chats, ``, `{}`, ""},
		{chat + "/messages", `{"body":"a"}`, `{"message":{"body":"a"},"more":1}`, `{"body":"b"}`},
	} {
		first := c.Post(post.path, post.body, "Idempotency-Key", k)
		again := c.Post(post.path, post.same, "Idempotency-Key", `"`+k+`"`)
		if first.Status >= 300 || first.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: %d, replayed %q", post.path, first.Status, first.Header.Get("Idempotency-Replayed"))
		}
		if again.Status != first.Status || string(again.Body) != string(first.Body) || again.Header.Get("Location") != first.Header.Get("Location") ||
			again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s %v, at first %d %s", post.path, again.Status, again.Body, again.Header, first.Status, first.Body)
		}
		if post.other != "" {
			c.Post(post.path, post.other, "Idempotency-Key", k).problem(422, "idempotency-key-reused")
		}
		if fresh := c.Post(post.path, post.body, "Idempotency-Key", k+" ~"); string(fresh.Body) == string(first.Body) {
			t.Errorf("%s: another key got the same answer %s", post.path, fresh.Body)
		}
	}
	// A key belongs to its path, and a refused request does not use it up.
	second := c.Post(chats, "").want(202).Header.Get("Location")
	k2 := key(c)
	c.Post(second+"/messages", `{"body":" "}`, "Idempotency-Key", k2).problem(422, "validation-failed", "#/body")
	c.Post(second+"99/messages", `{"body":"b"}`, "Idempotency-Key", k2).problem(404, "not-found")
	for _, path := range []string{chat, second} {
		a := c.Post(path+"/messages", `{"body":"b"}`, "Idempotency-Key", k2).want(202)
		if a.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: the key was used up elsewhere", path)
		}
	}
	// Escapes of a quoted string are no part of the key.
	plain := c.Post(chat+"/messages", `{"body":"c"}`, "Idempotency-Key", k+`"\`).want(202)
	escaped := c.Post(chat+"/messages", `{"body":"c"}`, "Idempotency-Key", `"`+k+`\"\\"`).want(202)
	if string(plain.Body) != string(escaped.Body) {
		t.Errorf("%s, escaped %s", plain.Body, escaped.Body)
	}
	// GET and PUT know no such key.
	c.Get(chat, "Idempotency-Key", "ü").want(200)
}

// Two at once never make two.
func testTogether(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	k := key(c)
	answers := make([]*answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			var err error
			if answers[i], err = c.try("POST", chat+"/messages", `{"body":"only once"}`, "Idempotency-Key", k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	accepted := 0
	for _, a := range answers {
		switch a.Status {
		case 409:
			a.problem(409, "idempotency-key-in-use")
		case 202:
			if accepted++; !json.Valid(a.Body) || a.Header.Get("Location") != chat+"/messages/1" {
				t.Errorf("%s at %s", a.Body, a.Header.Get("Location"))
			}
		default:
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := decode[chatAnswer](c.Get(chat).want(200)).MessagesCount; n != 1 || accepted == 0 {
		t.Errorf("%d messages of %d accepted", n, accepted)
	}
}
