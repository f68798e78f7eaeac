package monitor

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
)

const (
	lettersPerPage = 50
	lettersPerRead = 200  // of a search, or a retry
	lettersLooked  = 2000 // at by one request of a search: the page leads on to the others
	retryTime      = 8 * time.Second
	excerptLength  = 160
)

// letter is a dead letter as it is shown.
type letter struct {
	ID                  string
	Kind, Sink, State   string
	Application         int64
	Chat, Number        int64
	Reason, Body        string
	Excerpt             string
	Accepted, UpdatedAt time.Time
	Where               string // the page of what it belongs to
}

func newLetter(l db.DeadLetter) letter {
	var payload struct {
		Body      string `json:"body"`
		UpdatedAt int64  `json:"updated_at_us"`
	}
	_ = json.Unmarshal(l.Payload, &payload) // what can't be read is shown as nothing
	s := letter{
		ID:   flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink}.String(),
		Kind: l.Kind, Sink: l.Sink, State: l.State, Application: l.ApplicationID, Chat: l.ChatNumber, Number: l.Number,
		Reason: l.Reason, Body: payload.Body, Excerpt: excerpt(payload.Body), Accepted: l.CreatedAt.UTC(),
		Where: "/monitor/applications/" + strconv.FormatInt(l.ApplicationID, 10),
	}
	if l.ChatNumber > 0 {
		s.Where += "/" + strconv.FormatInt(l.ChatNumber, 10)
	}
	return s
}

func excerpt(text string) string {
	n := 0
	for i := range text {
		if n++; n > excerptLength {
			return text[:i] + "…"
		}
	}
	return text
}

// parseLetterID reads «partition/version/sink».
func parseLetterID(s string) (id flusher.LetterID, ok bool) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) != 3 || len(parts[2]) > 64 {
		return id, false
	}
	p, err := strconv.ParseInt(parts[0], 10, 32)
	if err != nil {
		return id, false
	}
	v, err := chat.ParseVersion(parts[1])
	return flusher.LetterID{Partition: int32(p), Version: v, Sink: parts[2]}, err == nil
}

func idOf(l db.DeadLetter) flusher.LetterID {
	return flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink}
}

// matches says whether a text, in lower case, is part of what is shown of a dead letter.
func matches(l db.DeadLetter, text string) bool {
	s := newLetter(l)
	for _, field := range []string{s.ID, s.Kind, s.Reason, strconv.FormatInt(s.Application, 10), s.Body} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return false
}

// lettersPage is a page of the list.
type lettersPage struct {
	State   string
	States  []string
	Query   string
	Total   string // how many there are in this state; empty: not known, or of a search
	Letters []letter
	Next    string // where the following page begins; empty: there is none
	Looked  bool   // whether it was found by a search that has not come to the end
	Done    string // what was just done
	Failed  string // and what was not
	GoOn    string // from where a retry of all goes on
}

func (m *Monitor) listLetters(v *visit) error {
	p := lettersPage{State: v.query("state"), Query: strings.TrimSpace(v.query("q")), States: []string{flusher.StateOpen, flusher.StateStored, flusher.StateDiscarded}}
	if !slices.Contains(p.States, p.State) {
		p.State = flusher.StateOpen
	}
	after, _ := parseLetterID(v.query("after")) // none: from the first on
	found, next, err := m.findLetters(v, p.State, strings.ToLower(p.Query), after)
	if err != nil {
		return m.away(v, err)
	}
	if p.Query == "" && len(found) > 0 {
		if counts, current := m.sampler.letters.get(v, m.DB); current {
			p.Total = plural(counts[p.State], "is "+p.State+".", "are "+p.State+".")
		}
	}
	for _, l := range found {
		p.Letters = append(p.Letters, newLetter(l))
	}
	if next != nil {
		p.Next, p.Looked = next.String(), p.Query != "" && len(found) < lettersPerPage
	}
	p.outcome(v)
	return m.page(v, fasthttp.StatusOK, "letters", "Dead letters", p)
}

