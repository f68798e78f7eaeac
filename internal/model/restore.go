package model

// The steps of a restore: flusher/replay.go, for one partition.
const (
	restoreIdle  = iota
	restoreClose // the generation is read; close.lua
	restoreDrain // wait until the stream is stored
	restoreStore // begin, the cursor's generation and position, and what the database lacks of the backup; commit
	restoreIndex // put what the backup names
	restoreRaise // Queue.Reopen up to the new generation
	restoreOpen  // open.lua
)

var restoreSteps = [...]string{
	"idle", "close.lua", "wait for the flush", "store what is missing", "put it into the index", "raise the generation", "open.lua",
}

// Restore brings what a backup has and the database lacks into the database.
type Restore struct {
	At, Connection uint8
	Generation     uint8 // in which the partition was closed
	Replid         uint8
	Last           Position // the stream's end when it was closed
	New            uint8    // the generation won
	Unopened       uint8    // it is still to be opened as what it is before it can be closed
	Unfinished     uint8    // it was begun and has not come to its end: somebody will run it again
	Done           uint8    // one came to its end
}

// closed tells how a Redis is closed.
const (
	opened  = iota
	closing // until a time
	overdue // that time has passed
)

func (x *Restore) again() {
	*x = Restore{At: restoreClose, Connection: x.Connection, Unfinished: 1, Done: x.Done}
}

func (x *Restore) crash() { *x = Restore{Connection: x.Connection, Unfinished: 1, Done: x.Done} }

// opened goes on after an opening: with the closing, or that was the end.
func (x *Restore) opened() {
	if x.Unopened == 1 {
		x.again()
		return
	}
	*x = Restore{Connection: x.Connection, Done: 1}
}

// restoreStep is the next step of a restore; false: it waits.
func (m *Model) restoreStep(s *State) bool {
	x := &s.Restore
	r := s.redis(x.Connection)
	q := &s.SQL
	switch x.At {
	case restoreIdle:
		return false
	case restoreClose:
		x.Generation, x.Replid = q.Generation, r.Replid
		if !r.opened() || r.Open.Generation != q.Generation {
			was := uint8(0)
			if r.opened() {
				was = 1
			}
			if m.superseded(s, was, r.Replid, r.Open.Generation) {
				return false
			}
			x.At, x.Unopened = restoreRaise, 1
			break
		}
		m.close(s, r)
		x.At, x.Last = restoreDrain, Position{}
		if r.Length > 0 {
			x.Last = r.Stream[r.Length-1].position()
		}
	case restoreDrain:
		switch {
		case q.Generation != x.Generation || r.Replid != x.Replid || r.Open.Generation != x.Generation: // it is closed for longer again and again
			x.again()
		case q.Cursor == x.Last || !m.keeps(ReplayAfterFlush):
			x.At = restoreStore
		default:
			return false
		}
	case restoreStore:
		if s.locked(-1) {
			return false
		}
		if (q.Generation != x.Generation && m.keeps(ReplayComparesGeneration)) || (q.Cursor != x.Last && m.keeps(ReplayAfterFlush)) {
			x.again()
			break
		}
		s.replicate()
		for _, e := range s.Backup.entries() {
			m.replay(s, e)
		}
		x.At, x.Last = restoreRaise, Position{}
		if m.Sinks {
			x.At = restoreIndex
		}
	case restoreIndex:
		for _, e := range s.Backup.entries() {
			if e.Write != marker && m.keeps(ReplayIndexesAll) {
				scope := m.Writes[e.Write].Scope
				if row := q.Rows[scope][e.Number-1]; row.Created != 0 {
					m.put(s, scope, e.Number, row.Body)
				}
			}
		}
		x.At = restoreRaise
	case restoreRaise:
		if q.Generation != x.Generation { // somebody opened it since: that will do
			x.opened()
			break
		}
		if s.locked(-1) {
			return false
		}
		if !m.keeps(ReplayReopens) && x.Unopened == 0 {
			r.Open.Closed = opened
			x.opened()
			break
		}
		m.raise(s, r.Open.Generation, x.Replid)
		x.At, x.New = restoreOpen, q.Generation
	case restoreOpen:
		m.open(s, r, x.Replid, x.New, q.Cursor)
		x.opened() // where it did not open, whoever finds it so does
	}
	return true
}

// close is close.lua: nothing new is accepted for a time. What a restore stores is there before the partition is opened
// again, whoever opens it: so keys are asked for, and versions are above the backup's, from now on.
func (m *Model) close(s *State, r *Redis) {
	r.Open.Closed = closing
	if m.keeps(CloseAsksKeys) {
		r.Open.Ask = 1
	}
	if above := m.backedUpTo(s); r.Last <= above && m.keeps(CloseRaisesVersions) {
		m.add(s, r, above, Entry{Write: marker, Generation: r.Open.Generation})
	}
}

// backedUpTo is the highest version of the backup.
func (m *Model) backedUpTo(s *State) (v uint8) {
	for _, e := range s.Backup.entries() {
		v = max(v, e.Version)
	}
	return v
}

