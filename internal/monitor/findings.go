package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/queue"
)

const nearlyFull = 90 // percent of Redis' memory: what is little is soon used up

// finding is something that an operator should know, with what to do about it. Without any, the service keeps up.
type finding struct {
	Status string `json:"status"` // failed: clients notice it, or will; warning: they do not
	Text   string `json:"text"`
	Advice string `json:"advice"`
	Since  *int64 `json:"since"`  // Unix milliseconds; null: not known
	Seen   bool   `json:"seen"`   // it was seen then, and may be older
	Newest *int64 `json:"newest"` // likewise: when the newest that is stored was accepted; null: that says nothing here

	Runbook string `json:"runbook"` // that says more
	Page    string `json:"page"`    // where something can be done; empty: nowhere here
}

// findings are what a sample shows, the worst first. since tells since when an engine has been seen failing.
func (c *Config) findings(now *sample, since func(name string) *int64) []finding {
	found := []finding{}
	redis, database, searching := now.Engines[0], now.Engines[1], now.Engines[2]
	p := judge(now)
	// away is an engine that fails: at the latest since the oldest entry waits for it.
	away := func(e engine, oldest *int64, f finding) finding {
		f.Since, f.Seen = since(e.Name), true
		if oldest != nil && f.Since != nil && *oldest < *f.Since {
			f.Since, f.Seen = oldest, false
		}
		return f
	}
	if redis.Status == "failed" {
		f := finding{
			Status: "failed", Runbook: "ChatWritesFailing", Text: "Nothing is accepted: " + redis.Name + " does not answer.",
			Advice: "Clients are answered 503 and try again; what was acknowledged is safe. Bring it back: all goes on by itself.",
		}
		if p.newest > 0 {
			f.Newest = &p.newest
		}
		if p.refusing > 0 {
			f.Text = "Nothing is accepted: " + redis.Name + " takes no writes."
			if p.refusing < len(now.Partitions) {
				f.Text, f.Newest = fmt.Sprintf("%d of %d partitions accept nothing: their %s takes no writes.", p.refusing, len(now.Partitions), redis.Name), nil
			}
			f.Advice = fmt.Sprintf("It says %s. Clients are answered 503 and try again; what was acknowledged is safe. Once it takes writes, all goes on by itself.", quote(p.refusal))
		}
		if strings.HasPrefix(p.refusal, "OOM ") {
			f.Runbook = "ChatRedisMemoryNearlyFull"
		}
		found = append(found, away(redis, nil, f))
	}
	if database.Status == "failed" {
		found = append(found, away(database, p.since, finding{
			Status: "failed", Runbook: "ChatOldestEntryTooOld", Text: "Nothing is stored: " + database.Name + " does not answer.",
			Advice: "What is accepted waits in the queue until that is full" + p.room(c.Queue) + ". Bring it back: the queue is flushed by itself.",
		}))
	}
	switch {
	case p.behind > 0 && p.leaderless > 0:
		found = append(found, finding{
			Status: "failed", Runbook: "ChatNoLeader", Since: p.since, Text: fmt.Sprintf("Not keeping up: nobody flushes %d of %d partitions.", p.leaderless, len(now.Partitions)),
			Advice: "Start a flusher. If some run, their log tells why they do not lead.",
		})
	case p.behind > 0 && database.Status != "failed":
		f := finding{
			Status: "failed", Runbook: "ChatOldestEntryTooOld", Since: p.since, Text: fmt.Sprintf("Not keeping up: %d of %d partitions behind, most of all %d.", p.behind, len(now.Partitions), p.last),
		}
		switch {
		case p.trouble != "":
			f.Advice = fmt.Sprintf("Flushes fail, that of partition %d with %s. It is tried again; the runbook tells what to do.", p.troubled, quote(p.trouble))
		case p.standing > 0:
			f.Advice = fmt.Sprintf("%s answers, and in %d of them nothing was stored for %d s: flushes hang, most likely for a lock. The runbook tells how to find who holds it.", database.Name, p.standing, p.stands/1000)
		case p.unsure:
			f.Advice = "Flushes hang, or more is accepted than " + database.Name + " takes: some seconds of looking tell which."
		default:
			f.Advice = "More is accepted than " + database.Name + " takes: docs/scaling.md tells what to raise."
		}
		found = append(found, f)
	case p.leaderless > 0:
		found = append(found, finding{
			Status: "warning", Runbook: "ChatNoLeader", Text: fmt.Sprintf("Nobody flushes %d of %d partitions.", p.leaderless, len(now.Partitions)),
			Advice: "Nothing waits in them yet. Start a flusher. If some run, their log tells why they do not lead.",
		})
	}
	if p.crowded > 0 {
		found = append(found, finding{
			Status: "warning", Runbook: "ChatQueueNearlyFull", Text: fmt.Sprintf("The queue is nearly full: %d of %d partitions.", p.crowded, len(now.Partitions)),
			Advice: "Once it is full (QUEUE_MAX_ENTRIES), writes are answered 503. What keeps it from being flushed is the cause to look for.",
		})
	}
	if n := now.Letters[flusher.StateOpen]; n > 0 {
		found = append(found, finding{
			Status: "warning", Runbook: "ChatDeadLetters", Page: "/monitor/dead-letters", Text: plural(n, "accepted write could not be stored.", "accepted writes could not be stored."),
			Advice: "The page of dead letters tells why, and can retry or discard them.",
		})
	}
	switch {
	case searching.Status == "failed":
		f := finding{
			Status: "warning", Runbook: "ChatSearchLag", Text: "Search does not answer.",
			Advice: "Messages are accepted, stored and read, and the newest can't be found. What is missing is indexed once it is back.",
		}
		if p.searchTrouble != "" {
			f.Advice += fmt.Sprintf(" Flushers get %s.", quote(p.searchTrouble))
		}
		found = append(found, away(searching, p.searchSince(now), f))
	case p.searchLag >= p.lag+behind.Milliseconds(): // what is not stored yet can't be found either
		f := finding{Status: "warning", Runbook: "ChatSearchLag", Since: p.searchSince(now), Text: "Search is behind."}
		switch {
		case p.lagTrouble != "":
			f.Advice = fmt.Sprintf("Messages are stored and read. They can't be put into the index: %s. It is tried again; the runbook tells what to do.", quote(p.lagTrouble))
		case p.filling:
			f.Advice = "Messages are stored and read. An index is being filled from " + database.Name + ", which takes its time. If that is a reindex, searches use the old one meanwhile."
		default:
			f.Advice = "Messages are stored and read, and are found later. If it falls further behind, " + searching.Name + " is the limit."
		}
		found = append(found, f)
	}
	for i, e := range now.Engines {
		if !e.slow {
			continue
		}
		found = append(found, finding{
			Status: "warning", Since: since(e.Name), Seen: true, Text: e.Name + " is slow.",
			Runbook: []string{"ChatWritesFailing", "ChatOldestEntryTooOld", "ChatSearchLag"}[i],
			Advice: []string{
				"Each write waits for it, and times out if it becomes slower. Look at its processor, its disk and the network.",
				"What is accepted is stored later, and reads take longer. Look at its processor, its disk and the network.",
				"Searches take longer. Look at its processor, its disk and the network.",
			}[i],
		})
	}
	if redis.memory > 0 && redis.Status != "failed" {
		status := "warning"
		if redis.memory >= nearlyFull {
			status = "failed"
		}
		found = append(found, finding{
			Status: status, Runbook: "ChatRedisMemoryNearlyFull", Text: fmt.Sprintf("%s uses %d %% of its memory.", redis.Name, redis.memory),
			Advice: "At its bound nothing more is accepted. Give it more, or lower QUEUE_MAX_ENTRIES or FLUSHED_RETENTION.",
		})
	}
	for _, weakness := range now.Durability {
		f := finding{Status: "warning", Runbook: "ChatRedisNotDurable", Text: weakness, Advice: "What is acknowledged may be lost if a server fails, until that is changed."}
		unknown := redis.Status == "failed" && p.refusing == 0
		if strings.HasPrefix(weakness, database.Name) {
			f.Runbook, unknown = "ChatMySQLNotDurable", database.Status == "failed"
		}
		if !unknown {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(a.Status, b.Status) }) // failed comes before warning
	return found
}

