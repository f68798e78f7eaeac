package test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is writers that make chats, post messages and edit them until they are stopped. Each post carries a key and is
// sent again, to any pod, until it is acknowledged; after each acknowledgement it is read back from some pod.
type load struct {
	*client
	loadOptions
	token string
	stop  context.CancelFunc
	wg    sync.WaitGroup
	acked atomic.Int64

	mu       sync.Mutex
	messages map[int64]map[int64]*written // by chat and number
	kept     []storedMessage              // what was found stored, when a loss may take all else
}

// written is what a message must hold: the body that was acknowledged last.
type written struct{ body string }

type loadOptions struct {
	name           string // of the application; empty: load
	chats, writers int
	lossy          bool // a fault may take what was acknowledged and not stored yet: its number is given again then
	posts          bool // nothing is edited or read back: while the database is away posts alone are answered
	padding        int  // by which bodies are longer
}

func (s *service) load(chats, writers int) *load {
	s.t.Helper()
	return s.newLoad(loadOptions{chats: chats, writers: writers})
}

func (s *service) newLoad(o loadOptions) *load {
	s.t.Helper()
	return startLoad(newClient(s.t, s.addrs(), o.writers), o)
}

// startLoad loads whatever the client reaches.
func startLoad(c *client, o loadOptions) *load {
	c.t.Helper()
	l := &load{client: c, loadOptions: o, messages: map[int64]map[int64]*written{}}
	var app struct{ Token string }
	name := cmp.Or(o.name, "load")
	l.insist("POST", "/applications", "the application "+name, map[string]string{"name": name}, &app)
	l.token = app.Token
	for i := range o.chats {
		if n := l.newChat(fmt.Sprintf("chat %d", i)); n != int64(i+1) {
			c.t.Fatalf("chat %d has number %d", i+1, n)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	for w := range o.writers {
		l.wg.Go(func() { l.write(ctx, w, int64(w%o.chats+1)) })
	}
	c.t.Cleanup(l.end)
	return l
}

// end stops the writers; what each has begun is acknowledged first.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

// more waits until so many further writes were acknowledged.
func (l *load) more(n int64) {
	l.t.Helper()
	l.upTo(l.acked.Load() + n)
}

// upTo waits until so many writes were acknowledged since the load began.
func (l *load) upTo(n int64) {
	l.t.Helper()
	until(l.t, fmt.Sprintf("%d writes are acknowledged", n), func() bool { return l.acked.Load() >= n || l.t.Failed() })
}

func (l *load) write(ctx context.Context, w int, chat int64) {
	for i := 1; ctx.Err() == nil && !l.t.Failed(); i++ {
		body := fmt.Sprintf("writer %d, message %d", w, i) + strings.Repeat(".", l.padding)
		n := l.post(chat, body)
		if n > 0 && !l.posts && !l.lossy && i%4 == 0 {
			l.edit(chat, n, body+", edited")
		}
		if n > 0 && !l.posts && !l.lossy && i%8 == 0 {
			l.edit(chat, n, body+", edited twice")
		}
		if n > 0 && !l.posts {
			l.readBack(chat, n)
		}
		if i%40 == 0 && !l.posts {
			next := l.newChat(fmt.Sprintf("writer %d, chat %d", w, i))
			if !l.lossy && next > 0 {
				if n := l.post(next, fmt.Sprintf("writer %d, first message of chat %d", w, next)); n != 1 {
					l.t.Errorf("the first message of the new chat %d has number %d", next, n)
				}
			}
		}
		pause := time.NewTimer(2 * time.Millisecond) // some hundreds of writes a second are plenty
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

func (l *load) path(chat int64) string {
	return fmt.Sprintf("/applications/%s/chats/%d/messages", l.token, chat)
}

// newChat gives the number of a new chat, 0 where it failed and the test with it.
func (l *load) newChat(key string) int64 {
	var c struct {
		Number int64 `json:"chat_number"`
	}
	l.insist("POST", "/applications/"+l.token+"/chats", key, struct{}{}, &c)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.Number == 0 || (l.lossy && l.messages[c.Number] != nil):
	case l.messages[c.Number] != nil:
		l.t.Errorf("chat %d was given twice", c.Number)
	default:
		l.messages[c.Number] = map[int64]*written{}
	}
	l.acked.Add(1)
	return c.Number
}

// post gives the number of a new message, whose body is its key, 0 where it failed and the test with it.
func (l *load) post(chat int64, body string) int64 {
	var m struct {
		Number int64 `json:"message_number"`
	}
	l.insist("POST", l.path(chat), body[:min(len(body), 255)], map[string]string{"body": body}, &m)
	if m.Number > 0 {
		l.posted(chat, m.Number, body)
	}
	return m.Number
}

func (l *load) posted(chat, number int64, body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.messages[chat][number]; was != nil && !l.lossy {
		l.t.Errorf("chat %d: number %d was given twice: for %q and %q", chat, number, was.body, body)
	}
	l.messages[chat][number] = &written{body: body}
	l.acked.Add(1)
}

// edit has no key: an edit sent again is the same edit.
func (l *load) edit(chat, number int64, body string) {
	var m struct{ Body string }
	l.insist("PUT", fmt.Sprintf("%s/%d", l.path(chat), number), "", map[string]string{"body": body}, &m)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[chat][number].body = body
	l.acked.Add(1)
}

// readBack reads what was acknowledged, on some pod: alone, in a list and in the count. It may fail to answer while
// things are killed, never answer wrong. Where a fault may take a write, it reads one that is known to be stored.
func (l *load) readBack(chat, number int64) {
	l.mu.Lock()
	want := l.messages[chat][number].body
	if l.lossy {
		if len(l.kept) == 0 {
			l.mu.Unlock()
			return
		}
		k := l.kept[rand.IntN(len(l.kept))]
		chat, number, want = k.chat, k.number, k.body
	}
	l.mu.Unlock()
	var m struct{ Body string }
	if l.read(fmt.Sprintf("%s/%d", l.path(chat), number), &m) && m.Body != want {
		l.t.Errorf("chat %d, message %d reads %q after %q was acknowledged", chat, number, m.Body, want)
	}
	if number%4 != 0 {
		return
	}
	var page []struct {
		Number int64
		Body   string
	}
	if l.read(fmt.Sprintf("%s?limit=1&after=%d", l.path(chat), number-1), &page) &&
		(len(page) != 1 || page[0].Number != number || page[0].Body != want) {
		l.t.Errorf("chat %d: in the place of message %d stands %+v after %q was acknowledged", chat, number, page, want)
	}
	var c struct {
		Count int64 `json:"messages_count"`
	}
	if l.read(fmt.Sprintf("/applications/%s/chats/%d", l.token, chat), &c) && c.Count < number {
		l.t.Errorf("chat %d counts %d messages, number %d was acknowledged", chat, c.Count, number)
	}
}

// read says whether there was an answer; one that is neither the thing nor 503 is a fault.
func (l *load) read(path string, answer any) bool {
	status, got, err := l.send("GET", path, "", nil)
	if err != nil || status == http.StatusServiceUnavailable {
		return false
	}
	if status == http.StatusOK {
		err = json.Unmarshal(got, answer)
	}
	if status != http.StatusOK || err != nil {
		l.t.Errorf("GET %s: %d %s", path, status, got)
		return false
	}
	return true
}
