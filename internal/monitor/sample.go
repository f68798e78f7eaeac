package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

const (
	sampleAge  = 900 * time.Millisecond // below the second after which a page asks again
	remembered = 15 * time.Minute       // that an engine was away
	unseen     = 10 * time.Second       // after which looking begins anew
	naming     = 4 * time.Second        // in which those who lead have said so, once somebody looks
	behind     = 10 * time.Second       // a lag that is no ordinary one
	standing   = 8 * time.Second        // without a flush, where some wait
	slow       = 300.0                  // milliseconds of an answer, which takes one or two
	crowded    = 0.8                    // of what a stream may hold
)

// sample is what is known at one moment. What could not be found out is null.
type sample struct {
	At         int64          `json:"at"`       // Unix milliseconds
	Accepted   *int64         `json:"accepted"` // writes that ever were; it begins anew with another Redis
	Flushed    *int64         `json:"flushed"`  // of those
	Partitions []partition    `json:"partitions"`
	Engines    []engine       `json:"engines"`
	Durability []string       `json:"durability"` // what weakens it, a sentence each
	Letters    map[string]int `json:"dead_letters"`
	Empty      *bool          `json:"empty"` // no message was ever stored; null: that is not known
	Findings   []finding      `json:"findings"`
}

// partition is how far one partition's stream has come.
type partition struct {
	Number     int    `json:"partition"`
	State      string `json:"state"`      // unknown, idle, flushing, refused, behind
	Waiting    *int64 `json:"waiting"`    // entries that are accepted and not in the database
	Exact      bool   `json:"exact"`      // whether those were counted
	Entries    *int64 `json:"entries"`    // of the stream, what is retained after its flush included
	Crowded    bool   `json:"crowded"`    // it is near the length at which writes are refused
	Lag        *int64 `json:"lag"`        // milliseconds that the oldest of those has waited
	Flushed    *int64 `json:"flushed_at"` // Unix milliseconds: when the last that is in the database was accepted; null: none yet
	Generation int64  `json:"generation"` // in which the partition is open
	Leader     string `json:"leader"`     // who flushes it; empty: nobody says so
	Leaderless bool   `json:"leaderless"` // nobody does
	Trouble    string `json:"trouble"`    // why flushes fail; empty: they don't, or it is not known
	SearchLag  *int64 `json:"search_lag"` // as lag, of search; null: search is off, or not known
	Search     string `json:"search"`     // follow, resync, or off

	SearchTrouble string `json:"search_trouble"` // as trouble, of search
	Refusal       string `json:"refusal"`        // why Redis takes no writes of it, though it answers; empty: it does, or it is not known
	Stands        *int64 `json:"stands"`         // milliseconds that nothing was flushed, as far as somebody looked; null: not known yet
}

// engine is how one of the engines does.
type engine struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warning, failed or off
	Detail string `json:"detail"`
	Millis int64  `json:"ms"`   // that it took to answer
	Away   *spell `json:"away"` // when it was seen away, a while ago; null: it was not

	memory int64 // percent of it that is used, where that is much
	slow   bool
	err    error // why it failed, for the log
}

// spell is a time, Unix milliseconds.
type spell struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// point is what charts remember of a sample.
type point struct {
	At       int64    `json:"at"`
	Accepted *int64   `json:"accepted"`
	Flushed  *int64   `json:"flushed"`
	Waiting  []*int64 `json:"waiting"` // by partition
	Lag      []*int64 `json:"lag"`
}

// cursors is how far the sinks are.
type cursors struct {
	database []db.FlushCursor
	search   [][]db.FlushCursor // by sink
}

