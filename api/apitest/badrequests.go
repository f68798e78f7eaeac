package apitest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// with appends each of the endings to a path.
func with(path string, endings ...string) (all []string) {
	for _, e := range endings {
		all = append(all, path+e)
	}
	return all
}

var noNumbers = []string{"-1", "+1", "-0", "1.5", "1e1", "x", "", "%20", "%201", "01", "00", "9223372036854775808", "18446744073709551617", "0x1", "1_0", "1,0", "%d9%a1", "%ef%bc%91", "%ff", "%zz", "%00"}

// window gives the faults of after and before alike.
func window(p *place, name string) []bad {
	endings := append(slices.Clone(noNumbers), "1;before=2")
	return append(gets([]string{name}, append(with(p.chats+"?"+name+"=", endings...), with(p.messages+"?"+name+"=", endings...)...)...),
		gets([]string{name}, p.chats+"?"+name, p.messages+"?x=1&"+name+"&y")...)
}

var badQueries = []row{
	{"limit outside 1–200", 422, "validation-failed", func(p *place) (all []bad) {
		values := append(slices.Clone(noNumbers), "0", "201", "010", "99999999999999999999")
		for _, list := range []string{p.chats, p.messages, "/applications"} {
			all = append(all, gets([]string{"limit"}, with(list+"?limit=", values...)...)...)
			all = append(all, gets([]string{"limit"}, list+"?limit", list+"?l%69mit=0")...)
		}
		if p.target.Search {
			all = append(all, gets([]string{"limit"}, with(p.messages+"/search?q=a&limit=", values...)...)...)
		}
		return all
	}},
	{"after no non-negative integer", 422, "validation-failed", func(p *place) []bad { return window(p, "after") }},
	{"before no non-negative integer", 422, "validation-failed", func(p *place) []bad { return window(p, "before") }},
	{"after together with before", 422, "validation-failed", func(p *place) []bad {
		return append(gets([]string{"after", "before"}, p.chats+"?after=1&before=3", p.messages+"?before=3&after=0"),
			gets([]string{"before", "after", "before"}, p.chats+"?after=1&before=x")...)
	}},
	{"a parameter twice", 422, "validation-failed", func(p *place) (all []bad) {
		for _, list := range []string{p.chats, p.messages} {
			for _, name := range []string{"limit", "after", "before"} {
				all = append(all, gets([]string{name}, list+"?"+name+"=1&"+name+"=1", list+"?"+name+"=1&x=2&"+strings.NewReplacer("e", "%65", "i", "%69").Replace(name)+"=2")...)
			}
		}
		all = append(all, gets([]string{"limit"}, "/applications?limit=1&limit=1")...)
		all = append(all, gets([]string{"cursor"}, "/applications?cursor=MQ&cursor=MQ")...)
		if p.target.Search {
			all = append(all, gets([]string{"q"}, p.messages+"/search?q=a&q=a")...)
			all = append(all, gets([]string{"body"}, p.messages+"/search?body=a&body=b")...)
			all = append(all, gets([]string{"cursor"}, p.messages+"/search?q=a&cursor=a&cursor=a")...)
		}
		return all
	}},
	{"a cursor that is none", 422, "validation-failed", func(p *place) []bad {
		all := gets([]string{"cursor"}, with("/applications?cursor=", "", "x", "AAAA", "1", "%00", "%ff", strings.Repeat("A", 21), strings.Repeat("_", 22), strings.Repeat("A", 23))...)
		if p.target.Search {
			all = append(all, gets([]string{"cursor"}, with(p.messages+"/search?q=a&cursor=", "", "not!one", "x", "AAAA", "%00", "%ff", strings.Repeat("A", 22))...)...)
		}
		return all
	}},
	{"search text missing", 422, "validation-failed", func(p *place) []bad {
		if !p.target.Search {
			return nil
		}
		return append(gets([]string{"q"}, with(p.messages+"/search", "", "?", "?x=a", "?Q=a")...), gets([]string{"q", "limit", "cursor"}, p.messages+"/search?limit=0&cursor=")...)
	}},
	{"search text blank", 422, "validation-failed", func(p *place) (all []bad) {
		for _, name := range []string{"q", "body"} {
			if p.target.Search {
				all = append(all, gets([]string{name}, with(p.messages+"/search?"+name, "", "=", "=%20", "=+", "=%c2%a0%09", "=%e2%80%83%e3%80%80", "=%ff", "=%zz")...)...)
			}
		}
		return all
	}},
	{"search text over 256 characters", 422, "validation-failed", func(p *place) (all []bad) {
		for _, name := range []string{"q", "body"} {
			if p.target.Search {
				all = append(all, gets([]string{name}, with(p.messages+"/search?"+name+"=", strings.Repeat("a", 257), url.QueryEscape(strings.Repeat("😀", 257)))...)...)
			}
		}
		return all
	}},
	{"search text of 256 characters, of any kind", 0, "", func(p *place) []bad {
		if !p.target.Search {
			return nil
		}
		long := url.QueryEscape(strings.Repeat("😀", 256))
		return gets(nil, with(p.messages+"/search?", "q="+long, "body="+long, "q=a&body=", "q=%00", "q=%e2%80%8b", "q=*", "q=%22%5c%28")...)
	}},
}