// quote is what an engine said, within a sentence.
func quote(said string) string { return "«" + strings.TrimRight(said, " .;") + "»" }

// qualify says of engines that answer what else they don't do, so that they are not told as well beside a finding.
func (s *sample) qualify() {
	j := judge(s)
	but := [...]string{"", "", ""} // Redis, the database, search
	switch {
	case j.standing > 0:
		but[1] = "It answers, and stores nothing."
	case j.trouble != "":
		but[1] = "It answers, and flushes fail."
	}
	if j.searchTrouble != "" {
		but[2] = "It answers, and does not take what is to be indexed."
	}
	for i := range s.Engines {
		e := &s.Engines[i]
		if e.slow {
			but[i] = cmp.Or(but[i], "It is slow: it answers in "+strconv.FormatInt(e.Millis, 10)+" ms.")
		}
		if e.Status == "ok" && but[i] != "" {
			e.Status, e.Detail = "warning", but[i]
		}
	}
}

// judgement is what the partitions show together.
type judgement struct {
	behind     int
	leaderless int
	crowded    int
	since      *int64 // when the oldest entry was accepted that waits for too long
	last       int    // in which partition that is
	lag        int64  // milliseconds, the longest
	searchLag  int64  // likewise, of search
	waiting    int64  // entries
	trouble    string // why flushes of a partition that is behind fail
	troubled   int    // which

	searchTrouble string // why a partition's messages can't be put into an index
	lagTrouble    string // why one's that is behind can't
	filling       bool   // an index is filled from the tables
	refusing      int    // partitions of which Redis takes no writes
	refusal       string // why
	standing      int    // partitions that are behind, and in which nothing was stored for a while
	stands        int64  // for how many milliseconds at least
	unsure        bool   // of one that is behind nothing is known of that yet
	newest        int64  // Unix milliseconds: when the newest that is stored was accepted
}