// sampler takes samples.
type sampler struct {
	*Config
	redis    probe[redisAnswer]
	database probe[cursors]
	search   probe[struct{}]
	stored   probe[bool]
	letters  letterCount

	mu      sync.Mutex // held while sampling: whoever asks meanwhile waits and shares the answer
	at      time.Time
	begun   time.Time        // since when somebody has been looking
	failing map[string]int64 // engines that fail, and since when they have been seen so, Unix milliseconds
	away    map[string]spell // when engines did that are well again
	pace    map[string]pace  // of engines
	moved   []movement       // of the database's positions, by partition
	last    *sample
	history []point
	cursors cursors // the last that were read: while the database is away nothing moves them
	backlog []backlog
	written bool // a message was stored
}

// pace is how fast an engine answers, smoothed, and since when that has been slow.
type pace struct {
	millis float64
	since  int64 // Unix milliseconds; 0: it is not
}

// add takes in one more answer.
func (p pace) add(millis, now int64) pace {
	p.millis += (float64(millis) - p.millis) / 5
	switch {
	case p.millis < slow/2:
		p.since = 0
	case p.millis > slow && p.since == 0:
		p.since = now
	}
	return p
}

// movement is a partition's position, and since when it has been seen there.
type movement struct {
	position int64
	at       time.Time
	moved    bool // to there, which was seen, too
}

type redisAnswer struct {
	backlogs [][]queue.Backlog // by partition: of the database, then of each search index
	leaders  []queue.Leader    // by partition; nil: in local mode
	memory   queue.Memory
}

// sample gives the newest sample; with past, what was seen before, too.
func (s *sampler) sample(ctx context.Context, past bool) (newest *sample, history []point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || time.Since(s.at) > sampleAge {
		if time.Since(s.at) > unseen {
			s.begun, s.failing, s.pace = time.Now(), map[string]int64{}, map[string]pace{}
			s.moved = make([]movement, s.Queue.Partitions)
		}
		s.last = s.take(ctx)
		s.at = time.Now()
		s.remember(s.last)
	}
	if past {
		history = slices.Clone(s.history)
	}
	return s.last, history
}

// take asks the database first: Redis is asked for what lies above the positions that it gives.
func (s *sampler) take(ctx context.Context) *sample {
	now := &sample{At: time.Now().UnixMilli(), Durability: []string{}, Letters: map[string]int{}}
	var wg sync.WaitGroup
	var searching engine
	wg.Go(func() { searching = s.askSearch(ctx) })
	storing, known := s.askDatabase(ctx)
	caching, answer := s.askRedis(ctx)
	now.Letters, _ = s.letters.get(ctx, s.DB)
	if s.written || known {
		now.Empty = new(!s.written)
	}
	wg.Wait()
	now.Engines = []engine{caching, storing, searching}
	if s.Durability != nil {
		now.Durability = append(now.Durability, s.Durability()...)
	}
	if answer == nil || slices.ContainsFunc(answer.leaders, func(l queue.Leader) bool { return l.Refusal != "" }) {
		s.begun = time.Now() // they were not all asked to say so
	}
	s.partitions(now, answer)
	for i, e := range now.Engines {
		if e.Status != "failed" && e.Status != "off" {
			s.pace[e.Name] = s.pace[e.Name].add(e.Millis, now.At)
			now.Engines[i].slow = s.pace[e.Name].since > 0
		}
		since, failing := s.failing[e.Name]
		switch {
		case e.Status != "failed" && failing:
			s.away[e.Name] = spell{since, now.At}
			delete(s.failing, e.Name)
		case e.Status == "failed" && !failing:
			s.failing[e.Name] = now.At
			s.Log.Warn("the monitoring page finds an engine that fails", "engine", e.Name, "error", e.err)
		}
		if a, was := s.away[e.Name]; was && now.At-a.To < remembered.Milliseconds() {
			now.Engines[i].Away = &a
		}
	}
	now.qualify()
	now.Findings = s.findings(now, func(name string) *int64 {
		if p := s.pace[name]; s.failing[name] == 0 && p.since > 0 {
			return &p.since
		}
		return new(s.failing[name])
	})
	return now
}

