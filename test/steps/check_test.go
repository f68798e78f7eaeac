//go:build failpoint

package steps

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"chat-system/internal/chat"
)

// checkRows holds the tables against the history once everything is stored.
func (h *history) checkRows(t *testing.T, w *world) {
	t.Helper()
	chats, messages := h.stored(t, w)
	for _, o := range h.kept() {
		if _, ok := chats[o.number]; o.kind == 'c' && !ok {
			t.Errorf("lost: %v", o)
		}
		if _, ok := messages[place{o.chat, o.number}]; o.kind != 'c' && !ok {
			t.Errorf("lost: %v", o)
		}
	}
	perChat, once := map[int64]int64{}, map[string]place{}
	for _, r := range w.rows(t, "SELECT chat_number, number FROM dead_letters WHERE sink = 'mysql' AND state = 'discarded' AND kind = 'message'") {
		messages[place{number(t, r[0]), number(t, r[1])}] = row{} // a recorded hole
	}
	for at, r := range messages {
		perChat[at.chat]++
		if r.version == 0 {
			continue
		}
		if other, ok := once[r.body]; ok {
			t.Errorf("%q is stored twice: %v and %v", r.body, other, at)
		}
		once[r.body] = at
		if err := h.fits(at, r, h.kept()); err != nil {
			t.Errorf("row: %v", err)
		}
		if _, ok := chats[at.chat]; !ok {
			t.Errorf("message %v has no chat", at)
		}
	}
	for n := range int64(len(chats)) {
		if _, ok := chats[n+1]; !ok {
			t.Errorf("of %d chats none has number %d", len(chats), n+1)
		}
	}
	for c, counted := range chats {
		if counted != perChat[c] {
			t.Errorf("chat %d counts %d messages and has %d", c, counted, perChat[c])
		}
		for n := range perChat[c] {
			if _, ok := messages[place{c, n + 1}]; !ok {
				t.Errorf("of %d messages of chat %d none has number %d", perChat[c], c, n+1)
			}
		}
	}
	if got := w.rows(t, "SELECT chats_count FROM applications WHERE id = ?", h.app); fmt.Sprint(got) != fmt.Sprintf("[[%d]]", len(chats)) {
		t.Errorf("the application counts %v chats and has %d", got, len(chats))
	}
	if dead := w.rows(t, "SELECT kind, chat_number, number, state, reason FROM dead_letters WHERE state = 'open'"); len(dead) > 0 {
		t.Errorf("dead letters: %q", dead)
	}
}

// checkRedis looks for what was left behind in Redis.
func (h *history) checkRedis(t *testing.T, w *world, trimmed bool) {
	t.Helper()
	keys, err := w.rdb.Keys(t.Context(), "chat:{*}:pending:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		left, err := w.rdb.HGetAll(t.Context(), k).Result()
		t.Errorf("pending is left behind: %s %v %v", k, left, err)
	}
	if !trimmed {
		return
	}
	for _, r := range w.rows(t, "SELECT partition_id, position FROM flush_cursors WHERE sink = 'mysql'") {
		at := chat.Version(number(t, r[1]))
		entries, err := w.rdb.XRange(t.Context(), "chat:{"+r[0]+"}:stream", "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			v, err := chat.ParseVersion(e.ID)
			if err != nil || v.Millis() < at.Millis() || v > at {
				t.Errorf("partition %s: entry %s is not trimmed, the cursor is at %s: %v", r[0], e.ID, at.ID(), e.Values)
			}
		}
	}
}

