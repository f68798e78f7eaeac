package model

// The steps of a search sink: flusher/sink.go and resync.go.
const (
	sinkIdle    = iota // both cursors are to be read
	sinkRead           // XRANGE
	sinkProve          // read.lua, and the dead letters
	sinkPut            // the bulk request
	sinkAdvance        // the cursor's compare-and-set
	sinkTurn           // from following to a resync
	sinkScan           // a resync: row after row
	sinkTake           // a resync that takes the cursor too late
	sinkFollow         // the compare-and-set from a resync to following
)

var sinkSteps = [...]string{
	"read the cursors", "XRANGE", "read.lua", "put", "move the cursor", "turn to a resync", "put a row", "take the cursor", "follow",
}

func (k *Sink) end() { *k = Sink{Connection: k.Connection, Keep: k.Keep} }

// sinkStep is the next step of a sink; false: there is none.
func (m *Model) sinkStep(s *State, i int) bool {
	k := &s.Flushers[i].Sink
	r := s.redis(k.Connection)
	switch k.At {
	case sinkIdle:
		return m.sinkBegin(s, k)
	case sinkRead:
		own, es := m.after(r, k.Cursor.Position)
		if own {
			k.Own = 1
		}
		k.Read = uint8(copy(k.Buffer[:], es))
		if !m.keeps(ProofAfterRead) { // it is the proof
			k.Own, _ = m.proof(r, k.Cursor.Position)
		}
		k.At = sinkProve
		if !m.Stepwise {
			return m.sinkStep(s, i)
		}
	case sinkProve:
		m.sinkProve(s, k, r)
	case sinkPut:
		for _, e := range k.Buffer[:k.Read] {
			if e.Write != marker {
				m.put(s, m.Writes[e.Write].Scope, e.Number, Body{e.Write + 1, e.Version})
			}
		}
		k.At, k.Buffer, k.Read = sinkAdvance, [maxBatch]Entry{}, 0
	case sinkAdvance:
		m.moveSink(s, k.Cursor, SinkCursor{k.To, follow})
		k.end()
	case sinkTurn:
		m.moveSink(s, k.Cursor, SinkCursor{k.Cursor.Position, resync})
		k.end()
	case sinkScan:
		scope, n := k.Row/maxNumbers, k.Row%maxNumbers
		if row := s.SQL.Rows[scope][n]; row.Created != 0 && (row.Version > k.Cursor.Position.Version) {
			m.put(s, scope, n+1, row.Body)
		}
		for k.Row++; k.Row < maxScopes*maxNumbers && !m.used(k.Row); k.Row++ {
			continue
		}
		if k.Row == maxScopes*maxNumbers {
			k.At = sinkFollow
			if !m.keeps(ResyncTakesCursorFirst) {
				k.At = sinkTake
			}
		}
	case sinkTake:
		k.At, k.To = sinkFollow, s.SQL.Cursor
	case sinkFollow:
		m.moveSink(s, k.Cursor, SinkCursor{k.To, follow})
		k.end()
	}
	return true
}

// used tells whether a row can ever be there.
func (m *Model) used(row uint8) bool {
	scope, creates := row/maxNumbers, uint8(0)
	for _, w := range m.Writes {
		if w.Scope == scope && !w.Edit {
			creates++
		}
	}
	return row%maxNumbers < creates
}

func (m *Model) sinkBegin(s *State, k *Sink) bool {
	c := s.SQL.Sink
	if c.State == resync {
		*k = Sink{At: sinkScan, Connection: k.Connection, Keep: s.SQL.Cursor.Version, Cursor: c, To: s.SQL.Cursor}
		return true
	}
	k.Keep = c.Position.Version
	if c.Position.Version >= s.SQL.Cursor.Version && m.keeps(SinkBelowCommitted) {
		return true
	}
	k.At, k.Cursor, k.Committed, k.Generation = sinkRead, c, s.SQL.Cursor, s.SQL.Generation
	return true
}

func (m *Model) sinkProve(s *State, k *Sink, r *Redis) {
	follows, es := m.proof(r, k.Cursor.Position)
	if !m.keeps(ProofAfterRead) && k.Own == 1 {
		follows = 1
		_, above := m.after(r, k.Cursor.Position)
		clear(k.Buffer[:])
		k.Read = uint8(copy(k.Buffer[:], above))
	}
	if r.Open.Generation != k.Generation && m.keeps(SinkOfGeneration) {
		k.end()
		return
	}
	switch {
	case follows == 0 && m.keeps(SinkProves):
		k.At, k.Buffer, k.Read, k.Own = sinkTurn, [maxBatch]Entry{}, 0, 0
		return
	case follows == 1 && k.Own == 0:
		k.end()
		return
	case follows == 2:
		k.Read = uint8(copy(k.Buffer[:], es))
	}
	n, to := 0, k.Cursor.Position
	for _, e := range k.Buffer[:k.Read] {
		if e.Version > k.Committed.Version && m.keeps(SinkBelowCommitted) {
			break
		}
		to = e.position()
		if e.Write == marker {
			continue
		}
		if l := s.SQL.Dead[e.Write]; l.Version == e.Version && l.Stored == 0 && m.keeps(SinkSkipsDeadLetters) {
			continue
		}
		k.Buffer[n] = e
		n++
	}
	clear(k.Buffer[n:])
	k.At, k.To, k.Read, k.Own, k.Committed, k.Generation = sinkPut, to, uint8(n), 0, Position{}, 0
	if to == k.Cursor.Position {
		k.end()
	}
}

// put brings a document into the index, whose versions are the messages'.
func (m *Model) put(s *State, scope, number uint8, b Body) {
	if doc := &s.Index[scope][number-1]; b.Version > doc.Version || !m.keeps(IndexKeepsHigher) {
		*doc = b
	}
}

// moveSink is the compare-and-set of a sink's cursor.
func (m *Model) moveSink(s *State, from, to SinkCursor) {
	c := &s.SQL.Sink
	if *c == from || !m.keeps(SinkCompares) {
		*c = to
	}
}

// The steps of an operator who retries a dead letter that the database takes by now: flusher/deadletter.go.
const (
	operatorIdle = iota
	operatorPut  // the row is stored; the index is told, or its sink is set back

	rewound = 100 // the generation of the position of a sink that was set back: one that no other has had
)

func (m *Model) operatorStep(s *State, away bool) {
	o := &s.Operator
	l := s.SQL.Dead[o.Letter]
	scope := m.Writes[o.Letter].Scope
	if row := s.SQL.Rows[scope][l.Number-1]; !away {
		m.put(s, scope, l.Number, row.Body)
	} else {
		c := s.SQL.Sink
		back := Position{Version: min(c.Position.Version, l.Version-1)}
		back.Generation = rewound + s.Budget.Retry
		if !m.keeps(RewindIsUnique) {
			back.Generation = c.Position.Generation
		}
		s.SQL.Sink = SinkCursor{back, resync}
	}
	*o = Operator{}
}

// retry stores a dead letter's row.
func (m *Model) retry(s *State, write uint8) {
	s.replicate()
	l := &s.SQL.Dead[write]
	l.Stored = 1
	s.SQL.Rows[m.Writes[write].Scope][l.Number-1] = Row{write + 1, Body{write + 1, l.Version}}
	s.SQL.Committed |= 1 << write
	s.Operator = Operator{operatorPut, write}
}
