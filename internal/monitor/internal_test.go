package monitor

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k := newKeys("a token")
	cookie := k.newCookie(now)
	if _, ok := newKeys("a token").session([]byte(cookie), now.Add(sessionTime-time.Minute)); !ok {
		t.Error("another pod does not take it")
	}
	other := []byte(cookie)
	other[20] ^= 1 // of the nonce
	for what, ok := range map[string]bool{
		"after its time":        second(k.session([]byte(cookie), now.Add(sessionTime+time.Second))),
		"with another token":    second(newKeys("another").session([]byte(cookie), now)),
		"with a byte changed":   second(k.session(other, now)),
		"empty":                 second(k.session(nil, now)),
		"the token itself":      second(k.session([]byte("a token"), now)),
		"without its signature": second(k.session([]byte(cookie[:32]), now)),
	} {
		if ok {
			t.Errorf("%s it is taken", what)
		}
	}
}

func second(_ []byte, ok bool) bool { return ok }

// The library is what was published as 1.6.32: nobody changed it here.
func TestTheChartLibraryIsUnchanged(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"uplot/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uplot/uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"uplot/LICENSE":           "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		if sum := sha256.Sum256(assets[name].content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is another file", name)
		}
	}
}

func TestALongBacklogIsEstimatedFromHowTheStreamGrew(t *testing.T) {
	t.Parallel()
	var b backlog
	at := func(seconds int64) chat.Version { return chat.VersionAt(1_000_000 + 1000*seconds) }
	stat := func(seconds, added int64) queue.Backlog {
		return queue.Backlog{Last: at(seconds), Added: added, Length: added, Above: -1}
	}
	for s := range int64(10) { // a thousand a second
		b.waiting(stat(s, 1000*s), at(0), 16)
	}
	if n, exact := b.waiting(stat(10, 10_000), at(4)+1, 16); n < 5_900 || n > 6_100 || exact {
		t.Errorf("%d %v, want about 6,000", n, exact)
	}
	if b.most(16) != 1 || new(backlog).most(16) != 100 || new(backlog).most(1024) != 1 {
		t.Error("more is counted than needs to be")
	}
	if n, _ := b.waiting(stat(10, 10_000), 1, 16); n != 10_000 {
		t.Errorf("from before anybody looked: %d", n)
	}
	if n, exact := b.waiting(queue.Backlog{Last: at(10), Added: 10_000, Length: 60, Above: 7}, at(10), 16); n != 7 || !exact {
		t.Errorf("counted: %d %v", n, exact)
	}
	if b.most(16) != 100 {
		t.Error("few are not counted any more")
	}
	b.waiting(stat(11, 5), at(4), 16) // another Redis
	if len(b.ticks) != 1 {
		t.Errorf("%d ticks of another Redis", len(b.ticks))
	}
}
