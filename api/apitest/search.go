package apitest

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func testSearch(t *testing.T, target Target) {
	c := newClient(t, target)
	chat := c.chat()
	search := chat + "/messages/search?"
	if !target.Search {
		c.Get(search+"q=a").problem(501, "not-enabled")
		return
	}
	other := c.chat()
	c.say(other, "the Émigré elsewhere")
	said := c.say(chat, "the Émigré <b>& friends</b>")
	for range 4 {
		c.say(chat, "an emigre")
	}
	c.eventually(search+"q=emigre", 5)
	for query, want := range map[string]string{
		"q=EMIGR%C3%89+the":     "1",
		"q=migr&limit=200":      "1 2 3 4 5",
		"body=friend":           "1",
		"q=nothing":             "",
		"q=*":                   "",
		"q=emigre&body=nothing": "1 2 3 4 5",
	} {
		got := map[string]bool{}
		for _, m := range decode[[]message](c.Get(search + query).want(200)) {
			got[numbers([]message{m})] = true
		}
		if len(got) != len(strings.Fields(want)) {
			t.Errorf("%s found %v, want %s", query, got, want)
		}
		for n := range strings.FieldsSeq(want) {
			if !got[n] {
				t.Errorf("%s found %v, want %s", query, got, want)
			}
		}
	}
	hit := decode[[]message](c.Get(search + "q=friends").want(200))[0]
	if hit.Body != "the Émigré <b>& friends</b>" || !strings.Contains(hit.Highlight, "<em>friends</em>") || strings.Contains(hit.Highlight, "<b>") {
		t.Errorf("%+v", hit)
	}
	seen := map[string]bool{}
	pages := 0
	for path := search + "limit=2&q=" + url.QueryEscape("emigre"); path != ""; pages++ {
		a := c.Get(path).want(200)
		for _, m := range decode[[]message](a) {
			if seen[numbers([]message{m})] {
				t.Errorf("message %d comes twice", m.Number)
			}
			seen[numbers([]message{m})] = true
		}
		path = links(a.Header)["next"]
	}
	if len(seen) != 5 || pages < 3 {
		t.Errorf("%v on %d pages", seen, pages)
	}
	c.Do("PUT", said, `{"body":"something new"}`).want(200)
	c.eventually(search+"q=new", 1)
	c.eventually(search+"q=friends", 0)
}

// eventually waits until a search has so many hits.
func (c *client) eventually(path string, hits int) {
	c.t.Helper()
	within := c.target.Found
	if within == 0 {
		within = 2 * time.Second
	}
	for deadline := time.Now().Add(within); ; {
		got := len(decode[[]message](c.Get(path).want(200)))
		if got == hits {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %d hits after %v, want %d", path, got, within, hits)
		}
		<-time.After(20 * time.Millisecond)
	}
}