func judge(now *sample) (j judgement) {
	for _, p := range now.Partitions {
		if p.Leaderless {
			j.leaderless++
		}
		if p.Crowded {
			j.crowded++
		}
		if p.Waiting != nil {
			j.waiting += *p.Waiting
		}
		if p.Lag != nil {
			j.lag = max(j.lag, *p.Lag)
		}
		if p.SearchLag != nil {
			j.searchLag = max(j.searchLag, *p.SearchLag)
		}
		j.searchTrouble = cmp.Or(j.searchTrouble, p.SearchTrouble)
		if p.SearchLag != nil && p.Lag != nil && *p.SearchLag >= *p.Lag+behind.Milliseconds() {
			j.lagTrouble = cmp.Or(j.lagTrouble, p.SearchTrouble)
		}
		if p.Refusal != "" {
			j.refusing++
			j.refusal = cmp.Or(j.refusal, p.Refusal)
		}
		j.filling = j.filling || p.Search == db.StateResync
		if p.Flushed != nil {
			j.newest = max(j.newest, *p.Flushed)
		}
		if p.State != "behind" {
			continue
		}
		j.behind++
		switch {
		case p.Stands == nil:
			j.unsure = true
		case *p.Stands >= standing.Milliseconds():
			if stands := min(*p.Stands, *p.Lag); j.standing == 0 || stands < j.stands { // it may have been idle before
				j.stands = stands
			}
			j.standing++
		}
		if at := now.At - *p.Lag; j.since == nil || at < *j.since {
			j.since, j.last = &at, p.Number
		}
		if p.Trouble != "" && j.trouble == "" {
			j.trouble, j.troubled = p.Trouble, p.Number
		}
	}
	return j
}

// searchSince is when the oldest message was accepted that can't be found yet; nil: they all can.
func (j *judgement) searchSince(now *sample) *int64 {
	if j.searchLag == 0 {
		return nil
	}
	return new(now.At - j.searchLag)
}

// room tells how full the queue is, where that is known.
func (j *judgement) room(q *queue.Queue) string {
	if q == nil || j.waiting == 0 {
		return " (QUEUE_MAX_ENTRIES)"
	}
	return fmt.Sprintf(": %s of %s entries are in it", number64(j.waiting), number64(q.MaxEntries))
}
