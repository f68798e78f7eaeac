package model

// The steps of a worker: flusher/worker.go and commit.go.
const (
	workerIdle   = iota // the cursor is to be read
	workerScan          // the mark, and what lies between it and the cursor
	workerAgain         // clean.lua «passed»
	workerRead          // XRANGE
	workerProve         // read.lua
	workerFlush         // begin, and the cursor's compare-and-set
	workerCommit        // rows, and commit
	workerLate          // a commit whose outcome the worker does not know, and which is still to come
	workerClean         // clean.lua «flushed»
	workerRaise         // Queue.Open up to the new generation
	workerOpen          // open.lua
)

var workerSteps = [...]string{
	"read the cursor", "read mark and entries", "clean.lua passed", "XRANGE", "read.lua", "begin, move the cursor", "commit",
	"late commit", "clean.lua flushed", "raise the generation", "open.lua",
}

// forget reads the cursor again before anything else.
func (w *Worker) forget() { *w = Worker{Connection: w.Connection} }

// workerStep is the next step of a worker; false: it waits for a lock.
func (m *Model) workerStep(s *State, i int, how outcome) bool {
	w := &s.Flushers[i].Worker
	r := s.redis(w.Connection)
	switch w.At {
	case workerIdle:
		w.Cursor, w.Generation, w.At = s.SQL.Cursor, s.SQL.Generation, workerScan
		if !m.Stepwise {
			return m.workerStep(s, i, how)
		}
	case workerScan:
		w.From = max(w.From, r.Open.Cleaned)
		if w.From >= w.Cursor.Version || !m.keeps(CleanAgain) {
			w.At, w.From = workerRead, 0
			return m.workerStep(s, i, how)
		}
		w.Batch = uint8(copy(w.Buffer[:], between(r, w.From, w.Cursor.Version)))
		w.At = workerAgain
	case workerAgain:
		to := w.Cursor.Version
		if w.Batch == maxBatch {
			to = w.Buffer[maxBatch-1].Version
		}
		if m.keeps(CleanAgainProves) && w.last() != lastUpTo(r, w.From, to) { // Redis is another one by now
			w.forget()
			break
		}
		m.clean(r, w.From, to, false, w.Buffer[:w.Batch], 0)
		w.Buffer, w.Batch = [maxBatch]Entry{}, 0
		w.At, w.From = workerScan, to
		if to >= w.Cursor.Version {
			w.At, w.From = workerRead, 0
		}
	case workerRead:
		m.workerRead(w, r)
		w.At = workerProve
		if !m.Stepwise {
			return m.workerStep(s, i, how)
		}
	case workerProve:
		m.workerProve(w, r)
	case workerFlush:
		if s.locked(i) {
			return false
		}
		moved := s.SQL.Cursor.Version != w.Cursor.Version && m.keeps(FlushComparesPosition)
		fenced := s.SQL.Generation != w.Generation && m.keeps(FlushComparesGeneration)
		if (moved || fenced) && m.keeps(CursorFirst) {
			w.forget()
			break
		}
		if !m.keeps(CursorFirst) { // the rows first: what they break is broken before the cursor is asked
			t := *s
			m.store(&t, w.Buffer[:w.Batch])
		}
		w.At = workerCommit
	case workerCommit, workerLate:
		return m.workerCommit(s, w, how)
	case workerClean:
		below := w.Buffer[w.Batch-1].Version
		before := w.Cursor.Version
		if !m.keeps(TrimKeepsCursor) {
			below++
		}
		if m.Sinks {
			below = min(below, s.Flushers[i].Sink.Keep)
		}
		m.clean(r, before, w.Buffer[w.Batch-1].Version, true, w.Buffer[:w.Batch], below)
		w.forget()
	case workerRaise:
		if s.SQL.Generation != w.Generation && m.keeps(OpenCompares) {
			w.forget()
			break
		}
		if s.locked(i) && m.keeps(OpenWaitsForFlush) {
			return false
		}
		if m.superseded(s, w.Opened, w.Replid, w.Seen) {
			w.forget()
			break
		}
		m.raise(s, w.Seen, w.Replid)
		w.At, w.Cursor, w.New = workerOpen, s.SQL.Cursor, s.SQL.Generation
	case workerOpen:
		m.open(s, r, w.Replid, w.New, w.Cursor)
		if how == replyLost && !m.keeps(OpenIsNotSentAgain) {
			break // and is sent again as it was
		}
		w.forget()
	}
	return true
}

