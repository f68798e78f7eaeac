package flusher

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"chat-system/db"
	"chat-system/internal/failpoint"
	"chat-system/internal/search"
)

const (
	sinkList  = 5 * time.Second // how often new indexes are looked for
	sinkFirst = time.Second     // and the first one, which the chief is about to make
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
	bell    chan struct{} // rung by a new leader

	backlogs backlogs

	mu       sync.Mutex
	troubles map[string]string // why sinks are behind, by name; of looking after them under ""
}

// Search adds the search indexes as sinks. It is called before Run.
func (f *Flusher) Search(indexes Indexes, backlog int64) {
	f.sinks = &sinks{f: f, indexes: indexes, backlog: max(1, backlog/int64(f.Partitions)), bell: make(chan struct{}, 1), troubles: map[string]string{}}
}

// failing keeps why a sink is behind, for people; without an error it is not.
func (s *sinks) failing(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.troubles, name)
	} else {
		s.troubles[name] = err.Error()
	}
}

// trouble is why one of the sinks is behind; empty: none fails.
func (s *sinks) trouble() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.troubles)) {
		return s.troubles[name]
	}
	return ""
}

// wake lets run look at once.
func (s *sinks) wake() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// run starts a loop for every sink there is, and for those that a reindexing adds.
func (s *sinks) run(ctx context.Context) {
	running := map[string]context.CancelFunc{}
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(sinkList)
	defer timer.Stop()
	for {
		var lacking error
		if s.f.chief() {
			lacking = s.ensure(ctx)
		}
		names, err := s.list(ctx)
		s.behind(ctx, errors.Join(lacking, err))
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
		next := sinkList
		if len(names) == 0 && lacking == nil && err == nil {
			next = sinkFirst
		}
		timer.Reset(next)
		if !s.f.chief() { // at the end: what hangs holds up nothing
			s.learn(ctx)
		}
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return
		case <-timer.C:
		case <-s.bell:
		}
	}
}

// behind says that the sinks can't be looked after now, where there is an error.
func (s *sinks) behind(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.failing("", err)
	if err != nil {
		s.f.metrics.failures.WithLabelValues(sinkSearch).Inc()
		s.f.Log.Warn("search is behind: its index can't be asked for", "error", err)
	}
}

// learn asks which index is searched, for the metrics. What fails is said by the chief, and by the sinks.
func (s *sinks) learn(ctx context.Context) {
	if len(s.f.led()) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	if current, err := s.indexes.Current(ctx); err == nil {
		s.backlogs.search(current)
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
	s.backlogs.search(current)
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
		there := false
		if current != "" {
			if there, err = s.indexes.Exists(ctx, name); err != nil {
				return err
			}
		}
		if there {
			continue
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
		s.backlogs.sinks(names, s.f.Partitions)
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
