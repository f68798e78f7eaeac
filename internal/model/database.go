package model

// raise gives the partition its next generation, for a Redis that was seen in a generation.
func (m *Model) raise(s *State, seen, replid uint8) {
	s.replicate()
	if m.keeps(OpenAboveSeen) {
		s.SQL.Generation = max(s.SQL.Generation, seen)
	}
	s.SQL.Generation++
	s.SQL.Replid = replid
}

// replicate lets the database's replica have all but what is committed next.
func (s *State) replicate() {
	if s.Budget.SQL > 0 {
		s.Replica = s.SQL
	}
}

// locked tells whether the transaction of another worker holds the cursor row.
func (s *State) locked(but int) bool {
	for i := range s.Flushers {
		if at := s.Flushers[i].Worker.At; i != but && (at == workerCommit || at == workerLate) {
			return true
		}
	}
	return false
}

// highest is the last number of a scope that has a row or is a dead letter.
func (m *Model) highest(q *SQL, scope uint8) (n uint8) {
	for i, r := range q.Rows[scope] {
		if r.Created != 0 {
			n = uint8(i + 1)
		}
	}
	for w, l := range q.Dead {
		if l.Number != 0 && m.Writes[w].Scope == scope && m.keeps(SeedCountsDeadLetters) {
			n = max(n, l.Number)
		}
	}
	for i := range uint8(maxNumbers) {
		if q.Holes[scope]>>i&1 == 1 {
			n = max(n, i+1)
		}
	}
	return n
}

// store is what a flush does once its cursor has moved.
func (m *Model) store(s *State, es []Entry) {
	q := &s.SQL
	for _, e := range es {
		if e.Write == marker {
			continue
		}
		w := m.Writes[e.Write]
		row := &q.Rows[w.Scope][e.Number-1]
		broken := ""
		switch {
		case w.Poison || (w.Edit && row.Created == 0 && q.Dead[w.Target].Number == e.Number):
			q.Dead[e.Write] = Letter{Number: e.Number, Version: e.Version}
			if !w.Edit {
				q.Keys[e.Write] = Answer{e.Number, e.Version}
			}
			continue
		case w.Edit && row.Created == 0:
			broken = editWithoutRow
		case w.Edit && e.Version <= row.Version && m.keeps(EditOverLower):
			m.tell(s, editDropped)
			q.Committed |= 1 << e.Write
			continue
		case w.Edit:
			row.Body = Body{e.Write + 1, e.Version}
			q.Committed |= 1 << e.Write
			continue
		case row.Created == e.Write+1:
			broken = storedTwice
		case row.Created != 0:
			broken = numberTaken
		case q.Keys[e.Write].Number != 0:
			broken = keyTwice
		}
		if broken != "" {
			m.tell(s, broken)
			q.Dead[e.Write] = Letter{Number: e.Number, Version: e.Version}
			continue
		}
		*row = Row{e.Write + 1, Body{e.Write + 1, e.Version}}
		q.Committed |= 1 << e.Write
		q.Keys[e.Write] = Answer{e.Number, e.Version}
	}
	last := es[len(es)-1]
	q.Cursor = last.position()
}
