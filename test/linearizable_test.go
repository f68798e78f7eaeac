package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// operation on one chat. number is 0 for a post.
type operation struct {
	kind   string // post, edit, get
	number int64
	body   string
}

// result of an operation: the number of a post, or what a get reads ("" where there is no such message).
type result struct {
	number int64
	body   string
}

// aChat is what a chat should be: a list of messages, one operation at a time.
var aChat = porcupine.Model{
	Init: func() any { return []string(nil) },
	Step: func(state, input, output any) (bool, any) {
		messages, in, out := state.([]string), input.(operation), output.(result)
		switch in.kind {
		case "post":
			return out.number == int64(len(messages))+1, append(slices.Clone(messages), in.body)
		case "edit":
			if in.number > int64(len(messages)) {
				return false, messages
			}
			edited := slices.Clone(messages)
			edited[in.number-1] = in.body
			return true, edited
		}
		if in.number > int64(len(messages)) {
			return out.body == "", messages
		}
		return out.body == messages[in.number-1], messages
	},
	Equal: func(a, b any) bool { return slices.Equal(a.([]string), b.([]string)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v → %+v", input, output)
	},
}

// faults that strike while the histories are written. Each strikes once a call, and lets the service go on.
var faults = map[string]func(s *service, i int){
	"pods and flushers": func(s *service, i int) {
		s.pods[i%2].kill()
		s.flushers[i%2].kill()
		s.pods[i%2].start()
		s.flushers[i%2].start()
		s.pods[i%2].ready()
	},
	"Redis": func(s *service, _ int) { s.redis.Kill(); s.redis.Start() },
	"MySQL": func(s *service, _ int) { s.mysql.Kill(); s.mysql.Start() },
}

func TestHistoriesOfChatsAreLinearizable(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, 2, 2)
			h := s.histories(3, 4, 60)
			h.strike(func(i int) { fault(s, i) })
			h.check()
		})
	}
	t.Run("local mode", func(t *testing.T) {
		t.Parallel()
		s := newLocal(t)
		h := s.histories(3, 4, 60)
		h.strike(func(int) {
			s.pods[0].kill()
			s.pods[0].start()
			s.pods[0].ready()
		})
		h.check()
	})
}

// histories is what clients did to chats, each chat's on its own.
type histories struct {
	*load
	chats, clients, each int
	begin                time.Time
	struck               [4]chan struct{} // each closed once its fault begins
	running              sync.WaitGroup
	mu                   sync.Mutex
	of                   map[int][]porcupine.Operation
}

// histories lets clients do so many operations to each chat, one after the other.
func (s *service) histories(chats, clients, each int) *histories {
	s.t.Helper()
	h := &histories{load: s.load(chats, 0), chats: chats, clients: clients, each: each, begin: time.Now(), of: map[int][]porcupine.Operation{}}
	for i := range h.struck {
		h.struck[i] = make(chan struct{})
	}
	for chat := range chats {
		for c := range clients {
			h.running.Go(func() { h.client(chat+1, c) })
		}
	}
	return h
}

// strike lets a fault strike four times, after one, two, three and four sixths of all operations. However fast the
// clients are, they are at it then: see pace.
func (h *histories) strike(fault func(i int)) {
	h.t.Helper()
	all := int64(h.chats * h.clients * h.each)
	for i, struck := range h.struck {
		h.upTo(all * int64(i+1) / 6)
		close(struck)
		fault(i)
	}
}

// pace holds a client that is a whole sixth of its operations ahead of the fault that is to strike.
func (h *histories) pace(i int) {
	if ahead := i*6/h.each - 2; ahead >= 0 && ahead < len(h.struck) {
		select {
		case <-h.struck[ahead]:
		case <-h.t.Context().Done():
		}
	}
}

func (h *histories) client(chat, c int) {
	known := int64(0) // numbers that this client has seen given
	for i := range h.each {
		h.pace(i)
		op := operation{kind: "post", body: fmt.Sprintf("client %d, operation %d", c, i)}
		switch r := rand.IntN(4); {
		case r == 0 && known > 0:
			op.kind, op.number = "edit", rand.Int64N(known)+1
		case r > 1 && known > 0:
			op = operation{kind: "get", number: rand.Int64N(known+2) + 1} // also ones that are not there yet
		}
		for tried := 0; ; tried++ {
			call := time.Since(h.begin).Nanoseconds()
			out, how := h.operate(h.path(int64(chat)), op)
			o := porcupine.Operation{ClientId: c, Input: op, Call: call, Output: out, Return: time.Since(h.begin).Nanoseconds()}
			if how == nothingDone && op.kind == "get" {
				break
			}
			if how == unknown { // an edit of unknown outcome may take effect at any time from here on, as an operation of nobody's
				o.ClientId, o.Return = h.clients+c*100_000+i*1000+tried, math.MaxInt64
			}
			known = max(known, out.number)
			if how != nothingDone {
				h.mu.Lock()
				h.of[chat] = append(h.of[chat], o)
				h.mu.Unlock()
			}
			if how == done || h.t.Failed() {
				break
			}
			<-time.After(100 * time.Millisecond) // each further try makes the history harder to check
		}
		h.acked.Add(1)
	}
}

// check waits for the clients, and bounds the time in which a history must be found to be that of a chat.
func (h *histories) check() {
	h.t.Helper()
	h.running.Wait()
	for chat, history := range h.of {
		if got := porcupine.CheckOperationsTimeout(aChat, history, time.Minute); got != porcupine.Ok {
			h.t.Errorf("chat %d: %d operations are not linearizable: %s", chat, len(history), got)
		}
	}
}

// outcome of an operation.
type outcome int

const (
	done        outcome = iota
	nothingDone         // the answer says so, or there is none to a get
	unknown
)

// operate does an operation: a post until it is acknowledged, else once.
func (l *load) operate(path string, op operation) (result, outcome) {
	switch op.kind {
	case "post":
		var m struct {
			Number int64 `json:"message_number"`
		}
		l.insist(http.MethodPost, path, op.body, map[string]string{"body": op.body}, &m)
		return result{number: m.Number}, done
	case "edit":
		status, answer, err := l.send(http.MethodPut, fmt.Sprintf("%s/%d", path, op.number), "", map[string]string{"body": op.body})
		if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
			l.t.Errorf("edit %d: %d %s", op.number, status, answer)
		}
		var op *net.OpError
		switch {
		case errors.As(err, &op) && op.Op == "dial":
			return result{}, nothingDone
		case err == nil && status == http.StatusOK:
			return result{}, done
		case err == nil && strings.Contains(string(answer), "nothing was done"):
			return result{}, nothingDone
		}
		return result{}, unknown
	}
	status, answer, err := l.send(http.MethodGet, fmt.Sprintf("%s/%d", path, op.number), "", nil)
	switch {
	case err == nil && status == http.StatusNotFound:
		return result{}, done
	case err != nil || status != http.StatusOK:
		return result{}, nothingDone
	}
	var m struct{ Body string }
	if err := json.Unmarshal(answer, &m); err != nil {
		l.t.Error(err)
	}
	return result{body: m.Body}, done
}
