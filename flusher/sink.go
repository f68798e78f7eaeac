package flusher

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

const (
	sinkTick  = 200 * time.Millisecond
	sinkPage  = 1000 // rows of one page of a resync
	stepTime  = time.Minute
	patience  = 10 * time.Second // for a sink that lags while a stream is too long
	tablePage = 500
)

// sink follows into one index.
type sink struct {
	*sinks
	name   string
	index  search.Index
	log    *slog.Logger
	failed bool // the last step
	first  int  // which of the partitions that are led the next step begins with
	most   int  // messages that are written at once: fewer where so many take too long
}

func newSink(s *sinks, name string) *sink {
	return &sink{sinks: s, name: name, index: s.indexes.At(name), log: s.f.Log.With("sink", name), most: page * s.f.Partitions}
}

func (s *sink) run(ctx context.Context) {
	defer s.failing(s.name, nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := minPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := sinkTick
		more, err := s.step(ctx)
		s.failed = err != nil
		s.failing(s.name, err)
		switch {
		case err != nil && ctx.Err() == nil:
			s.f.metrics.failures.WithLabelValues(sinkSearch).Inc()
			withTrace(s.log, err).Warn("search is behind; it is tried again", "error", err, "pause", pause.String())
			next = pause
			pause = min(2*pause, maxPause)
		case more:
			next, pause = 0, minPause
		default:
			pause = minPause
		}
		timer.Reset(next)
	}
}

// step brings the index up to what the database has committed in the partitions that are led, as far as one bulk request
// goes.
func (s *sink) step(run context.Context) (more bool, err error) {
	led := s.f.led()
	if len(led) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(run, s.f.StepTime)
	defer cancel()
	cursors, err := s.f.db.Cursors(ctx, s.name)
	if err != nil {
		return false, err
	}
	s.at("sink.cursors")
	committed, err := s.f.db.Cursors(ctx, db.SinkDatabase)
	s.at("sink.committed")
	if err != nil {
		return false, err
	}
	if len(cursors) != s.f.Partitions || len(committed) != s.f.Partitions {
		return false, errors.New("flusher: not every partition has a cursor")
	}
	if err = s.shed(ctx, cursors, led); err != nil {
		return false, err
	}
	var moves []move
	var filling []db.FlushCursor
	size, entries := 0, 0
	for n := range led { // in turn: where one step does not take all, the next one begins with the rest
		turn := (s.first + n) % len(led)
		i := led[turn]
		c := cursors[i]
		s.backlogs.at(s.name, i).place(chat.Version(c.Position))
		if c.State == db.StateResync {
			filling = append(filling, c)
			continue
		}
		s.keeps.set(s.name, i, chat.Version(c.Position))
		if c.Position >= committed[i].Position {
			continue
		}
		if size >= maxBytes || entries >= s.most {
			s.first, more = turn, true
			break
		}
		m, err := s.read(ctx, c, committed[i], min(page, s.most-entries))
		if err != nil {
			return false, err
		}
		size, entries = size+m.size, entries+len(m.passed)
		more = more || m.full
		moves = append(moves, m)
	}
	start := time.Now()
	if err := s.put(ctx, moves); err != nil {
		return false, err
	}
	if entries >= s.most && len(filling) == 0 && time.Since(start) < s.f.StepTime/4 { // a filling that fails begins again
		s.most = min(2*s.most, page*s.f.Partitions)
	}
	if len(filling) > 0 {
		return true, s.resync(run, filling) // which takes longer than one request
	}
	return more, nil
}

// turn makes a sink that follows one that is filled from the tables, unless somebody else moved it.
func (s *sink) turn(ctx context.Context, c db.FlushCursor) error {
	n, err := s.f.db.AdvanceSink(ctx, db.AdvanceSinkParams{
		Position: c.Position, PositionGen: c.PositionGen, State: db.StateResync,
		PartitionID: c.PartitionID, Sink: s.name, OldPosition: c.Position, OldPositionGen: c.PositionGen, OldState: db.StateFollow,
	})
	if n > 0 {
		s.f.metrics.resyncs.Inc()
		s.log.Info("search is filled from the database: the stream does not reach back to where it was", "partition", c.PartitionID)
	}
	return err
}

// move is what one step brings into the index from one partition.
type move struct {
	from, to db.FlushCursor
	passed   []queue.Entry
	messages []chat.Message
	traced   []tracedMessage
	size     int  // of what was read
	full     bool // there is more to read
}

// tracedMessage is a sampled entry whose message is among those of a batch.
type tracedMessage struct {
	of    queue.TraceContext
	index int
}

