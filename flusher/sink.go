package flusher

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/failpoint"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

const (
	sinkTick  = 200 * time.Millisecond
	sinkList  = 5 * time.Second // how often new indexes are looked for
	sinkPage  = 1000            // rows of one page of a resync
	putTime   = time.Minute
	patience  = 10 * time.Second // for a sink that lags while a stream is too long
	tablePage = 500
)

// Indexes are the search indexes that are written: each is a sink of its own, named as the index is.
type Indexes interface {
	// Current gives the name of the index that is searched, search.ErrNoIndex when there is none.
	Current(ctx context.Context) (string, error)
	// Create makes an empty one where there is none.
	Create(ctx context.Context) error
	// Exists says whether there is an index of that name.
	Exists(ctx context.Context, name string) (bool, error)
	// At gives the index of that name to write to.
	At(name string) search.Index
}

// sinks follow the stream into search indexes, never past what the database has committed. An engine that is away
// delays them alone.
type sinks struct {
	f       *Flusher
	indexes Indexes
	backlog int64 // entries that a partition's stream may hold for a sink that lags; then it is filled from the tables
	keeps   keeps
}

// Search adds the search indexes as sinks. It is called before Run.
func (f *Flusher) Search(indexes Indexes, backlog int64) {
	f.sinks = &sinks{f: f, indexes: indexes, backlog: max(1, backlog/int64(f.Partitions))}
}

// run starts a loop for every sink there is, and for those that a reindexing adds.
func (s *sinks) run(ctx context.Context) {
	running := map[string]context.CancelFunc{}
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(sinkList)
	defer tick.Stop()
	for {
		s.behind(ctx, s.ensure(ctx))
		names, err := s.list(ctx)
		s.behind(ctx, err)
		for _, name := range names {
			if running[name] == nil {
				sub, cancel := context.WithCancel(ctx)
				running[name] = cancel
				wg.Go(func() { newSink(s, name).run(sub) })
			}
		}
		for name, cancel := range running {
			if err == nil && !slices.Contains(names, name) {
				cancel()
				delete(running, name)
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return
		case <-tick.C:
		}
	}
}

// behind says that the sinks can't be looked after now.
func (s *sinks) behind(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.f.metrics.searchFailures.Inc()
		s.f.Log.Warn("search is behind: its index can't be asked for", "error", err)
	}
}

// ensure makes the index that is searched a sink from the moment that it exists.
func (s *sinks) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	current, err := s.indexes.Current(ctx)
	if errors.Is(err, search.ErrNoIndex) { // never made, or lost: no cursor tells what an empty one holds
		s.at("sink.lost")
		if err = s.forget(ctx, ""); err == nil {
			s.at("sink.forgotten")
			err = s.indexes.Create(ctx)
		}
		s.at("sink.created")
		if err == nil {
			current, err = s.indexes.Current(ctx)
		}
	}
	if err != nil {
		return err
	}
	s.at("sink.current")
	err = AddSink(ctx, s.f.db, current, s.f.Partitions)
	s.at("sink.added")
	if err != nil {
		return err
	}
	return s.forget(ctx, current) // also one that a reindexing has left since it was current here
}

