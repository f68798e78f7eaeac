package apitest

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Every row of the contract's table of bad input, with the exact status and place.

func testBadBodies(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	app := strings.TrimSuffix(chat, "/chats/1")
	said := c.say(chat, "said")
	places := []struct{ method, path, nested, member string }{
		{"POST", "/applications", "application", "name"},
		{"PUT", app, "application", "name"},
		{"PATCH", app, "application", "name"},
		{"POST", chat + "/messages", "message", "body"},
		{"PUT", said, "message", "body"},
		{"PATCH", said, "message", "body"},
	}
	for _, p := range places {
		fill := func(s string) string {
			return strings.NewReplacer("NESTED", p.nested, "MEMBER", p.member).Replace(s)
		}
		for _, body := range []string{
			`{`, `{"MEMBER":"a"`, `{"MEMBER":"a",}`, `{'MEMBER':'a'}`, `{"MEMBER":a}`, `{MEMBER:"a"}`, `{"MEMBER":"a"} x`, `{"MEMBER":"a"}{}`,
			`{"MEMBER":"a"},`, `["MEMBER"]`, `"MEMBER"`, `5`, `null`, `true`, ` `, "\ufeff{}", `{"MEMBER":"a","x":01}`, `{"MEMBER":"a","x":NaN}`,
			"{\"MEMBER\":\"\xff\"}", "{\"MEMBER\":\"a\",\"\xc0\xaf\":1}", "{\"MEMBER\":\"a\x01\"}", `{"MEMBER":"\ud800"}`, `{"MEMBER":"\udc00\ud800"}`,
			`{"MEMBER":"a","MEMBER":"a"}`, `{"MEMBER":"a","m\u0061":1,"ma":2}`, `{"NESTED":{"MEMBER":"a","MEMBER":"b"}}`, `{"NESTED":{},"NESTED":{"MEMBER":"a"}}`,
			`{"MEMBER":"a","x":{"y":1,"y":1}}`, strings.Repeat(`{"x":`, 20_000) + "1" + strings.Repeat("}", 20_000), `{"MEMBER":"\x41"}`, `/**/{"MEMBER":"a"}`,
		} {
			c.Do(p.method, p.path, fill(body)).problem(400, "invalid-json")
		}
		c.Do(p.method, p.path, "", "Content-Type", "application/json").problem(400, "invalid-json")
		c.Do(p.method, p.path, "").problem(400, "invalid-json")

		flat, inside := "#/"+p.member, "#/"+p.nested+"/"+p.member
		long := strings.Repeat("a", 256)
		if p.member == "body" {
			long = strings.Repeat("€", 21_846)
		}
		blanks := []string{``, ` `, `\t\r\n\u000b\f`, `\u0085\u00a0\u1680\u2000\u2028\u2029\u202f\u205f\u3000`}
		for place, bodies := range map[string][]string{
			flat:            {`{}`, `{"x":1}`, `{"MEMBER":null}`, `{"MEMBER":5}`, `{"MEMBER":true}`, `{"MEMBER":["a"]}`, `{"MEMBER":{"a":"b"}}`, `{"NESTED":null}`, `{"Member":"a"}`, `{"MEMBER":"` + long + `"}`},
			inside:          {`{"NESTED":{}}`, `{"NESTED":{"MEMBER":null}}`, `{"NESTED":{"MEMBER":5},"MEMBER":"a"}`, `{"MEMBER":"a","NESTED":{"x":"a"}}`, `{"NESTED":{"MEMBER":"` + long + `"}}`},
			"#/" + p.nested: {`{"NESTED":5}`, `{"NESTED":"a","MEMBER":"a"}`, `{"NESTED":["a"]}`, `{"NESTED":false}`},
		} {
			for _, body := range bodies {
				c.Do(p.method, p.path, fill(body)).problem(422, "validation-failed", place)
			}
			for _, blank := range blanks {
				if place == flat {
					c.Do(p.method, p.path, fill(`{"MEMBER":"`+blank+`"}`)).problem(422, "validation-failed", place)
				}
			}
		}
		for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/merge-patch+json", "multipart/form-data; boundary=x"} {
			c.Do(p.method, p.path, fill(`{"MEMBER":"a"}`), "Content-Type", contentType).problem(415, "unsupported-media-type")
		}
		c.Do(p.method, p.path, fill(`{"MEMBER":"a"}`), "Content-Encoding", "gzip").problem(415, "unsupported-media-type")
		if got := c.Do(p.method, p.path, fill(`{"MEMBER":"a"}`), "Content-Type", "Application/JSON ; charset=utf-8").Status; got >= 300 {
			t.Errorf("%s %s: %d to a media type with parameters", p.method, p.path, got)
		}
		c.Do(p.method, p.path, fill(`{"MEMBER":"a","x":"`)+strings.Repeat("x", 512<<10)+`"}`).problem(413, "body-too-large")
	}
	c.Post(app+"/chats", `[]`).problem(400, "invalid-json")
	c.Post(app+"/chats", `{"x":1,"x":1}`).problem(400, "invalid-json")
	c.Post(app+"/chats", `{}`, "Content-Type", "text/plain").problem(415, "unsupported-media-type")
	if n := decode[chatAnswer](c.Get(chat).want(200)).MessagesCount; n != 2 {
		t.Errorf("%d messages: a refused write takes no number", n)
	}
}

