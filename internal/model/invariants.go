package model

// What a search may find. Beside an old master those of accepting and storing are notes.
const (
	numberGivenAgain = "a stored number is acknowledged to another write"
	numberTaken      = "a number comes that is stored for another write"
	storedTwice      = "a write comes a second time under its number"
	keyTwice         = "a write whose key is stored comes a second time"
	editWithoutRow   = "an edit finds no row"
	editDropped      = "an accepted edit is dropped under a higher version"
	editAbsent       = "an edit of an acknowledged message finds it absent"
	readMisses       = "a read misses an acknowledged write"
	readMistakes     = "a read shows another write under an acknowledged number"
	streamGrows      = "the stream grows without end"
	podLivelock      = "a request never ends"
	workerLivelock   = "a worker never comes to rest"
	sinkLivelock     = "a sink never comes to rest"
	stalled          = "entries above the cursor are never flushed"
	notStored        = "an acknowledged write is not stored"
	goodLetter       = "a good write is a dead letter"
	storedDouble     = "a write is stored under two numbers"
	gap              = "a gap stays among the stored numbers"
	wrongCounter     = "the counter is not the highest stored number"
	ghost            = "pending shows what is never stored"
	shadow           = "pending hides a stored row for good"
	leak             = "pending keeps a stored write for good"
	voided           = "an opening voids an acknowledged write that no fault took"
	indexMisses      = "the index misses a row, or its newest version"
	replayGap        = "a restore leaves a gap below what it stores"
	notRestored      = "what a backup held is neither stored nor a dead letter after its restore"
	restoreLivelock  = "a restore never ends"
	indexGhost       = "the index shows what has no row"

	indexAfterFailover  = "after a failover of the database an index that was being filled may miss what is filled in again"
	lostShown           = "a Redis that came back with a lost write shows it under its number, given anew, until it is opened"
	missesAfterFailover = "after a failover of the database a read misses a stored write for a while"
)

// check is what holds in every state: a read of what was acknowledged finds it, or something newer.
func (m *Model) check(s *State) {
	for w := range m.Writes {
		c := &s.Clients[w]
		if c.State != acknowledged || s.Lost>>w&1 == 1 || s.SQL.Dead[w].Number != 0 {
			continue
		}
		scope := m.Writes[w].Scope
		seen := s.SQL.Rows[scope][c.Number-1].Body
		if p := s.Redis.Pending[scope][c.Number-1]; p.Write != 0 && p.Version > seen.Version && m.stands(&s.Redis, p) {
			seen = p
		}
		switch {
		case seen.Write != 0 && seen.Version >= c.Version:
			b := seen.Write - 1
			switch {
			case int(b) == w || (seen.Version != c.Version && m.Writes[b].Edit):
			case !s.Redis.opened() && s.Lost>>b&1 == 1:
				m.note = lostShown
			default:
				m.tell(s, readMistakes)
			}
		case m.Budget.SQL > s.Budget.SQL:
			m.note = missesAfterFailover
		default:
			m.tell(s, readMisses)
		}
	}
}

// stands: a pending write is not void.
func (m *Model) stands(r *Redis, p Body) bool {
	return p.Version > r.Open.Floor || !m.keeps(FloorVoidsPending)
}

// checkRest is what holds once everybody is at rest.
func (m *Model) checkRest(s *State) {
	m.checkStored(s)
	m.checkRestored(s)
	for scope := range uint8(maxScopes) {
		m.checkNumbers(s, scope)
		m.checkPending(s, scope)
		if m.Sinks {
			m.checkIndex(s, scope)
		}
	}
}

// checkStored: what was acknowledged is stored, once.
func (m *Model) checkStored(s *State) {
	r := &s.Redis
	for _, e := range r.entries() {
		if e.Write != marker && e.Version > max(r.Open.Floor, s.SQL.Cursor.Version) {
			m.tell(s, stalled)
			return
		}
	}
	var stored [maxWrites]bool
	for _, rows := range s.SQL.Rows {
		for _, row := range rows {
			if row.Created == 0 {
				continue
			}
			if stored[row.Created-1] {
				m.tell(s, storedDouble)
			}
			stored[row.Created-1] = true
		}
	}
	for w := range m.Writes {
		c, is := &s.Clients[w], m.Writes[w]
		dead := s.SQL.Dead[w].Number != 0
		if dead && !is.Poison && (!is.Edit || !m.Writes[is.Target].Poison) {
			m.tell(s, goodLetter)
		}
		if c.State != acknowledged || s.Lost>>w&1 == 1 || dead {
			continue
		}
		row := s.SQL.Rows[is.Scope][c.Number-1]
		if row.Created == 0 || (!is.Edit && int(row.Created-1) != w) || row.Version < c.Version ||
			(row.Version == c.Version && int(row.Write-1) != w) {
			for _, e := range r.entries() {
				if int(e.Write) == w && e.Version == c.Version && e.Version <= r.Open.Floor {
					m.tell(s, voided)
				}
			}
			m.tell(s, notStored)
		}
	}
}

// has tells whether a number has a row or is a dead letter.
func (m *Model) has(q *SQL, scope, number uint8) bool {
	if q.Rows[scope][number-1].Created != 0 || q.Holes[scope]>>(number-1)&1 == 1 {
		return true
	}
	for w, l := range q.Dead {
		if l.Number == number && m.Writes[w].Scope == scope && !m.Writes[w].Edit {
			return true
		}
	}
	return false
}

// checkNumbers: 1..n are stored, and the counter stands at n.
func (m *Model) checkNumbers(s *State, scope uint8) {
	top := uint8(0)
	for n := uint8(1); n <= maxNumbers; n++ {
		if m.has(&s.SQL, scope, n) {
			if n != top+1 {
				m.tell(s, gap)
			}
			top = n
		}
	}
	c := s.Redis.Counters[scope]
	if c.Generation != 0 && c.Generation == s.Redis.Open.Generation && s.Redis.opened() && c.Number != top {
		m.tell(s, wrongCounter)
	}
}

// checkPending: nothing is left there.
func (m *Model) checkPending(s *State, scope uint8) {
	for i, p := range s.Redis.Pending[scope] {
		if p.Write == 0 || !m.stands(&s.Redis, p) {
			continue
		}
		switch row := s.SQL.Rows[scope][i]; {
		case row.Created == 0 && !m.has(&s.SQL, scope, uint8(i+1)):
			m.tell(s, ghost)
		case row.Created != 0 && p.Version > row.Version:
			m.tell(s, shadow)
		default:
			m.tell(s, leak)
		}
	}
}

// checkIndex: it equals the rows.
func (m *Model) checkIndex(s *State, scope uint8) {
	for i, doc := range s.Index[scope] {
		switch row := s.SQL.Rows[scope][i]; {
		case row.Body == doc:
		case m.Budget.SQL > 0:
			m.note = indexAfterFailover
		case row.Created == 0:
			m.violate(indexGhost)
		default:
			m.violate(indexMisses)
		}
	}
}