// replay stores one entry of the backup where the database lacks it. In the code a write is known by its number and the
// time at which it was accepted; here by which write it is.
func (m *Model) replay(s *State, e Entry) {
	if e.Write == marker {
		return
	}
	q, w := &s.SQL, m.Writes[e.Write]
	row := &q.Rows[w.Scope][e.Number-1]
	letter := func() {
		if q.Committed>>e.Write&1 == 1 && !w.Edit {
			m.violate(storedTwice)
		}
		q.Conflicts |= 1 << e.Write
	}
	if w.Edit {
		switch {
		case row.Created != uint8(w.Target)+1:
			letter()
		case e.Version > row.Version:
			row.Body = Body{e.Write + 1, e.Version}
			q.Committed |= 1 << e.Write
		}
		return
	}
	taken := m.has(q, w.Scope, e.Number)
	switch {
	case m.keeps(ReplayLeavesStored) && (row.Created == e.Write+1 || q.Dead[e.Write].Number == e.Number):
	case m.keeps(ReplayLeavesKeys) && q.Keys[e.Write].Number != 0:
		if !taken && m.keeps(ReplayRecordsHoles) { // what was given after it would leave a gap
			q.Holes[w.Scope] |= 1 << (e.Number - 1)
		}
	case taken && m.keeps(ReplayLeavesTaken):
		letter()
	case w.Poison:
		q.Dead[e.Write] = Letter{Number: e.Number, Version: e.Version}
		q.Keys[e.Write] = Answer{e.Number, e.Version}
	default:
		if q.Keys[e.Write].Number != 0 || row.Created == e.Write+1 {
			m.violate(storedTwice)
		}
		if e.Number > m.highest(q, w.Scope)+1 {
			m.violate(replayGap)
		}
		*row = Row{e.Write + 1, Body{e.Write + 1, e.Version}}
		q.Committed |= 1 << e.Write
		q.Keys[e.Write] = Answer{e.Number, e.Version}
	}
}

// restoreSuccessors are the steps of a restore and what may cut it short.
func (m *Model) restoreSuccessors(s *State, out emit) {
	x := &s.Restore
	if s.Budget.Backup > 0 && s.Backup.Up == 0 {
		n := m.fault(s)
		n.Budget.Backup--
		n.Backup = Backup{Up: 1, Length: s.Redis.Length, Stream: s.Redis.Stream}
		out(n, Step{"operator", "takes a backup; its last version:", s.Redis.Last, 0})
	}
	if x.At == restoreIdle && s.Backup.Up == 1 && s.Budget.Restore > 0 {
		n := m.fault(s)
		n.Budget.Restore--
		n.Restore.again()
		out(n, Step{"operator", "begins a restore", 0, 0})
	}
	if x.At != restoreRaise || s.SQL.Generation < m.Generation {
		n := m.fault(s)
		if m.restoreStep(n) {
			out(n, Step{"restore", restoreSteps[x.At], x.Last.Version, x.Generation})
		}
	}
	if s.Budget.Crash > 0 && x.At > restoreClose {
		n := m.fault(s)
		n.Budget.Crash--
		n.Restore.crash()
		out(n, Step{"restore, which is killed before", restoreSteps[x.At], x.Last.Version, x.Generation})
	}
	for _, r := range []*Redis{&s.Redis, &s.Old} {
		if r.Up == 1 && r.Open.Closed == closing && s.Budget.Overdue > 0 {
			n := m.fault(s)
			n.Budget.Overdue--
			if r == &s.Redis {
				n.Redis.Open.Closed = overdue
			} else {
				n.Old.Open.Closed = overdue
			}
			out(n, Step{"FAULT", "a restore takes too long: the partition is closed no more", 0, 0})
		}
	}
}

// finishRestore runs a restore that was begun to its end: whoever began one that was killed runs it again.
func (m *Model) finishRestore(s *State) bool {
	if s.Redis.Open.Closed == closing && s.Restore.At == restoreIdle {
		s.Redis.Open.Closed = overdue
	}
	if s.Restore.Unfinished == 0 {
		return true
	}
	if s.Restore.At == restoreIdle {
		s.Restore.again()
	}
	for range turns {
		if !m.restoreStep(s) {
			for i := range s.Flushers {
				m.flushStep(s, i)
			}
		}
		if s.Restore.Unfinished == 0 {
			return true
		}
	}
	return false
}

// checkRestored: what the backup held is stored, or a dead letter says why not.
func (m *Model) checkRestored(s *State) {
	if s.Restore.Done == 0 {
		return
	}
	for _, e := range s.Backup.entries() {
		if e.Write == marker || s.SQL.Conflicts>>e.Write&1 == 1 || s.SQL.Dead[e.Write].Number != 0 {
			continue
		}
		stored, w := false, m.Writes[e.Write]
		for i, row := range s.SQL.Rows[w.Scope] {
			if w.Edit {
				stored = stored || (i == int(e.Number)-1 && int(row.Created) == w.Target+1 && row.Version >= e.Version)
			} else {
				stored = stored || row.Created == e.Write+1
			}
		}
		if !stored {
			m.violate(notRestored)
		}
	}
}
