package apitest

import (
	"strings"
	"testing"
	"time"
)

func testApplications(t *testing.T, target Target) {
	c := newClient(t, target)
	before := time.Now().Add(-time.Minute)
	for _, body := range []string{
		`{"name":"Überfall \u0000 \ud83d\ude00"}`, `{"application":{"name":"Überfall \u0000 😀"}}`,
		`{"name":5,"application":{"name":"Überfall \u0000 😀","more":[1,{}]},"more":null}`,
		`{"n\u0061me":"Überfall \u0000 😀","application":null}`,
	} {
		created := c.Post("/applications", body).want(201)
		token := decode[application](created).Token
		if len(token) < 22 {
			t.Errorf("the token %q is short of 128 bits", token)
		}
		if l := created.Header.Get("Location"); l != "/applications/"+token {
			t.Errorf("Location: %q", l)
		}
		app := decode[application](c.Get("/applications/" + token).want(200))
		if app.Name != "Überfall \x00 😀" || app.Token != token || app.ChatsCount != 0 || app.CreatedAt.Before(before) || !app.UpdatedAt.Equal(app.CreatedAt) {
			t.Errorf("%+v", app)
		}
	}
	for _, name := range []string{strings.Repeat("é", 255), "\u200b", " x "} {
		token := decode[application](c.Post("/applications", quoted("name", name)).want(201)).Token
		if app := decode[application](c.Get("/applications/" + token).want(200)); app.Name != name {
			t.Errorf("%q became %q", name, app.Name)
		}
	}
}

func testRenames(t *testing.T, target Target) {
	c := newClient(t, target)
	path := c.app()
	old := decode[application](c.Get(path).want(200))
	for method, body := range map[string]string{"PUT": `{"name":"one"}`, "PATCH": `{"application":{"name":"two"}}`} {
		renamed := decode[application](c.Do(method, path, body).want(200))
		read := decode[application](c.Get(path).want(200))
		if renamed != read || !strings.Contains(body, read.Name) || !read.CreatedAt.Equal(old.CreatedAt) || !read.UpdatedAt.After(old.CreatedAt) {
			t.Errorf("%s: %+v, then %+v", method, renamed, read)
		}
	}
}

func testChats(t *testing.T, target Target) {
	c := newClient(t, target)
	app := c.app()
	for n, body := range []string{"", "{}", `{"chat":{"x":1},"":""}`} {
		a := c.Post(app+"/chats", body).want(202)
		if got := decode[struct {
			N int64 `json:"chat_number"`
		}](a).N; got != int64(n+1) {
			t.Errorf("chat %d, want %d", got, n+1)
		}
		got := decode[chatAnswer](c.Get(a.Header.Get("Location")).want(200))
		if got.Number != int64(n+1) || got.MessagesCount != 0 || !got.CreatedAt.Equal(got.UpdatedAt) {
			t.Errorf("%+v", got)
		}
		if n := decode[application](c.Get(app).want(200)).ChatsCount; n != got.Number {
			t.Errorf("%d chats counted, want %d", n, got.Number)
		}
	}
	c.Get(app+"/chats/4").problem(404, "not-found")
	c.Post(app+"/chats/4/messages", `{"body":"nobody is there"}`).problem(404, "not-found")
}

func testMessages(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	for n := range 3 {
		a := c.Post(chat+"/messages", `{"body":"hello"}`).want(202)
		if got := decode[struct {
			N int64 `json:"message_number"`
		}](a).N; got != int64(n+1) {
			t.Errorf("message %d, want %d", got, n+1)
		}
		m := decode[message](c.Get(a.Header.Get("Location")).want(200))
		if m.Number != int64(n+1) || m.Body != "hello" || !m.CreatedAt.Equal(m.UpdatedAt) || time.Since(m.CreatedAt).Abs() > time.Minute {
			t.Errorf("%+v", m)
		}
		if got := decode[chatAnswer](c.Get(chat).want(200)).MessagesCount; got != int64(n+1) {
			t.Errorf("%d messages counted, want %d", got, n+1)
		}
	}
	c.Get(chat+"/messages/4").problem(404, "not-found")
	c.Do("PUT", chat+"/messages/4", `{"body":"nobody said this"}`).problem(404, "not-found")
	if l := decode[[]message](c.Get(chat + "/messages").want(200)); len(l) != 3 {
		t.Errorf("%d messages", len(l))
	}
}

// Bodies are kept as they were sent.
func testBodies(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	for _, body := range []string{
		"\x00", "\ufeffa", "\u200b", " a ", "😀", "</script>&\u2028\u2029\"\\/\b\f\n\r\t\x7f", "é and e\u0301", "\ufffd", "\U0010ffff",
		strings.Repeat("a", 65_535), strings.Repeat("€", 21_845), "a" + strings.Repeat("\x01", 65_534),
	} {
		path := c.say(chat, body)
		if got := decode[message](c.Get(path).want(200)).Body; got != body {
			t.Errorf("%.40q became %.40q", body, got)
		}
	}
	nested := c.Post(chat+"/messages", `{"body":7,"message":{"body":"inside"},"x":"y"}`).want(202).Header.Get("Location")
	if got := decode[message](c.Get(nested)).Body; got != "inside" {
		t.Errorf("the nested body should count: %q", got)
	}
}

func testEdits(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	path := c.say(chat, "first")
	old := decode[message](c.Get(path).want(200))
	for i, method := range []string{"PUT", "PATCH"} {
		body := []string{`{"body":"second"}`, `{"message":{"body":"third"}}`}[i]
		edited := decode[message](c.Do(method, path, body).want(200))
		read := decode[message](c.Get(path).want(200))
		if edited != read || !strings.Contains(body, read.Body) || !read.CreatedAt.Equal(old.CreatedAt) || !read.UpdatedAt.After(old.UpdatedAt) {
			t.Errorf("%s: %+v, then %+v after %+v", method, edited, read, old)
		}
		if l := decode[[]message](c.Get(chat + "/messages").want(200)); len(l) != 1 || l[0] != read {
			t.Errorf("the list shows %+v", l)
		}
		old = read
	}
}

func testEntityTags(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	path := c.say(chat, "first")
	tag := c.Get(path).want(200).Header.Get("ETag")
	for _, value := range []string{tag, "W/" + tag, "*", `"other" , ` + tag, `W/"a,b",W/` + tag, `"",` + tag} {
		a := c.Get(path, "If-None-Match", value).want(304)
		if len(a.Body) > 0 || a.Header.Get("ETag") != tag {
			t.Errorf("%s: %q, ETag %s", value, a.Body, a.Header.Get("ETag"))
		}
	}
	c.Get(path, "If-None-Match", `"other"`, "If-None-Match", tag).want(304)
	for _, value := range []string{`"other"`, strings.Trim(tag, `"`), tag[:len(tag)-1], "W/", `"*"`, "*, *"} {
		c.Get(path, "If-None-Match", value).want(200)
	}
	edited := c.Do("PUT", path, `{"body":"second"}`).want(200).Header.Get("ETag")
	if edited == tag || c.Get(path, "If-None-Match", tag).want(200).Header.Get("ETag") != edited {
		t.Errorf("the tag %s became %s", tag, edited)
	}
}