// checkReads holds what a pod answers against what is kept since before it was asked.
func (h *history) checkReads(t *testing.T, p *pod) {
	t.Helper()
	kept := h.kept()
	chats := map[int64]bool{}
	for _, w := range kept {
		chats[cmp.Or(w.chat, w.number)] = true
		if w.kind == 'c' || w.number > chat.MaxLimit {
			continue
		}
		m, err := again(t, func() (chat.Message, error) { return p.store.Message(t.Context(), h.token, w.chat, w.number) })
		switch {
		case err == nil:
			err = h.fits(place{w.chat, w.number}, row{m.Body, m.Version}, kept)
		case len(h.still([]*write{w})) == 0:
			err = nil
		}
		if err != nil {
			t.Errorf("read %v: %v", w, err)
		}
	}
	for c := range chats {
		l, err := again(t, func() (chat.List[chat.Message], error) {
			return p.store.Messages(t.Context(), h.token, c, chat.Page{Limit: chat.MaxLimit})
		})
		h.checkList(t, kept, c, l.Items, err)
	}
	listed, err := again(t, func() (chat.List[chat.Chat], error) {
		return p.store.Chats(t.Context(), h.token, chat.Page{Limit: chat.MaxLimit})
	})
	if err != nil {
		t.Errorf("list the chats: %v", err)
	}
	counts := map[int64]int64{}
	for _, c := range listed.Items {
		counts[c.Number] = c.MessagesCount
	}
	for _, w := range h.still(kept) {
		c, n := w.chat, w.number
		if w.kind == 'c' {
			c, n = w.number, 0
		}
		if counted, ok := counts[c]; !ok || counted < n {
			t.Errorf("chat %d is listed %t and counts %d: %v", c, ok, counted, w)
		}
	}
	app, err := again(t, func() (chat.Application, error) { return p.store.Application(t.Context(), h.token) })
	for _, w := range h.still(kept) {
		if err != nil || w.kind == 'c' && app.ChatsCount < w.number {
			t.Errorf("the application counts %d chats: %v: %v", app.ChatsCount, w, err)
		}
	}
}

func (h *history) checkList(t *testing.T, kept []*write, c int64, items []chat.Message, err error) {
	t.Helper()
	there := map[int64]bool{}
	for _, m := range items {
		there[m.Number] = true
		if err := h.fits(place{c, m.Number}, row{m.Body, m.Version}, kept); err != nil {
			t.Errorf("list: %v", err)
		}
	}
	for _, w := range h.still(kept) {
		if w.kind == 'c' && w.number == c && err != nil || w.kind != 'c' && w.chat == c && !there[w.number] && w.number <= chat.MaxLimit {
			t.Errorf("the list lacks %v: %v", w, err)
		}
	}
}

// checkKeys sends every stored write that had a key again.
func (h *history) checkKeys(t *testing.T, w *world, p *pod) {
	t.Helper()
	chats, messages := h.stored(t, w)
	for _, o := range h.kept() {
		if !o.key.Given {
			continue
		}
		n, replayed, err := p.send(t, h, o)
		if err != nil || !replayed || n != o.number {
			t.Errorf("again with its key: %v: %d, %t, %v", o, n, replayed, err)
		}
	}
	if chatsNow, messagesNow := h.stored(t, w); len(chatsNow) != len(chats) || len(messagesNow) != len(messages) {
		t.Errorf("replays made rows")
	}
}

// send asks a pod for a write, once more where it may be.
func (p *pod) send(t *testing.T, h *history, w *write) (n int64, replayed bool, err error) {
	t.Helper()
	type answer struct {
		n        int64
		replayed bool
	}
	a, err := again(t, func() (answer, error) {
		var a answer
		var err error
		if w.kind == 'c' {
			a.n, a.replayed, err = p.store.CreateChat(t.Context(), h.token, w.key)
		} else {
			a.n, a.replayed, err = p.store.CreateMessage(t.Context(), h.token, w.chat, w.body, w.key)
		}
		return a, err
	})
	return a.n, a.replayed, err
}

// again repeats a call while the service says that it can't be answered now.
func again[T any](t *testing.T, call func() (T, error)) (out T, err error) {
	t.Helper()
	for range 50 {
		var told *chat.Error
		if out, err = call(); !errors.As(err, &told) || told.Code != chat.Unavailable || strings.Contains(err.Error(), "closed") {
			return out, err
		}
	}
	return out, err
}
