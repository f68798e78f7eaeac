package test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
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

func TestHistoriesOfAChatAreLinearizable(t *testing.T) {
	t.Parallel()
	s := newService(t, 2, 2)
	l := s.load(1, 0)
	path := "/applications/" + l.token + "/chats/1/messages"
	const clients, each = 4, 60
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	begin := time.Now()
	for c := range clients {
		wg.Go(func() {
			known := int64(0) // numbers that this client has seen given
			for i := range each {
				op := operation{kind: "post", body: fmt.Sprintf("client %d, operation %d", c, i)}
				switch r := rand.IntN(4); {
				case r == 0 && known > 0:
					op.kind, op.number = "edit", rand.Int64N(known)+1
				case r > 1 && known > 0:
					op = operation{kind: "get", number: rand.Int64N(known+2) + 1} // also ones that are not there yet
				}
				for tried := 0; ; tried++ {
					call := time.Since(begin).Nanoseconds()
					out, ok := l.operate(path, op)
					o := porcupine.Operation{ClientId: c, Input: op, Call: call, Output: out, Return: time.Since(begin).Nanoseconds()}
					if !ok && op.kind == "get" {
						break // a get that was not answered changes nothing
					}
					if !ok { // an edit of unknown outcome may take effect at any time from here on, as an operation of nobody's
						o.ClientId, o.Return = clients+c*1000+i*10+tried, math.MaxInt64
					}
					known = max(known, out.number)
					mu.Lock()
					history = append(history, o)
					mu.Unlock()
					if ok || l.t.Failed() {
						break
					}
					<-time.After(20 * time.Millisecond)
				}
				l.acked.Add(1)
			}
		})
	}
	for i := range 2 {
		l.more(clients * each / 6)
		s.pods[i].kill()
		s.flushers[i].kill()
		s.pods[i].start()
		s.flushers[i].start()
		s.pods[i].ready()
	}
	wg.Wait()
	if got := porcupine.CheckOperationsTimeout(aChat, history, time.Minute); got != porcupine.Ok {
		t.Fatalf("%d operations are not linearizable: %s", len(history), got)
	}
	t.Logf("%d operations are linearizable", len(history))
}

// operate does an operation: a post until it is acknowledged, else once; false: it was not answered, or with 503.
func (l *load) operate(path string, op operation) (result, bool) {
	switch op.kind {
	case "post":
		var m struct {
			Number int64 `json:"message_number"`
		}
		l.insist(http.MethodPost, path, op.body, map[string]string{"body": op.body}, &m)
		return result{number: m.Number}, true
	case "edit":
		status, answer, err := l.send(http.MethodPut, fmt.Sprintf("%s/%d", path, op.number), "", map[string]string{"body": op.body})
		if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
			l.t.Errorf("edit %d: %d %s", op.number, status, answer)
		}
		return result{}, err == nil && status == http.StatusOK
	}
	status, answer, err := l.send(http.MethodGet, fmt.Sprintf("%s/%d", path, op.number), "", nil)
	switch {
	case err == nil && status == http.StatusNotFound:
		return result{}, true
	case err != nil || status != http.StatusOK:
		return result{}, false
	}
	var m struct{ Body string }
	if err := json.Unmarshal(answer, &m); err != nil {
		l.t.Error(err)
	}
	return result{body: m.Body}, true
}
