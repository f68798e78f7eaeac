package monitor

import (
	"fmt"
	"strings"
	"time"

	"chat-system/flusher"
)

// finding is something that an operator should know, with what to do about it. Without any, the service keeps up.
type finding struct {
	Status string `json:"status"` // failed: clients notice it, or will; warning: they do not
	Text   string `json:"text"`
	Advice string `json:"advice"`
	Since  *int64 `json:"since"` // Unix milliseconds; null: not known

	Runbook string `json:"runbook"` // that says more
}

// findings are what a sample shows, the worst first. since tells since when an engine has been seen failing.
func (c *Config) findings(now *sample, since func(name string) *int64) []finding {
	var failed, warnings []finding
	fail := func(since *int64, runbook, text, advice string) {
		failed = append(failed, finding{"failed", text, advice, since, runbook})
	}
	warn := func(since *int64, runbook, text, advice string) {
		warnings = append(warnings, finding{"warning", text, advice, since, runbook})
	}
	redis, database, searching := now.Engines[0], now.Engines[1], now.Engines[2]
	if redis.Status == "failed" {
		fail(since(redis.Name), "ChatWritesFailing", "Nothing is accepted: "+redis.Name+" does not answer.",
			"Clients are answered 503 and try again; what was acknowledged is safe. Bring it back: all goes on by itself.")
	}
	if database.Status == "failed" {
		fail(since(database.Name), "ChatOldestEntryTooOld", "Nothing is stored: "+database.Name+" does not answer.",
			"What is accepted waits in the queue until that is full (QUEUE_MAX_ENTRIES). Bring it back: the queue is flushed by itself.")
	}
	p := judge(now)
	switch {
	case p.behind > 0 && p.leaderless > 0:
		fail(p.since, "ChatNoLeader", fmt.Sprintf("Not keeping up: nobody flushes %d of %d partitions.", p.leaderless, len(now.Partitions)),
			"Start a flusher. If some run, their log tells why they do not lead.")
	case p.behind > 0 && database.Status != "failed":
		fail(p.since, "ChatOldestEntryTooOld", fmt.Sprintf("Not keeping up: %d of %d partitions are behind.", p.behind, len(now.Partitions)),
			"If the log of the one who leads them tells of flushes that fail, it tells why. Else more is accepted than "+database.Name+
				" takes: docs/scaling.md tells what to raise.")
	case p.leaderless > 0:
		warn(nil, "ChatNoLeader", fmt.Sprintf("Nobody flushes %d of %d partitions.", p.leaderless, len(now.Partitions)),
			"Nothing waits in them yet. Start a flusher. If some run, their log tells why they do not lead.")
	}
	if p.crowded > 0 {
		warn(nil, "ChatQueueNearlyFull", fmt.Sprintf("The queue is nearly full: %d of %d partitions.", p.crowded, len(now.Partitions)),
			"Once it is full (QUEUE_MAX_ENTRIES), writes are answered 503. What keeps it from being flushed is the cause to look for.")
	}
	if n := now.Letters[flusher.StateOpen]; n > 0 {
		warn(nil, "ChatDeadLetters", plural(n, "accepted write could not be stored.", "accepted writes could not be stored."),
			"The page of dead letters tells why, and can retry or discard them.")
	}
	if searching.Status == "failed" {
		warn(since(searching.Name), "ChatSearchLag", "Search does not answer.", "Messages are accepted, stored and read, and can't be found. What is missing is indexed once it is back.")
	} else if p.searchLag >= behind.Milliseconds() {
		lag := time.Duration(p.searchLag) * time.Millisecond
		warn(nil, "ChatSearchLag", "Search is "+lag.Round(time.Second).String()+" behind.", "Messages are stored and read, and are found later. If that grows, "+searching.Name+" is the limit.")
	}
	if redis.Status == "warning" {
		warn(nil, "ChatRedisMemoryNearlyFull", redis.Detail, "At its bound nothing more is accepted. Give it more, or lower QUEUE_MAX_ENTRIES or FLUSHED_RETENTION.")
	}
	for _, weakness := range now.Durability {
		runbook := "ChatRedisNotDurable"
		if strings.HasPrefix(weakness, database.Name) {
			runbook = "ChatMySQLNotDurable"
		}
		warn(nil, runbook, weakness, "What is acknowledged may be lost if a server fails, until that is changed.")
	}
	return append(append([]finding{}, failed...), warnings...)
}

// judgement is what the partitions show together.
type judgement struct {
	behind     int
	leaderless int
	crowded    int
	since      *int64 // when the oldest entry was accepted that waits for too long
	searchLag  int64  // milliseconds, the longest
}

func judge(now *sample) (j judgement) {
	for _, p := range now.Partitions {
		if p.Leaderless {
			j.leaderless++
		}
		if p.Crowded {
			j.crowded++
		}
		if p.SearchLag != nil {
			j.searchLag = max(j.searchLag, *p.SearchLag)
		}
		if p.State != "behind" {
			continue
		}
		j.behind++
		if at := now.At - *p.Lag; j.since == nil || at < *j.since {
			j.since = &at
		}
	}
	return j
}