// askDatabase also says whether it is known that a message was stored, or that none was.
func (s *sampler) askDatabase(ctx context.Context) (e engine, known bool) {
	c, took, err := s.database.ask(ctx, s.readCursors)
	if err != nil {
		return engine{Name: s.Names.Database, Status: "failed", Detail: "It does not answer: what is accepted waits in the queue.", Millis: took.Milliseconds(), err: err}, false
	}
	s.cursors = c
	if !s.written {
		s.written, _, err = s.stored.ask(ctx, func(ctx context.Context) (bool, error) {
			one, err := s.DB.ScanMessages(ctx, db.Message{}, 1)
			return len(one) > 0, err
		})
	}
	return engine{Name: s.Names.Database, Status: "ok", Millis: took.Milliseconds()}, err == nil
}

func (s *sampler) readCursors(ctx context.Context) (c cursors, err error) {
	if c.database, err = s.DB.Cursors(ctx, db.SinkDatabase); err != nil {
		return c, err
	}
	sinks, err := s.DB.SearchSinks(ctx)
	for _, sink := range sinks {
		if err != nil {
			break
		}
		var rows []db.FlushCursor
		rows, err = s.DB.Cursors(ctx, sink)
		c.search = append(c.search, rows)
	}
	return c, err
}

func (s *sampler) askRedis(ctx context.Context) (engine, *redisAnswer) {
	sinks := append([][]db.FlushCursor{s.cursors.database}, s.cursors.search...)
	var above []queue.Above
	for p := range s.Queue.Partitions {
		for i, rows := range sinks {
			most := 1 // of search the oldest alone is shown
			if i == 0 {
				most = s.Queue.Counted(s.backlog[p].most(s.Queue.Partitions))
			}
			var at chat.Version // 0: nothing is stored yet
			if r := slices.IndexFunc(rows, func(c db.FlushCursor) bool { return int(c.PartitionID) == p }); r >= 0 {
				at = chat.Version(rows[r].Position)
			}
			above = append(above, queue.Above{Partition: p, Version: at, Most: most})
		}
	}
	a, took, err := s.redis.ask(ctx, func(ctx context.Context) (a redisAnswer, err error) {
		all, err := s.Queue.Backlogs(ctx, above)
		if err == nil {
			a.backlogs = slices.Collect(slices.Chunk(all, len(sinks)))
			a.memory, err = s.Queue.Memory(ctx)
		}
		if err == nil && !s.Local {
			a.leaders, err = s.Queue.Leaders(ctx)
		}
		return a, err
	})
	e := engine{Name: s.Names.Redis, Status: "ok", Millis: took.Milliseconds()}
	switch {
	case err != nil:
		e.Status, e.Detail, e.err = "failed", "It does not answer: nothing can be accepted.", err
		return e, nil
	case len(a.backlogs[0]) != len(sinks): // the answer to an older question
		return e, nil
	case a.memory.Crowded():
		e.Status, e.memory = "warning", 100*a.memory.Used/a.memory.Max
		e.Detail = fmt.Sprintf("It uses %d %% of its memory.", e.memory)
	}
	if i := slices.IndexFunc(a.leaders, func(l queue.Leader) bool { return l.Refusal != "" }); i >= 0 {
		e.Status, e.Detail, e.err = "failed", "It answers, and takes no writes.", errors.New(a.leaders[i].Refusal)
	}
	return e, &a
}

func (s *sampler) askSearch(ctx context.Context) engine {
	if s.Index == nil {
		return engine{Name: s.Names.Search, Status: "off", Detail: "Search is switched off."}
	}
	_, took, err := s.search.ask(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.Index.Ready(ctx) })
	if err != nil {
		return engine{Name: s.Names.Search, Status: "failed", Detail: "It does not answer: messages are accepted, stored and read, and not found.", Millis: took.Milliseconds(), err: err}
	}
	return engine{Name: s.Names.Search, Status: "ok", Millis: took.Milliseconds()}
}

// recount makes the next sample count dead letters, after some were dealt with.
func (s *sampler) recount() {
	s.letters.forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
}

