package apitest

import (
	"strconv"
	"strings"
	"unicode"
)

// good is how many messages the rows post that say that something is good.
const good = 1 + 2 + 2 + 1

var badJSON = []row{
	{"malformed JSON", 400, "invalid-json", func(p *place) []bad {
		return p.everywhere("", `{`, `{"MEMBER":"a"`, `{"MEMBER":"a",}`, `{'MEMBER':'a'}`, `{"MEMBER":a}`, `{MEMBER:"a"}`, "\ufeff{}", `{"MEMBER":"a","x":01}`,
			`{"MEMBER":"a","x":NaN}`, "{\"MEMBER\":\"a\x01\"}", `{"MEMBER":"\x41"}`, `/**/{"MEMBER":"a"}`, `{"MEMBER":"\u00"}`,
			strings.Repeat(`{"x":`, 20_000)+"1"+strings.Repeat("}", 20_000))
	}},
	{"text after it", 400, "invalid-json", func(p *place) []bad {
		all := p.everywhere("", `{"MEMBER":"a"} x`, `{"MEMBER":"a"}{}`, `{"MEMBER":"a"},`, `{"MEMBER":"a"}}`, "{\"MEMBER\":\"a\"}\x00", "{\"MEMBER\":\"a\"}\u00a0")
		return append(all, bad{method: "POST", path: p.chats, body: `{}x`})
	}},
	{"not an object", 400, "invalid-json", func(p *place) []bad {
		return append(p.everywhere("", `["MEMBER"]`, `"MEMBER"`, `5`, `null`, `true`), bad{method: "POST", path: p.chats, body: `[]`})
	}},
	{"empty body where one is needed", 400, "invalid-json", func(p *place) []bad {
		all := append(p.everywhere("", "", " "), p.everywhere("", "")...)
		for i := range all {
			if i%2 == 0 {
				all[i].header = []string{"Content-Type", "application/json"}
			}
		}
		return append(all, bad{method: "POST", path: p.chats, body: " "})
	}},
	{"invalid UTF-8", 400, "invalid-json", func(p *place) []bad {
		return p.everywhere("", "{\"MEMBER\":\"\xff\"}", "{\"MEMBER\":\"a\",\"\xc0\xaf\":1}", "{\"MEMBER\":\"a\",\"x\":{\"y\":\"\xed\xa0\x80\"}}", "{\"MEMBER\":\"a\xf0\x9f\x98\"}")
	}},
	{"a lone surrogate", 400, "invalid-json", func(p *place) []bad {
		return p.everywhere("", `{"MEMBER":"\ud800"}`, `{"MEMBER":"\udc00\ud800"}`, `{"MEMBER":"a","x":"\udfff"}`, `{"MEMBER":"a","\ud83d":1}`, `{"MEMBER":"\ud83dx\ude00"}`)
	}},
	{"a member twice", 400, "invalid-json", func(p *place) []bad {
		all := p.everywhere("", `{"MEMBER":"a","MEMBER":"a"}`, `{"MEMBER":"a","m\u0061":1,"ma":2}`, `{"NESTED":{"MEMBER":"a","MEMBER":"b"}}`,
			`{"NESTED":{},"NESTED":{"MEMBER":"a"}}`, `{"MEMBER":"a","x":{"y":1,"y":1}}`, `{"MEMBER":"a","x":[{"":1,"":1}]}`)
		return append(all, bad{method: "POST", path: p.chats, body: `{"x":1,"x":1}`})
	}},
}

// long is a text that is too long by one character or byte: a name of 256 characters, a body of 65,536 bytes.
func long(all []bad) []bad {
	for i, b := range all {
		for from, to := range map[string]string{"256": strings.Repeat("a", 256), "ASTRAL": strings.Repeat("😀", 256)} {
			if strings.Contains(b.path, "/messages") {
				to = map[string]string{"256": strings.Repeat("€", 21_845) + "a", "ASTRAL": strings.Repeat("😀", 16_384)}[from]
			}
			all[i].body = strings.Replace(all[i].body, from, to, 1)
		}
	}
	return all
}

// whitespace is every character of Unicode's property White_Space, alone and all together, escaped and as it is.
func whitespace(p *place) []bad {
	bodies := []string{`{"MEMBER":""}`}
	var everything strings.Builder
	for _, r := range unicode.White_Space.R16 { // it has none above
		for c := r.Lo; c <= r.Hi; c += r.Stride {
			escaped := `\u` + strconv.FormatUint(uint64(c)+1<<16, 16)[1:]
			bodies = append(bodies, `{"MEMBER":"`+escaped+`"}`)
			everything.WriteString(escaped)
			if c >= ' ' {
				everything.WriteRune(rune(c))
			}
		}
	}
	return p.everywhere("#/MEMBER", append(bodies, `{"MEMBER":"`+everything.String()+`"}`)...)
}

