//go:build failpoint

package steps

import (
	"regexp"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

// act is one thing that the other side does while a pod is stopped.
type act func(s *scene)

// faults are what may happen at a step, by the name of the subtest.
var faults = map[string][]act{
	"nothing":                      {},
	"flushed":                      {flushed},
	"written":                      {written},
	"written, flushed":             {written, flushed},
	"emptied":                      {emptied},
	"emptied, written":             {emptied, written},
	"emptied, written, flushed":    {emptied, written, flushed},
	"flushed, emptied, written":    {flushed, emptied, written},
	"restarted":                    {restarted},
	"restarted, written, flushed":  {restarted, written, flushed},
	"older copy":                   {olderAtCursor},
	"older copy, written, flushed": {olderAtCursor, written, flushed},
	"behind":                       {olderBehindCursor},
	"behind, written, flushed":     {olderBehindCursor, written, flushed},
	"reopened":                     {reopened},
	"reopened, written, flushed":   {reopened, written, flushed},
	"written, emptied, restarted":  {written, emptied, restarted},
	"disconnected":                 {disconnected},
	"disconnected, flushed":        {disconnected, flushed},
	"answer lost":                  {answerLost},
	"answer lost, written":         {written, answerLost},
	"late":                         {late},
	"late, flushed":                {late, flushed},
	"late, emptied, written":       {late, emptied, written},
	"dies":                         {dies},
	"dies, emptied":                {dies, emptied},
	"dies, restarted, written":     {dies, restarted, written},
	"dies, written, flushed":       {dies, written, flushed},
	"the same":                     {same}, // of what lies in the tables alone
	"dies, the same":               {dies, same},
}

// flushed: another flusher takes the partition and stores what is accepted.
func flushed(s *scene) {
	s.b.flush()
	until(s.t, "the other flusher has stored everything, or waits", func() bool { return s.drained() || s.blocked(s.t) })
}

// written: another pod accepts a message, an edit of the same message, a chat and, under the same key, the same message.
func written(s *scene) {
	s.do("writing", func() {
		s.post(s.b, 1, "other", chat.Idempotency{})
		s.edit(s.b, 1, 2)
		if s.keyed != "" {
			s.resend()
		}
		if c := s.chat(s.b, chat.Idempotency{}); c > 0 {
			s.post(s.b, c, "in a new chat", chat.Idempotency{})
		}
	})
}

// same: another pod does what the stopped one does.
func same(s *scene) { s.do("the same", func() { s.again(s.b) }) }

func emptied(s *scene) {
	s.h.lose(s.t, s.world)
	if err := s.rdb.FlushAll(s.t.Context()).Err(); err != nil {
		s.t.Fatal(err)
	}
	s.h.lose(s.t, s.world) // what others, in the background, began since
}

// restarted: Redis is killed and comes back with everything, as another incarnation.
func restarted(s *scene) {
	s.redis.Kill()
	s.redis.Start()
}

func olderAtCursor(s *scene)     { s.ends() }
func olderBehindCursor(s *scene) { s.behind() }

// reopened: another pod opens the partitions in a higher generation.
func reopened(s *scene) { s.do("opening", s.reopen) }

// disconnected: the database ends every connection.
func disconnected(s *scene) {
	for id := range s.sessions(s.t) {
		_, _ = s.pool.ExecContext(s.t.Context(), "KILL "+id) // it may be gone
	}
}

// answerLost: the next thing that the stopped pod asks for is done, and its connection breaks in place of the answer.
func answerLost(s *scene) {
	s.database.loseAnswer()
	s.queue.loseAnswer()
}

// late: the pod goes on, and its next statement reaches the database when the pod has long given it up.
func late(s *scene) {
	s.late = s.database.holdRequest()
	s.h.free() // it may try again and be answered at any time
	s.release()
	s.await("a statement is on its way", s.late.arrived)
}

// dies: the pod ends where it is.
func dies(s *scene) {
	s.dies = true
	s.release()
	s.a.stop()
}

// copy keeps what Redis holds now, to come back with it under another replid.
func (s *scene) copy() (comeBack func()) {
	s.t.Helper()
	keys, err := s.rdb.Keys(s.t.Context(), "*").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	kept := map[string]*redis.StringCmd{}
	if _, err := s.rdb.Pipelined(s.t.Context(), func(pipe redis.Pipeliner) error {
		for _, k := range keys {
			kept[k] = pipe.Dump(s.t.Context(), k)
		}
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		s.h.lose(s.t, s.world)
		if _, err := s.rdb.TxPipelined(s.t.Context(), func(pipe redis.Pipeliner) error {
			pipe.FlushAll(s.t.Context())
			for k, v := range kept {
				pipe.Restore(s.t.Context(), k, 0, v.Val())
			}
			pipe.Do(s.t.Context(), "debug", "change-repl-id")
			return nil
		}); err != nil {
			s.t.Fatal(err)
		}
	}
}

var replid = regexp.MustCompile(`master_replid:(\w+)`)

// stale is what the Redis that runs now says to somebody in another generation.
func (s *scene) stale(gen int64) queue.Stale {
	info, err := s.rdb.Info(s.t.Context(), "replication").Result()
	m := replid.FindStringSubmatch(info)
	if err != nil || m == nil {
		s.t.Errorf("%q: %v", info, err)
		return queue.Stale{}
	}
	return queue.Stale{Replid: m[1], Generation: gen}
}
