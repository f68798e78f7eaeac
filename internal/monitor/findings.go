package monitor

import (
	"cmp"
	"fmt"
	"slices"
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
	Since  *int64 `json:"since"` // Unix milliseconds; null: not known
	Seen   bool   `json:"seen"`  // it was seen then, and may be older

	Runbook string `json:"runbook"` // that says more
	Page    string `json:"page"`    // where something can be done; empty: nowhere here
}

// findings are what a sample shows, the worst first. since tells since when an engine has been seen failing.
func (c *Config) findings(now *sample, since func(name string) *int64) []finding {
	found := []finding{}
	redis, database, searching := now.Engines[0], now.Engines[1], now.Engines[2]
	p := judge(now)
	// away is an engine that does not answer: at the latest since the oldest entry waits for it.
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
		if redis.refusal != "" {
			f.Text = "Nothing is accepted: " + redis.Name + " takes no writes."
			f.Advice = fmt.Sprintf("It says «%s». Clients are answered 503 and try again; what was acknowledged is safe. Once it takes writes, all goes on by itself.", redis.refusal)
		}
		if redis.memory >= nearlyFull {
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
			Advice: "More is accepted than " + database.Name + " takes (docs/scaling.md tells what to raise), or flushes wait for a lock: the runbook tells how to find who holds it.",
		}
		if p.trouble != "" {
			f.Advice = fmt.Sprintf("Flushes fail, that of partition %d with «%s». It is tried again; the runbook tells what to do.", p.troubled, p.trouble)
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
			f.Advice += fmt.Sprintf(" The flushers get «%s».", p.searchTrouble)
		}
		found = append(found, away(searching, p.searchSince(now), f))
	case p.searchLag >= p.lag+behind.Milliseconds(): // what is not stored yet can't be found either
		f := finding{Status: "warning", Runbook: "ChatSearchLag", Since: p.searchSince(now), Text: "Search is behind."}
		switch {
		case p.searchTrouble != "":
			f.Advice = fmt.Sprintf("Messages are stored and read. They can't be put into the index: «%s». It is tried again; the runbook tells what to do.", p.searchTrouble)
		case p.filling:
			f.Advice = "Messages are stored and read. The index is being filled from " + database.Name + ", which takes its time."
		default:
			f.Advice = "Messages are stored and read, and are found later. If it falls further behind, " + searching.Name + " is the limit."
		}
		found = append(found, f)
	}
	if redis.Status == "warning" {
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
		of := redis
		if strings.HasPrefix(weakness, database.Name) {
			f.Runbook, of = "ChatMySQLNotDurable", database
		}
		if of.Status != "failed" { // else it can't be known
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(a.Status, b.Status) }) // failed comes before warning
	return found
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

	searchTrouble string // why search is behind
	filling       bool   // an index is filled from the tables
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
		j.filling = j.filling || p.Search == db.StateResync
		if p.State != "behind" {
			continue
		}
		j.behind++
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