// forget ends the sinks whose index is gone; where none is searched, all of them.
func (s *sinks) forget(ctx context.Context, current string) error {
	names, err := s.f.db.SearchSinks(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == current {
			continue
		}
		if current != "" {
			if there, err := s.indexes.Exists(ctx, name); err != nil || there {
				if err != nil {
					return err
				}
				continue
			}
		}
		s.f.Log.Warn("a search index is gone", "sink", name)
		if err := s.f.db.DeleteSink(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// list gives the sinks of the database, which go on while the engine is away: they watch their backlog.
func (s *sinks) list(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	names, err := s.f.db.SearchSinks(ctx)
	if err == nil {
		s.keeps.sinks(names, s.f.Partitions)
	}
	return names, err
}

func (s *sinks) at(step string) { failpoint.Hit(s.f.queue, step) }

// AddSink makes an index a sink that is to be filled from the tables. One that is there stays as it is.
func AddSink(ctx context.Context, d *db.DB, name string, partitions int) error {
	have, err := d.Cursors(ctx, name)
	if err != nil {
		return err
	}
	failpoint.Hit(d, "sink.add")
	there := map[int32]bool{}
	for _, c := range have {
		there[c.PartitionID] = true
	}
	for p := range partitions {
		if there[int32(p)] {
			continue
		}
		err := d.InsertCursor(ctx, db.InsertCursorParams{PartitionID: int32(p), Sink: name, State: db.StateResync})
		if err != nil && !db.IsDuplicate(err) {
			return err
		}
	}
	return nil
}

// sink follows into one index.
type sink struct {
	*sinks
	name   string
	index  search.Index
	log    *slog.Logger
	failed bool // the last step
	first  int  // partition of the next step
}

func newSink(s *sinks, name string) *sink {
	return &sink{sinks: s, name: name, index: s.indexes.At(name), log: s.f.Log.With("sink", name)}
}

func (s *sink) run(ctx context.Context) {
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
		switch {
		case err != nil && ctx.Err() == nil:
			s.f.metrics.searchFailures.Inc()
			s.log.Warn("search is behind; it is tried again", "error", err, "pause", pause.String())
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

// step brings the index up to what the database has committed, as far as one bulk request goes.
func (s *sink) step(run context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(run, putTime)
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
	if cursors, err = s.shed(ctx, cursors); err != nil {
		return false, err
	}
	var moves []move
	var filling []db.FlushCursor
	size := 0
	for n := range cursors { // in turn: where one step does not take all, the next one begins with the rest
		i := (s.first + n) % len(cursors)
		c := cursors[i]
		if c.State == db.StateResync {
			filling = append(filling, c)
			continue
		}
		s.keeps.set(s.name, i, chat.Version(c.Position))
		if c.Position >= committed[i].Position {
			continue
		}
		if size >= maxBytes {
			s.first, more = i, true
			break
		}
		m, err := s.read(ctx, c, committed[i])
		if err != nil {
			return false, err
		}
		size += m.size
		more = more || m.full
		moves = append(moves, m)
	}
	if err := s.put(ctx, moves); err != nil {
		return false, err
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
	messages []chat.Message
	size     int  // of what was read
	full     bool // there is more to read
}

// read takes what follows on the sink's cursor, up to the committed one.
func (s *sink) read(ctx context.Context, c, committed db.FlushCursor) (m move, err error) {
	m = move{from: c, to: c}
	p := int(c.PartitionID)
	b, err := s.f.queue.Read(ctx, p, queue.Position{Version: chat.Version(c.Position), Generation: c.PositionGen}, page)
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
	at := map[messageKey]int{}
	m.full = len(b.Entries) == page
	for i := range b.Entries {
		e := &b.Entries[i]
		if int64(e.Version) > committed.Position {
			m.full = false
			break
		}
		m.to.Position, m.to.PositionGen = int64(e.Version), e.Generation
		m.size += e.Size()
		if (e.Kind != queue.MessageCreated && e.Kind != queue.MessageEdited) || refused[e.Version] {
			continue
		}
		k := messageKey{e.Scope, e.Number}
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
	}
	return m, nil
}

type messageKey struct {
	scope  chat.Scope
	number int64
}

// put writes the messages, then moves the cursors; what the index refuses for its data becomes a dead letter of this sink.
func (s *sink) put(ctx context.Context, moves []move) error {
	var messages []chat.Message
	var partitions []int32
	for _, m := range moves {
		for range m.messages {
			partitions = append(partitions, m.from.PartitionID)
		}
		messages = append(messages, m.messages...)
	}
	refusals, err := s.write(ctx, messages)
	s.at("sink.put")
	if err != nil {
		return err
	}
	return s.f.db.WithTx(ctx, func(q *db.Queries) error {
		for _, m := range moves {
			if m.to.Position == m.from.Position {
				continue
			}
			_, err := q.AdvanceSink(ctx, db.AdvanceSinkParams{ // where it moves nothing, somebody else put the same
				Position: m.to.Position, PositionGen: m.to.PositionGen, State: db.StateFollow,
				PartitionID: m.from.PartitionID, Sink: s.name, OldPosition: m.from.Position, OldPositionGen: m.from.PositionGen,
				OldState: db.StateFollow,
			})
			if err != nil {
				return err
			}
		}
		s.at("sink.moved")
		return s.refuse(ctx, q, messages, partitions, refusals)
	})
}

func (s *sink) write(ctx context.Context, messages []chat.Message) ([]search.Refusal, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	refusals, err := s.index.Put(ctx, messages)
	if err == nil {
		s.f.metrics.documents.Add(float64(len(messages) - len(refusals)))
	}
	return refusals, err
}