func testBadQueries(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	chats := strings.TrimSuffix(chat, "/1")
	for _, list := range []string{chats, chat + "/messages", "/applications"} {
		for _, limit := range []string{"0", "201", "-1", "+1", "1.0", "1e1", "abc", "", "%20", "010", "99999999999999999999", "%zz", "%ff", "1&limit=1", "1&l%69mit=2"} {
			c.Get(list+"?limit="+limit).problem(422, "validation-failed", "limit")
		}
	}
	for _, list := range []string{chats, chat + "/messages"} {
		for _, name := range []string{"after", "before"} {
			for _, n := range []string{"-1", "+1", "1.5", "x", "", "01", "9223372036854775808", "0x1", "1_0", "%d9%a1", "1&" + name + "=1"} {
				c.Get(list+"?"+name+"="+n).problem(422, "validation-failed", name)
			}
		}
		c.Get(list+"?after=1&before=3").problem(422, "validation-failed", "after", "before")
		c.Get(list+"?limit=0&after=x&before=y").problem(422, "validation-failed", "limit", "after", "before", "after", "before")
	}
	for _, cursor := range []string{"", "x", "AAAA", "1", "%00", strings.Repeat("A", 21), strings.Repeat("_", 22), "MQ&cursor=MQ"} {
		c.Get("/applications?cursor="+cursor).problem(422, "validation-failed", "cursor")
	}
	if !target.Search {
		return
	}
	search := chat + "/messages/search"
	c.Get(search).problem(422, "validation-failed", "q")
	c.Get(search+"?limit=0&cursor=").problem(422, "validation-failed", "q", "limit", "cursor")
	c.Get(search+"?q=a&cursor=not!one").problem(422, "validation-failed", "cursor")
	for _, name := range []string{"q", "body"} {
		for _, text := range []string{"", "%20", "+", "%c2%a0%09", strings.Repeat("a", 257), "%ff", "%zz", "a&" + name + "=a"} {
			c.Get(search+"?"+name+"="+text).problem(422, "validation-failed", name)
		}
		c.Get(search + "?" + name + "=" + url.QueryEscape(strings.Repeat("😀", 256))).want(200)
	}
	c.Get(search + "?q=a&body=").want(200)
}

func testBadKeys(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	chats := strings.TrimSuffix(chat, "/1")
	for path, body := range map[string]string{"/applications": `{"name":"a"}`, chats: "", chat + "/messages": `{"body":"a"}`} {
		for _, k := range []string{`""`, strings.Repeat("k", 256), `"` + strings.Repeat("k", 256) + `"`, "ü", "a\tb", "a\u00a0b"} {
			c.Post(path, body, "Idempotency-Key", k).problem(422, "validation-failed", "Idempotency-Key")
		}
		c.Post(path, body, "Idempotency-Key", "a", "Idempotency-Key", "b").problem(422, "validation-failed", "Idempotency-Key")
		for _, k := range []string{"k", `"`, `"k`, `"\k"`, "a, b", `"` + strings.Repeat(`\"`, 255) + `"`} {
			if a := c.Post(path, body, "Idempotency-Key", k); a.Status >= 300 && a.Status != 422 {
				t.Errorf("%s: key %s: %d %s", path, k, a.Status, a.Body)
			}
		}
	}
	// Every fault is listed.
	c.Post(chat+"/messages", `{}`, "Idempotency-Key", "ü").problem(422, "validation-failed", "#/body", "Idempotency-Key")
	c.Post("/applications", `{"application":{"name":" "}}`, "Idempotency-Key", `""`).problem(422, "validation-failed", "#/application/name", "Idempotency-Key")
}

func testBadPaths(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	app := strings.TrimSuffix(chat, "/chats/1")
	said := c.say(chat, "said")
	for _, token := range []string{"x", "VZKQ3M5J7RWXG2TNLS4HBD6CYA", "%00", "%ff", "%2e%2e", strings.Repeat("A", 65), "a%2Fb", "'%20OR%201=1", "ü", strings.TrimPrefix(app, "/applications/") + "x"} {
		for _, rest := range []string{"", "/chats", "/chats/1", "/chats/1/messages", "/chats/1/messages/1", "/chats/1/messages/search?q=a"} {
			if rest == "/chats/1/messages/search?q=a" && !target.Search {
				continue
			}
			c.Get("/applications/"+token+rest).problem(404, "not-found")
		}
		c.Do("PUT", "/applications/"+token, `{"name":"a"}`).problem(404, "not-found")
		c.Post("/applications/"+token+"/chats", "").problem(404, "not-found")
		c.Post("/applications/"+token+"/chats/1/messages", `{"body":"a"}`).problem(404, "not-found")
	}
	for _, n := range []string{"0", "-1", "+1", "01", "1.0", "1e0", "x", "%20", "%D9%A1", "9223372036854775808", "18446744073709551617", "9223372036854775807", "2", "%00", "..", "."} {
		c.Get(app+"/chats/"+n).problem(404, "not-found")
		c.Get(app+"/chats/"+n+"/messages").problem(404, "not-found")
		c.Post(app+"/chats/"+n+"/messages", `{"body":"a"}`).problem(404, "not-found")
		c.Get(chat+"/messages/"+n).problem(404, "not-found")
		c.Do("PUT", chat+"/messages/"+n, `{"body":"a"}`).problem(404, "not-found")
	}
	for _, path := range []string{"/", "/x", "/Applications", "/applications/x/y", app + "/Chats", chat + "/messages/1/x", "/docs/x", "/metrics", "/debug/pprof/", "//applications", app + "//chats", "/x/.." + chat} {
		c.Get(path).problem(404, "not-found")
	}
	// What means the same is the same.
	encoded := regexp.MustCompile(`[^/]`).ReplaceAllStringFunc(said, func(s string) string { return fmt.Sprintf("%%%02x", s) })
	c.Get(encoded).want(200)
	c.Get(said + "/").want(200)
	c.Get(said + "?").want(200)
	c.Get(strings.Replace(said, "/chats/", "%2Fchats/", 1)).problem(404, "not-found")
}