// read takes what follows on the sink's cursor, up to the committed one and at most so many entries.
func (s *sink) read(ctx context.Context, c, committed db.FlushCursor, limit int) (m move, err error) {
	m = move{from: c, to: c}
	p := int(c.PartitionID)
	b, err := s.f.queue.Read(ctx, p, queue.Position{Version: chat.Version(c.Position), Generation: c.PositionGen}, limit)
	if err != nil {
		return m, err
	}
	s.at("sink.read")
	if b.Stale.Generation != committed.Gen {
		return m, nil // another Redis than the one whose writes were committed: until it is opened it may hold others
	}
	if !b.Follows {
		return m, s.turn(ctx, c)
	}
	dead, err := s.f.db.DeadVersions(ctx, db.DeadVersionsParams{PartitionID: c.PartitionID, Above: c.Position, ToVersion: committed.Position})
	if err != nil {
		return m, err
	}
	s.at("sink.dead")
	refused := map[chat.Version]bool{}
	for _, v := range dead {
		refused[chat.Version(v)] = true
	}
	at := map[queue.Place]int{}
	m.full = len(b.Entries) == limit
	for i := range b.Entries {
		e := &b.Entries[i]
		if int64(e.Version) > committed.Position {
			m.full = false
			break
		}
		m.to.Position, m.to.PositionGen, m.passed = int64(e.Version), e.Generation, b.Entries[:i+1]
		m.size += e.Size()
		if (e.Kind != queue.MessageCreated && e.Kind != queue.MessageEdited) || refused[e.Version] {
			continue
		}
		k := queue.Place{Scope: e.Scope, Number: e.Number}
		n, ok := at[k]
		if !ok {
			n = len(m.messages)
			at[k] = n
			m.messages = append(m.messages, chat.Message{})
		}
		m.messages[n] = chat.Message{ // the last write of a message in the page holds all of it
			ApplicationID: e.Scope.Application, ChatNumber: e.Scope.Chat, Number: e.Number, Body: e.Body, Version: e.Version,
			CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
		}
		if s.f.Tracer != nil && e.Trace.Sampled() {
			m.traced = append(m.traced, tracedMessage{e.Trace, n})
		}
	}
	return m, nil
}

// put writes the messages, then moves the cursors; what the index refuses for its data becomes a dead letter of this sink.
func (s *sink) put(ctx context.Context, moves []move) error {
	var messages []chat.Message
	var partitions []int32
	var of []queue.TraceContext
	for i, m := range moves {
		for t := range m.traced {
			moves[i].traced[t].index += len(messages)
			of = append(of, m.traced[t].of)
		}
		for range m.messages {
			partitions = append(partitions, m.from.PartitionID)
		}
		messages = append(messages, m.messages...)
	}
	ctx, span := s.f.batchSpan(ctx, "index", of, attribute.String("chat.sink", s.name), attribute.Int("chat.partitions", len(moves)),
		attribute.Int("chat.entries", len(messages)))
	refusals, moved, err := s.putAndMove(ctx, moves, messages, partitions)
	if err = span.end(err, len(messages)-len(refusals), len(refusals)); err != nil {
		return err
	}
	for _, m := range moved {
		b := s.backlogs.at(s.name, int(m.from.PartitionID))
		b.pass(m.passed)
		s.f.metrics.lagged(sinkSearch, b.age(m.passed[0].Version))
		for _, t := range m.traced {
			refused := slices.ContainsFunc(refusals, func(r search.Refusal) bool { return r.Index == t.index })
			span.entry(ctx, "indexed", t.of, refused, attribute.String("chat.sink", s.name), attribute.Int("chat.partition", int(m.from.PartitionID)))
		}
	}
	return nil
}

// putAndMove gives what was refused, and the moves that it made.
func (s *sink) putAndMove(ctx context.Context, moves []move, messages []chat.Message, partitions []int32) (refusals []search.Refusal, moved []move, err error) {
	refusals, err = s.write(ctx, messages)
	s.at("sink.put")
	if err != nil {
		return nil, nil, err
	}
	err = s.f.db.WithTx(ctx, func(q *db.Queries) error {
		moved = nil
		for _, m := range moves {
			if m.to.Position == m.from.Position {
				continue
			}
			n, err := q.AdvanceSink(ctx, db.AdvanceSinkParams{ // where it moves nothing, somebody else put the same
				Position: m.to.Position, PositionGen: m.to.PositionGen, State: db.StateFollow,
				PartitionID: m.from.PartitionID, Sink: s.name, OldPosition: m.from.Position, OldPositionGen: m.from.PositionGen,
				OldState: db.StateFollow,
			})
			if err != nil {
				return err
			}
			if n > 0 {
				moved = append(moved, m)
			}
		}
		s.at("sink.moved")
		return s.refuse(ctx, q, messages, partitions, refusals)
	})
	return refusals, moved, err
}

func (s *sink) write(ctx context.Context, messages []chat.Message) ([]search.Refusal, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	start := time.Now()
	refusals, err := s.index.Put(ctx, messages)
	s.f.metrics.flushed(sinkSearch, len(messages), time.Since(start), err)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			s.most = max(1, len(messages)/2) // the same ones would not be done in time again, and search would stand still for ever
		}
		return nil, err
	}
	s.failing(s.name, nil) // a filling may go on for long
	s.f.metrics.rows.WithLabelValues(sinkSearch, "document").Add(float64(len(messages) - len(refusals)))
	return refusals, nil
}