var badFields = []row{
	{"a name or body that is missing", 422, "validation-failed", func(p *place) []bad {
		return append(p.everywhere("#/MEMBER", `{}`, `{"x":1}`, `{"NESTED":null}`, `{"Member":"a"}`, `{"MEMBER ":"a"}`),
			p.everywhere("#/NESTED/MEMBER", `{"NESTED":{}}`, `{"MEMBER":"a","NESTED":{"x":"a"}}`)...)
	}},
	{"null", 422, "validation-failed", func(p *place) []bad {
		return append(p.everywhere("#/MEMBER", `{"MEMBER":null}`), p.everywhere("#/NESTED/MEMBER", `{"NESTED":{"MEMBER":null}}`)...)
	}},
	{"no string", 422, "validation-failed", func(p *place) []bad {
		return append(p.everywhere("#/MEMBER", `{"MEMBER":5}`, `{"MEMBER":true}`, `{"MEMBER":["a"]}`, `{"MEMBER":{"a":"b"}}`),
			append(p.everywhere("#/NESTED/MEMBER", `{"NESTED":{"MEMBER":5},"MEMBER":"a"}`),
				p.everywhere("#/NESTED", `{"NESTED":5}`, `{"NESTED":"a","MEMBER":"a"}`, `{"NESTED":["a"]}`, `{"NESTED":false}`)...)...)
	}},
	{"blank (Unicode White_Space alone)", 422, "validation-failed", func(p *place) []bad {
		return append(whitespace(p), p.everywhere("#/NESTED/MEMBER", `{"NESTED":{"MEMBER":" \t\u2003"},"MEMBER":"a"}`)...)
	}},
	{"over 255 characters, or 65,535 bytes of UTF-8", 422, "validation-failed", func(p *place) []bad {
		return long(append(p.everywhere("#/MEMBER", `{"MEMBER":"256"}`, `{"MEMBER":"ASTRAL"}`), p.everywhere("#/NESTED/MEMBER", `{"NESTED":{"MEMBER":"256"}}`)...))
	}},
	{"every fault listed", 422, "validation-failed", func(p *place) []bad {
		return []bad{
			{method: "POST", path: p.messages, body: `{}`, header: []string{"Idempotency-Key", "ü"}, at: []string{"#/body", "Idempotency-Key"}},
			{method: "POST", path: "/applications", body: `{"application":{"name":" "}}`, header: []string{"Idempotency-Key", `""`}, at: []string{"#/application/name", "Idempotency-Key"}},
			{method: "GET", path: p.messages + "?limit=0&after=x&before=y", at: []string{"limit", "after", "before", "after", "before"}},
		}
	}},
	{"both forms at once: the nested one counts", 0, "", func(p *place) []bad {
		return p.everywhere("", `{"MEMBER":5,"NESTED":{"MEMBER":"a"}}`)
	}},
	{"unknown members are ignored", 0, "", func(p *place) []bad {
		return p.everywhere("", `{"MEMBER":"a","x":null,"":{"MEMBER":1}}`, `{"NESTED":{"y":[],"MEMBER":"a"},"MEMBERS":"b"}`)
	}},
}

// typed changes the media type of requests.
func typed(all []bad, types ...string) (changed []bad) {
	for _, b := range all {
		for _, t := range types {
			b.header = []string{"Content-Type", t}
			changed = append(changed, b)
		}
	}
	return changed
}

var badBodies = []row{
	{"no media type with a body", 415, "unsupported-media-type", func(p *place) []bad {
		return typed(append(p.everywhere("", `{"MEMBER":"a"}`), bad{method: "POST", path: p.chats, body: `{}`}), "")
	}},
	{"another media type than application/json", 415, "unsupported-media-type", func(p *place) []bad {
		all := typed(append(p.everywhere("", `{"MEMBER":"a"}`), bad{method: "POST", path: p.chats, body: `{}`}), "text/plain", "application/x-www-form-urlencoded",
			"application/jsonx", "application/merge-patch+json", "multipart/form-data; boundary=x", "application", "application/json, text/plain", "*/*")
		for _, b := range p.everywhere("", `{"MEMBER":"a"}`) {
			b.header = []string{"Content-Encoding", "gzip"}
			all = append(all, b)
		}
		return all
	}},
	{"application/json with parameters is allowed", 0, "", func(p *place) []bad {
		return typed(p.everywhere("", `{"MEMBER":"a"}`), "Application/JSON ; charset=utf-8", `application/json;charset="UTF-8";x=y`)
	}},
	{"a request body over 512 KiB", 413, "body-too-large", func(p *place) []bad {
		all := p.everywhere("", `{"MEMBER":"a","x":"`)
		for i, b := range all {
			all[i].body += strings.Repeat("x", 512<<10+1-len(b.body)-2) + `"}`
		}
		return append(all, bad{method: "POST", path: p.chats, body: `{"x":"` + strings.Repeat("x", 512<<10) + `"}`})
	}},
	{"a request body of 512 KiB is allowed", 0, "", func(p *place) []bad {
		all := p.everywhere("", `{"MEMBER":"a","x":"`)
		for i, b := range all {
			all[i].body += strings.Repeat("x", 512<<10-len(b.body)-2) + `"}`
		}
		return all
	}},
}
