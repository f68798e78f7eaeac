package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"chat-system/internal/enginetest"
)

func TestSearchFindsEverythingInTheEnd(t *testing.T) {
	t.Parallel()
	es := enginetest.Elasticsearch(t)
	s := newService(t, 1, 2, "ELASTICSEARCH_URL="+es.URL)
	l := s.load(3, 6)
	l.more(between)

	es.Pause() // search alone is delayed
	l.more(between)
	es.Resume()

	es.Kill()
	l.more(between)
	es.Start()
	l.more(between)

	s.flushers[0].kill()
	if out, err := run(t, s.env, "reindex"); err != nil { // under load, filled by the other flusher
		t.Fatal(err)
	} else {
		t.Log(out)
	}
	l.more(between)
	l.check(s)
	for chat, messages := range l.messages {
		until(t, fmt.Sprintf("search finds all of chat %d", chat), func() bool {
			found := l.search(chat, "message")
			for n, m := range messages {
				if found[n] != m.body {
					return false
				}
			}
			return len(found) == len(messages)
		})
	}
}

var next = regexp.MustCompile(`<([^>]+)>; rel="next"`)

// search pages through every hit and gives their bodies by number.
func (l *load) search(chat int64, text string) map[int64]string {
	found := map[int64]string{}
	path := fmt.Sprintf("%s/search?limit=200&q=%s", l.path(chat), text)
	for {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.addrs[0]+path, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		res, err := l.http.Do(r)
		if err != nil {
			return nil
		}
		var hits []struct {
			Number int64
			Body   string
		}
		err = json.NewDecoder(res.Body).Decode(&hits)
		_ = res.Body.Close()
		if err != nil {
			return nil // a problem document: not now
		}
		for _, h := range hits {
			if _, twice := found[h.Number]; twice {
				l.t.Errorf("chat %d: message %d is found twice", chat, h.Number)
			}
			found[h.Number] = h.Body
		}
		link := next.FindStringSubmatch(res.Header.Get("Link"))
		if link == nil {
			return found
		}
		path = link[1]
	}
}