var badKeys = []row{
	{"Idempotency-Key that is not 1–255 printable ASCII characters", 422, "validation-failed", func(p *place) (all []bad) {
		for path, body := range map[string]string{"/applications": `{"name":"a"}`, p.chats: "", p.messages: `{"body":"a"}`} {
			for _, k := range []string{`""`, strings.Repeat("k", 256), `"` + strings.Repeat("k", 256) + `"`, "ü", "a\tb", "a\u00a0b", `"a` + "\t" + `"`, "😀"} {
				all = append(all, bad{method: "POST", path: path, body: body, header: []string{"Idempotency-Key", k}, at: []string{"Idempotency-Key"}})
			}
			all = append(all, bad{method: "POST", path: path, body: body, header: []string{"Idempotency-Key", "a", "Idempotency-Key", "a"}, at: []string{"Idempotency-Key"}})
		}
		return all
	}},
}

var badPaths = []row{
	{"an unknown token", 404, "not-found", func(p *place) (all []bad) {
		token := strings.TrimPrefix(p.app, "/applications/")
		for _, token := range []string{
			"x", "VZKQ3M5J7RWXG2TNLS4HBD6CYA", "%00", "%ff", "%2e%2e", strings.Repeat("A", 64), strings.Repeat("A", 65), "a%2Fb", "'%20OR%201=1", "ü", "~", "-", "*", "a;b", "a:b", "@", "$",
			token + "x", token[1:], strings.ToLower(token), token + "%20", "%20" + token, token + "%00", token + "%0a",
		} {
			app := "/applications/" + token
			all = append(all, gets(nil, with(app, "", "/chats", "/chats/1", "/chats/1/messages", "/chats/1/messages/1")...)...)
			if p.target.Search {
				all = append(all, gets(nil, app+"/chats/1/messages/search?q=a")...)
			}
			all = append(all, bad{method: "PUT", path: app, body: `{"name":"a"}`}, bad{method: "PATCH", path: app, body: `{"name":"a"}`},
				bad{method: "POST", path: app + "/chats"}, bad{method: "POST", path: app + "/chats/1/messages", body: `{"body":"a"}`},
				bad{method: "PUT", path: app + "/chats/1/messages/1", body: `{"body":"a"}`})
		}
		return all
	}},
	{"an unknown number", 404, "not-found", func(p *place) []bad { return p.numbers("99", "4294967297", "9223372036854775807") }},
	{"a number that is no positive integer within 63 bits", 404, "not-found", func(p *place) []bad {
		return p.numbers("0", "-1", "+1", "%2B1", "01", "1.0", "1e0", "0x1", "1_0", "x", "%20", "1%20", "%201", "%D9%A1", "%EF%BC%91", "%C2%B9", "9223372036854775808", "18446744073709551616",
			"18446744073709551617", "340282366920938463463374607431768211457", "%00", "1%00", "..", ".", "1;x", "1%2F")
	}},
	{"an unknown path", 404, "not-found", func(p *place) []bad {
		all := gets(nil, "/", "/x", "/Applications", "/applications/x/y", p.app+"/Chats", p.said+"/x", "/docs/x", "/metrics", "/debug/pprof/", "//applications", "/applications//", p.app+"//chats",
			p.said+"//", "/x/.."+p.chat, "/."+p.chat, "/%2e"+p.chat, p.chat+"/.", p.chat+"/%2e%2e", p.said+"%00", p.said+"%2F", p.said+"%20", strings.Replace(p.said, "/chats/", "%2Fchats/", 1), "/%2F"+p.said[1:],
			"/openapi.json", "/monitors", "/sidekiq/x", "/favicon.ico", "/healthz/x")
		return append(all, bad{method: "DELETE", path: "/nowhere"}, bad{method: "OPTIONS", path: "/nowhere"}, bad{method: "POST", path: "/nowhere", body: "x"})
	}},
	{"a path that means the same", 0, "", func(p *place) []bad {
		var b strings.Builder
		for _, c := range []byte(p.said) {
			if c == '/' {
				b.WriteByte('/')
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		encoded := b.String()
		return gets(nil, p.said+"/", p.said+"?", p.said+"/?x", encoded, strings.ToLower(encoded), "/applications/")
	}},
}

// numbers puts numbers in the place of a chat's and of a message's.
func (p *place) numbers(numbers ...string) (all []bad) {
	for _, n := range numbers {
		for _, chat := range with(p.chats+"/", n) {
			all = append(all, gets(nil, chat, chat+"/messages", chat+"/messages/1")...)
			all = append(all, bad{method: "POST", path: chat + "/messages", body: `{"body":"a"}`}, bad{method: "PUT", path: chat + "/messages/1", body: `{"body":"a"}`})
			if p.target.Search {
				all = append(all, gets(nil, chat+"/messages/search?q=a")...)
			}
		}
		all = append(all, gets(nil, p.messages+"/"+n)...)
		all = append(all, bad{method: "PUT", path: p.messages + "/" + n, body: `{"body":"a"}`}, bad{method: "PATCH", path: p.messages + "/" + n, body: `{"body":"a"}`})
	}
	return all
}

// allowed are the methods of every path.
func (p *place) allowed() map[string]string {
	return map[string]string{
		"/applications": "GET, HEAD, POST, OPTIONS", p.app: "GET, HEAD, PUT, OPTIONS, PATCH", p.chats: "GET, HEAD, POST, OPTIONS", p.chat: "GET, HEAD, OPTIONS",
		p.messages: "GET, HEAD, POST, OPTIONS", p.said: "GET, HEAD, PUT, OPTIONS, PATCH", p.messages + "/search": "GET, HEAD, OPTIONS",
		"/healthz": "GET, HEAD, OPTIONS", "/readyz": "GET, HEAD, OPTIONS", "/docs": "GET, HEAD, OPTIONS", "/docs/docs.css": "GET, HEAD, OPTIONS", "/openapi.yaml": "GET, HEAD, OPTIONS",
		"/applications/unknown/chats": "GET, HEAD, POST, OPTIONS",
	}
}

var badMethods = []row{
	{"a known path with another method", 405, "method-not-allowed", func(p *place) (all []bad) {
		for path, allow := range p.allowed() {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE"} {
				if !strings.Contains(allow, method) {
					all = append(all, bad{method: method, path: path, allow: allow})
				}
			}
		}
		return all
	}},
	{"a method nobody knows", 501, "unknown-method", func(p *place) (all []bad) {
		for path := range p.allowed() {
			for _, method := range []string{"FOO", "get", "QUERY", "PROPFIND", "GETX", "G"} {
				all = append(all, bad{method: method, path: path})
			}
		}
		return append(all, bad{method: "FOO", path: "/nowhere"})
	}},
}

var badTokens = []row{
	{"no or a wrong token where one is needed", 401, "unauthorized", func(p *place) (all []bad) {
		token := p.target.AdminToken
		if token == "" {
			return nil
		}
		for _, value := range []string{"", "Bearer", "Bearer x", "Bearer " + token + "x", "Bearer " + token[1:], "Basic " + token, token, "Bearer " + strings.ToUpper(token), "Bearer, " + token} {
			for method, body := range map[string]string{"GET": "", "POST": `{"name":"a"}`} {
				all = append(all, bad{method: method, path: "/applications", body: body, header: []string{"Authorization", value}})
			}
		}
		return append(all, bad{method: "POST", path: "/applications", body: "not even JSON", header: []string{"Authorization", ""}},
			bad{method: "GET", path: "/applications", header: []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}})
	}},
}
