package test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// outage is how long MySQL is away. It is the promise itself, and no shorter one would do: connections and requests have
// run into every timeout by then.
const outage = 30 * time.Second

func TestPostsGoOnWhileMySQLIsAway(t *testing.T) {
	t.Parallel()
	t.Run("hanging", func(t *testing.T) {
		t.Parallel()
		s := newService(t, 2, 1)
		s.mysqlIsAway(s.mysql.Pause, s.mysql.Resume)
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		s := newService(t, 2, 1)
		s.mysqlIsAway(s.mysql.Kill, s.mysql.Start)
	})
}

func (s *service) mysqlIsAway(goes, comes func()) {
	t := s.t
	t.Helper()
	l := s.newLoad(loadOptions{chats: 5, writers: 3, posts: true})
	l.more(between)
	l.storesAll(s)
	reads := newClient(t, s.addrs(), 10)
	reads.http.Timeout = 20 * time.Second // above what a pod gives a request
	goes()
	byRedis := s.refusedByRedis()
	begin, refused, cut := time.Now(), l.refused.Load(), l.cut.Load()
	for time.Since(begin) < outage && !t.Failed() {
		acked := l.acked.Load()
		var wg sync.WaitGroup
		for _, r := range []struct{ method, path string }{
			{"GET", l.path(1) + "/1"}, // stored long ago
			{"GET", fmt.Sprintf("%s/%d", l.path(1), 1<<40)},
			{"GET", l.path(2)},
			{"GET", fmt.Sprintf("/applications/%s/chats/3", l.token)},
			{"GET", "/applications/" + l.token},
			{"GET", "/applications/somebody"},
			{"PUT", l.path(1) + "/1"},
		} {
			wg.Go(func() {
				var body any
				if r.method == "PUT" {
					body = map[string]string{"body": "an edit"}
				}
				if status, got, err := reads.send(r.method, r.path, "", body); err != nil || status != http.StatusServiceUnavailable {
					t.Errorf("%s %s while MySQL is away: %d %s %v", r.method, r.path, status, got, err)
				}
			})
		}
		for _, pod := range s.pods {
			wg.Go(pod.ready) // else a cluster would send it nothing
		}
		wg.Wait()
		l.more(20)
		if l.acked.Load() < acked+20 {
			t.Error("posts do not go on")
		}
		<-time.After(200 * time.Millisecond)
	}
	if r, c := l.refused.Load()-refused, l.cut.Load()-cut; r+c > s.refusedByRedis()-byRedis {
		t.Errorf("of the posts to known chats %d were refused and %d not answered", r, c)
	}
	comes()
	l.more(between)
	l.check(s)
}

// refusedByRedis counts the writes that Redis did not take in time: on a disk that is busy it may hang as well.
func (s *service) refusedByRedis() (n int64) {
	for _, pod := range s.pods {
		for _, reason := range []string{"redis", "late", "waiting"} {
			n += int64(pod.metric(fmt.Sprintf("chat_refused_writes_total{reason=%q}", reason)))
		}
	}
	return n
}
