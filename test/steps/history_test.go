//go:build failpoint

package steps

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"chat-system/internal/chat"
)

// write is what somebody asked for and what became of it.
type write struct {
	kind    byte  // c a chat, m a message, e an edit
	chat    int64 // 0 for a chat
	number  int64 // 0: not known
	body    string
	key     chat.Idempotency
	version chat.Version // of an edit
	acked   bool         // else its outcome is not known
	risk    bool         // Redis was lost while it was not stored: it may be lost, too
	stopped bool         // sent by the pod that is stopped at the step, which may send it after the loss
}

func (w *write) String() string {
	return fmt.Sprintf("%c %d/%d %q acked %t at risk %t", w.kind, w.chat, w.number, w.body, w.acked, w.risk)
}

// history is everything that was asked for in a scene. Bodies are unique.
type history struct {
	mu     sync.Mutex
	t      *testing.T
	app    int64
	token  string
	bodies int
	writes []*write

	accepted bool // the stopped pod may have the answer to its write and not have told it
	gone     bool // and Redis was lost since
}

func (h *history) body(what string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies++
	return fmt.Sprintf("%s %d", what, h.bodies)
}

// begin takes down what is asked for, before its outcome is known.
func (h *history) begin(w write) *write {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, &w)
	return &w
}

// add takes a write down with the outcome that its client was told.
func (h *history) add(begun *write, w write, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = slices.DeleteFunc(h.writes, func(o *write) bool { return o == begun })
	w.risk = begun.risk // Redis was lost meanwhile
	if w.stopped {
		w.risk = h.gone
	}
	var told *chat.Error
	switch {
	case err == nil:
		w.acked = true
	case !errors.As(err, &told):
		h.t.Errorf("%v: %v", &w, err)
		return
	case told.Code == chat.OutcomeUnknown:
	case told.Code == chat.Unavailable:
		return
	case told.Code == chat.NotFound && h.lostTarget(&w):
		return
	default:
		h.t.Errorf("%v: %v", &w, err)
		return
	}
	if w.acked && w.kind != 'e' {
		for _, o := range h.writes {
			same := o.kind == w.kind && o.chat == w.chat && o.acked && !o.risk
			if same && o.number == w.number && (o.body != w.body || o.key != w.key || !w.key.Given) {
				h.t.Errorf("number given twice: %v and %v", o, &w)
			}
			if same && !w.risk && w.key.Given && o.key == w.key && o.number != w.number {
				h.t.Errorf("one key, two numbers: %v and %v", o, &w)
			}
		}
	}
	h.writes = append(h.writes, &w)
}

// lostTarget says that what a write is about may be lost.
func (h *history) lostTarget(w *write) bool {
	for _, o := range h.writes {
		if o.kind == 'c' && o.number == w.chat && o.risk || w.kind == 'e' && o.kind == 'm' && o.chat == w.chat && o.number == w.number && o.risk {
			return true
		}
	}
	return false
}

// free says that what the stopped pod sends may be accepted by now.
func (h *history) free() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted = true
}

// row of a table, or the zero row.
type row struct {
	body    string
	version chat.Version
}

type place struct{ chat, number int64 }

// stored reads the rows of the application's chats and messages; a refused write that waits for its retry counts as one.
func (h *history) stored(t *testing.T, w *world) (chats map[int64]int64, messages map[place]row) {
	t.Helper()
	chats, messages = map[int64]int64{}, map[place]row{}
	for _, r := range w.rows(t, "SELECT number, messages_count FROM chats WHERE application_id = ?", h.app) {
		chats[number(t, r[0])] = number(t, r[1])
	}
	for _, r := range w.rows(t, "SELECT chat_number, number, version, body FROM messages WHERE application_id = ?", h.app) {
		messages[place{number(t, r[0]), number(t, r[1])}] = row{r[3], chat.Version(number(t, r[2]))}
	}
	return chats, messages
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lose notes what may be lost now with Redis: what is not stored.
func (h *history) lose(t *testing.T, w *world) {
	t.Helper()
	chats, messages := h.stored(t, w)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = h.gone || h.accepted
	for _, o := range h.writes {
		r, ok := messages[place{o.chat, o.number}]
		switch o.kind {
		case 'c':
			_, ok = chats[o.number]
		case 'e':
			ok = ok && o.version != 0 && r.version >= o.version
		}
		o.risk = o.risk || !ok
	}
}

// kept gives what was acknowledged and must not be lost.
func (h *history) kept() []*write {
	h.mu.Lock()
	defer h.mu.Unlock()
	return still(h.writes)
}

// still gives what of some writes must not be lost, also now.
func (h *history) still(of []*write) []*write {
	h.mu.Lock()
	defer h.mu.Unlock()
	return still(of)
}

func still(of []*write) (kept []*write) {
	for _, w := range of {
		if w.acked && !w.risk {
			kept = append(kept, w)
		}
	}
	return kept
}

// fits says whether a message's content is one of what was asked for, and not older than what of the given writes must
// be kept.
func (h *history) fits(at place, got row, kept []*write) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := false
	for _, w := range h.writes {
		if w.chat != at.chat || w.kind == 'c' {
			continue
		}
		here := w.number == at.number || w.number == 0
		if here && w.body == got.body {
			known = true
			if w.kind == 'e' && w.acked && w.version != got.version {
				return fmt.Errorf("message %v is %v, and the version of %v is %d", at, got, w, w.version)
			}
		}
	}
	for _, w := range still(kept) {
		if w.kind != 'c' && w.chat == at.chat && w.number == at.number && (w.version > got.version || w.kind == 'm' && w.body != got.body && !h.edits(at, got.body)) {
			return fmt.Errorf("message %v is %v, lost is %v", at, got, w)
		}
	}
	if !known {
		return fmt.Errorf("message %v is %v, which nobody wrote there", at, got)
	}
	return nil
}

func (h *history) edits(at place, body string) bool {
	return slices.ContainsFunc(h.writes, func(w *write) bool {
		return w.kind == 'e' && w.chat == at.chat && w.number == at.number && w.body == body
	})
}

// discard notes that an operator gave up what waits as a dead letter.
func (h *history) discard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.writes {
		for _, w := range h.writes {
			if strings.HasPrefix(p.body, "poison") && w.chat == p.chat && w.number == p.number {
				w.risk = true
			}
		}
	}
}

// giveUp notes that a chat may be lost: reads don't find it, nor its messages, until it has a row again.
func (h *history) giveUp(c int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.writes {
		w.risk = w.risk || w.chat == c || w.kind == 'c' && w.number == c
	}
}
