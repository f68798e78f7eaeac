package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is writers that post and edit messages until they are stopped. Each write of a message carries a key and is sent
// again, to any pod, until it is acknowledged; after each acknowledgement it is read back from some pod.
type load struct {
	t     *testing.T
	addrs []string
	token string
	http  http.Client
	stop  context.CancelFunc
	wg    sync.WaitGroup
	acked atomic.Int64
	lossy bool // a fault may take what was acknowledged and not stored yet: its number is given again then

	mu       sync.Mutex
	messages map[int64]map[int64]*written // by chat and number
}

// written is what a message must hold: the body that was acknowledged last.
type written struct {
	body string
}

func (s *service) load(chats, writers int) *load { return s.newLoad(chats, writers, false) }

func (s *service) newLoad(chats, writers int, lossy bool) *load {
	s.t.Helper()
	l := &load{t: s.t, lossy: lossy, addrs: s.addrs(), messages: map[int64]map[int64]*written{}}
	l.http.Transport = &http.Transport{MaxIdleConnsPerHost: writers}
	l.http.Timeout = 10 * time.Second
	var app struct{ Token string }
	l.insist("POST", "/applications", "the application", map[string]string{"name": "load"}, &app)
	l.token = app.Token
	for i := range chats {
		var c struct {
			Number int64 `json:"chat_number"`
		}
		l.insist("POST", "/applications/"+l.token+"/chats", fmt.Sprintf("chat %d", i), struct{}{}, &c)
		l.messages[c.Number] = map[int64]*written{}
	}
	if len(l.messages) != chats || l.messages[int64(chats)] == nil {
		s.t.Fatalf("chats are not numbered 1 to %d", chats)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	for w := range writers {
		l.wg.Go(func() { l.write(ctx, w, int64(w%chats+1)) })
	}
	s.t.Cleanup(func() { l.end() })
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
	want := l.acked.Load() + n
	until(l.t, fmt.Sprintf("%d more writes are acknowledged", n), func() bool { return l.acked.Load() >= want || l.t.Failed() })
}

func (l *load) write(ctx context.Context, w int, chat int64) {
	base := fmt.Sprintf("/applications/%s/chats/%d/messages", l.token, chat)
	for i := 0; ctx.Err() == nil && !l.t.Failed(); i++ {
		body := fmt.Sprintf("writer %d, message %d", w, i)
		var m struct {
			Number int64 `json:"message_number"`
		}
		l.insist("POST", base, body, map[string]string{"body": body}, &m)
		l.mu.Lock()
		if l.messages[chat][m.Number] != nil && !l.lossy {
			l.t.Errorf("chat %d: number %d was given twice: for %q and %q", chat, m.Number, l.messages[chat][m.Number].body, body)
		}
		l.messages[chat][m.Number] = &written{body: body}
		l.mu.Unlock()
		l.acked.Add(1)
		if i%4 == 3 {
			l.edit(base, chat, m.Number, body+", edited")
		}
		l.readBack(base, chat, m.Number)
		pause := time.NewTimer(2 * time.Millisecond) // some hundreds of writes a second are plenty
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// edit has no key: an edit sent again is the same edit.
func (l *load) edit(base string, chat, number int64, body string) {
	if l.lossy {
		return // the message may be gone
	}
	var m struct{ Body string }
	l.insist("PUT", fmt.Sprintf("%s/%d", base, number), "", map[string]string{"body": body}, &m)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[chat][number].body = body
	l.acked.Add(1)
}

// readBack reads what was acknowledged, on some pod. It may fail to answer while things are killed, never answer wrong.
func (l *load) readBack(base string, chat, number int64) {
	status, answer, err := l.send("GET", fmt.Sprintf("%s/%d", base, number), "", nil)
	if err != nil || status == http.StatusServiceUnavailable {
		return
	}
	var m struct{ Body string }
	if status == http.StatusOK {
		err = json.Unmarshal(answer, &m)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lossy {
		return
	}
	if want := l.messages[chat][number].body; status != http.StatusOK || err != nil || m.Body != want {
		l.t.Errorf("chat %d, message %d reads %d %s after %q was acknowledged", chat, number, status, answer, want)
	}
}

// insist sends a request until it is acknowledged.
func (l *load) insist(method, path, key string, body, answer any) {
	deadline := time.Now().Add(90 * time.Second)
	for {
		status, got, err := l.send(method, path, key, body)
		switch {
		case err == nil && status < 300:
			if err := json.Unmarshal(got, answer); err != nil {
				l.t.Errorf("%s %s: %v: %s", method, path, err, got)
			}
			return
		case err == nil && status != http.StatusServiceUnavailable && status != http.StatusConflict:
			l.t.Errorf("%s %s: %d %s", method, path, status, got)
			return
		case time.Now().After(deadline):
			l.t.Errorf("%s %s is not acknowledged within 90 s: %d %v", method, path, status, err)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (l *load) send(method, path, key string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	addr := l.addrs[rand.IntN(len(l.addrs))]
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	if body == nil {
		r.Body, r.ContentLength = nil, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", `"`+key+`"`)
	}
	res, err := l.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, got, err
}