// outcome says what the POST did that led here: numbers, which are all that the address may hold of it.
func (p *lettersPage) outcome(v *visit) {
	count := func(name string) int {
		n, _ := strconv.Atoi(v.query(name)) // 0 where there is none
		return n
	}
	if n := count("stored"); n > 0 {
		p.Done = plural(n, "dead letter was stored.", "dead letters were stored.")
	}
	if n := count("discarded"); n > 0 {
		p.Done = plural(n, "dead letter was discarded. Its number stays taken.", "dead letters were discarded. Their numbers stay taken.")
	}
	if n := count("refused"); n > 0 {
		p.Failed = plural(n, "was refused again: its reason tells why.", "were refused again: their reasons tell why.")
	}
	switch {
	case v.query("gone") != "":
		p.Failed = "It was dealt with already. Nothing was done."
	case v.query("unindexed") != "":
		p.Failed = "What was stored could not be put into search; run `chat reindex` once search is back."
	}
	if id, ok := parseLetterID(v.query("on")); ok {
		p.GoOn = id.String()
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return number64(int64(n)) + " " + more
}

// findLetters gives a page of those that a text is part of, and after which one to go on.
func (m *Monitor) findLetters(ctx context.Context, state, text string, after flusher.LetterID) (found []db.DeadLetter, next *flusher.LetterID, err error) {
	for looked := 0; looked < lettersLooked; {
		size := lettersPerPage + 1
		if text != "" {
			size = lettersPerRead
		}
		some, err := m.letters.List(ctx, state, after, size)
		if err != nil {
			return nil, nil, err
		}
		for _, l := range some {
			if text == "" || matches(l, text) {
				if len(found) == lettersPerPage {
					return found, &after, nil
				}
				found = append(found, l)
			}
			after = idOf(l)
		}
		if looked += len(some); len(some) < size {
			return found, nil, nil
		}
	}
	return found, &after, nil
}

// letterPage is one dead letter, to be read or, with Discard, to be discarded.
type letterPage struct {
	letter
	Open    bool
	Discard bool
	Refused bool // a retry was, just now
	Payload string
}

func (m *Monitor) readLetter(v *visit, discard bool) error {
	id, ok := parseLetterID(v.query("id"))
	if !ok {
		return m.missing(v, "There is no such dead letter.")
	}
	l, err := m.DB.DeadLetter(v, db.DeadLetterParams{PartitionID: id.Partition, Version: int64(id.Version), Sink: id.Sink})
	if errors.Is(err, sql.ErrNoRows) {
		return m.missing(v, "There is no such dead letter.")
	}
	if err != nil {
		return m.away(v, err)
	}
	var payload bytes.Buffer
	if json.Indent(&payload, l.Payload, "", "  ") != nil {
		payload.Reset()
		payload.WriteString(strings.ToValidUTF8(string(l.Payload), "\uFFFD"))
	}
	p := letterPage{
		letter: newLetter(l), Open: l.State == flusher.StateOpen, Discard: discard && l.State == flusher.StateOpen,
		Refused: v.query("refused") != "", Payload: payload.String(),
	}
	title := "Dead letter"
	if p.Discard {
		title = "Discard a dead letter?"
	}
	return m.page(v, fasthttp.StatusOK, "letter", title, p)
}

func lettersAt(query url.Values) string {
	if len(query) == 0 {
		return "/monitor/dead-letters"
	}
	return "/monitor/dead-letters?" + query.Encode()
}

// retry stores one, or says why it is refused again.
func (m *Monitor) retry(v *visit) error {
	id, ok := parseLetterID(v.form("id"))
	if !ok {
		return m.missing(v, "There is no such dead letter.")
	}
	outcomes, err := m.letters.Retry(v, []flusher.LetterID{id})
	m.sampler.recount()
	switch {
	case errors.Is(err, flusher.ErrNoLetter):
		v.redirect(lettersAt(url.Values{"gone": {"1"}}))
	case err != nil && len(outcomes) == 0:
		return m.away(v, err)
	case outcomes[0].Stored:
		m.Log.Info("a dead letter was retried on the monitoring page", "id", id.String(), "client", v.client)
		v.redirect(lettersAt(m.stored(1, 0, err)))
	default:
		v.redirect("/monitor/dead-letters/letter?" + url.Values{"id": {id.String()}, "refused": {"1"}}.Encode())
	}
	return nil
}

// stored is the outcome as an address has it. An error now is one of search alone: the rows are committed.
func (m *Monitor) stored(stored, refused int, err error) url.Values {
	q := url.Values{}
	if stored > 0 {
		q.Set("stored", strconv.Itoa(stored))
	}
	if refused > 0 {
		q.Set("refused", strconv.Itoa(refused))
	}
	if err != nil {
		m.Log.Error("what was stored of dead letters is not in the search index", "error", err)
		q.Set("unindexed", "1")
	}
	return q
}

// retryAll stores all that are open, or as many as can be in the time of a request: the page leads on to the others. Those that
// are refused again are tried once.
func (m *Monitor) retryAll(v *visit) error {
	after, _ := parseLetterID(v.form("after"))
	defer m.sampler.recount()
	stored, refused := 0, 0
	var unindexed error
	for begin := time.Now(); ; {
		some, err := m.letters.List(v, flusher.StateOpen, after, lettersPerRead)
		if err != nil {
			return m.away(v, err)
		}
		if len(some) == 0 {
			break
		}
		for _, l := range some { // each in a transaction of its own: somebody else may deal with one meanwhile
			outcomes, err := m.letters.Retry(v, []flusher.LetterID{idOf(l)})
			switch {
			case errors.Is(err, flusher.ErrNoLetter):
			case err != nil && len(outcomes) == 0:
				return m.away(v, err)
			case outcomes[0].Stored:
				stored++
				unindexed = errors.Join(unindexed, err)
			default:
				refused++
			}
			after = idOf(l)
			if time.Since(begin) > retryTime {
				q := m.stored(stored, refused, unindexed)
				q.Set("on", after.String())
				v.redirect(lettersAt(q))
				return nil
			}
		}
	}
	m.Log.Info("all dead letters were retried on the monitoring page", "stored", stored, "refused", refused, "client", v.client)
	v.redirect(lettersAt(m.stored(stored, refused, unindexed)))
	return nil
}

// discard gives one up, after the page that asks.
func (m *Monitor) discard(v *visit) error {
	id, ok := parseLetterID(v.form("id"))
	if !ok || v.form("confirmed") != "yes" {
		return m.missing(v, "There is no such dead letter.")
	}
	err := m.letters.Discard(v, []flusher.LetterID{id})
	m.sampler.recount()
	switch {
	case errors.Is(err, flusher.ErrNoLetter):
		v.redirect(lettersAt(url.Values{"gone": {"1"}}))
	case err != nil:
		return m.away(v, err)
	default:
		m.Log.Info("a dead letter was discarded on the monitoring page", "id", id.String(), "client", v.client)
		v.redirect(lettersAt(url.Values{"discarded": {"1"}}))
	}
	return nil
}