// between is what a stream holds above a version, up to another one.
func between(r *Redis, from, to uint8) []Entry {
	es := r.entries()
	for len(es) > 0 && es[0].Version <= from {
		es = es[1:]
	}
	n := 0
	for n < len(es) && n < maxBatch && es[n].Version <= to {
		n++
	}
	return es[:n]
}

// last is the position of the last entry that was read, zero for none.
func (w *Worker) last() Position {
	if w.Batch == 0 {
		return Position{}
	}
	return w.Buffer[w.Batch-1].position()
}

// lastUpTo is the position of a stream's last entry above one version and up to another, zero for none.
func lastUpTo(r *Redis, from, to uint8) (last Position) {
	for _, e := range r.entries() {
		if e.Version > from && e.Version <= to {
			last = e.position()
		}
	}
	return last
}

// position is what the next entries must follow on.
func (w *Worker) position() Position {
	if w.Batch > 0 {
		return w.Buffer[w.Batch-1].position()
	}
	return w.Cursor
}

// workerRead is XRANGE. Without ProofAfterRead it is the proof.
func (m *Model) workerRead(w *Worker, r *Redis) {
	if !m.keeps(ProofAfterRead) {
		w.Own, _ = m.proof(r, w.position())
		w.Seen = r.Open.Generation
		return
	}
	own, es := m.after(r, w.position())
	w.Own = 0
	if own {
		w.Own = 1
	}
	w.Unproved = uint8(copy(w.Buffer[w.Batch:], es))
}

func (m *Model) workerProve(w *Worker, r *Redis) {
	follows, es := m.proof(r, w.position())
	seen := r.Open.Generation
	if !m.keeps(ProofAfterRead) && w.Own == 1 {
		follows, seen = w.Own, w.Seen
		_, above := m.after(r, w.position())
		w.Unproved = uint8(copy(w.Buffer[w.Batch:], above))
	}
	lost := follows == 0 && !r.opened() && w.Generation != 0 && m.keeps(WorkerOpensLostEnd)
	if seen < w.Generation || (seen > w.Generation && m.keeps(WorkerOpensUnequal)) || lost {
		*w = Worker{
			At: workerRaise, Connection: w.Connection, Generation: w.Generation, Seen: r.Open.Generation, Replid: r.Replid,
		}
		if r.opened() {
			w.Opened = 1
		}
		return
	}
	switch {
	case follows == 0 || (follows == 1 && w.Own == 0):
		w.forget()
		return
	case follows == 2:
		w.Unproved = uint8(copy(w.Buffer[w.Batch:], es))
	}
	n := w.Batch + w.Unproved
	if m.single && w.Unproved > 1 {
		n = w.Batch + 1
	}
	clear(w.Buffer[n:])
	w.Batch, w.Unproved, w.Own, w.Seen = n, 0, 0, 0
	if n == 0 {
		w.forget()
		return
	}
	w.At = workerFlush
}

func (m *Model) workerCommit(s *State, w *Worker, how outcome) bool {
	if how == replyLost {
		w.At = workerLate
		return true
	}
	fenced := s.SQL.Cursor.Version != w.Cursor.Version || s.SQL.Generation != w.Generation
	if how == rolledBack || (fenced && !m.keeps(CursorFirst)) {
		w.forget()
		return true
	}
	s.replicate()
	m.store(s, w.Buffer[:w.Batch])
	if w.At == workerLate {
		w.forget()
	} else {
		w.At = workerClean
	}
	return true
}