// partitions puts together what the database and Redis said. Without the database's positions nothing is known to wait.
func (s *sampler) partitions(now *sample, a *redisAnswer) {
	var accepted, flushed int64
	known := a != nil && len(s.cursors.database) > 0
	for p := range s.Queue.Partitions {
		row := partition{Number: p, State: "unknown", Search: "off"}
		if a != nil && a.leaders != nil {
			l := a.leaders[p]
			row.Leader, row.Trouble, row.SearchTrouble, row.Refusal = l.Name, l.Trouble, l.SearchTrouble, l.Refusal
			row.Leaderless = row.Leader == "" && time.Since(s.begun) > naming
		}
		if i := slices.IndexFunc(s.cursors.database, func(c db.FlushCursor) bool { return int(c.PartitionID) == p }); i >= 0 {
			c := s.cursors.database[i]
			row.Generation = c.Gen
			if m := &s.moved[p]; m.at.IsZero() || m.position != c.Position {
				*m = movement{c.Position, time.Now(), !m.at.IsZero()}
			}
			if stands := time.Since(s.moved[p].at); s.moved[p].moved || stands >= standing {
				row.Stands = new(stands.Milliseconds())
			}
			if c.Position > 0 {
				row.Flushed = new(chat.Version(c.Position).Millis())
			}
			if a != nil {
				n := s.read(&row, a.backlogs[p], chat.Version(c.Position))
				known = known && n >= 0
				accepted, flushed = accepted+n, flushed+n-*row.Waiting
			}
		} else if a != nil {
			row.Entries = new(a.backlogs[p][0].Length)
		}
		for _, rows := range s.cursors.search {
			for _, c := range rows {
				if int(c.PartitionID) == p && row.Search != db.StateResync {
					row.Search = c.State
				}
			}
		}
		now.Partitions = append(now.Partitions, row)
	}
	if !known && s.Local && a != nil { // its Redis does not count, and this process accepts all there is
		accepted, known = s.Queue.Accepted(), true
		flushed = accepted
		for _, p := range now.Partitions {
			if p.Waiting != nil {
				flushed -= *p.Waiting
			}
		}
	}
	if known {
		now.Accepted, now.Flushed = &accepted, &flushed
	}
}

// read fills in what Redis says of a partition; it gives how many entries were ever added, -1 where that is not known.
func (s *sampler) read(row *partition, of []queue.Backlog, position chat.Version) int64 {
	seen := of[0]
	n, exact := s.backlog[row.Number].waiting(seen, position, s.Queue.Partitions)
	age := func(b queue.Backlog) *int64 {
		if b.Oldest == 0 {
			return new(int64(0))
		}
		return new(max(0, b.Millis-b.Oldest.Millis()))
	}
	row.Waiting, row.Exact, row.Entries, row.Lag = &n, exact, new(seen.Length), age(seen)
	row.Crowded = float64(seen.Length) >= crowded*float64(s.Queue.Share())
	for _, b := range of[1:] {
		if a := age(b); row.SearchLag == nil || *a > *row.SearchLag {
			row.SearchLag = a
		}
	}
	switch {
	case row.Refusal != "" && *row.Lag < behind.Milliseconds():
		row.State = "refused"
	case n == 0:
		row.State = "idle"
	case *row.Lag < behind.Milliseconds():
		row.State = "flushing"
	default:
		row.State = "behind"
	}
	return seen.Added
}

func (s *sampler) remember(now *sample) {
	p := point{At: now.At, Accepted: now.Accepted, Flushed: now.Flushed}
	for _, row := range now.Partitions {
		p.Waiting, p.Lag = append(p.Waiting, row.Waiting), append(p.Lag, row.Lag)
	}
	most := max(1, min(ticks, ticks*64/s.Queue.Partitions)) // with very many partitions they are large
	if len(s.history) >= most {
		s.history = append(s.history[:0], s.history[len(s.history)-most+1:]...)
	}
	s.history = append(s.history, p)
}
