package model

// Model is a Config at work. It is not safe for concurrent use.
type Model struct {
	Config
	violation, note string // what the step, or the check of a state, found
	single          bool   // a worker takes one entry, not all there are
	next            State  // the successor at hand
}

func (m *Model) keeps(r Rule) bool { return !m.Without.has(r) }

func (m *Model) clear() { m.violation, m.note, m.single = "", "", false }

// violate notes the first promise that is broken.
func (m *Model) violate(what string) {
	if m.violation == "" {
		m.violation = what
	}
}

// tell notes what is a documented limit beside an old master, and a violation without one.
func (m *Model) tell(s *State, what string) {
	if m.MayLose && s.Diverged != 0 {
		m.note = what
	} else {
		m.violate(what)
	}
}

// redis is what a connection leads to.
func (s *State) redis(connection uint8) *Redis {
	if connection == 1 && s.Old.Up == 1 {
		return &s.Old
	}
	return &s.Redis
}

// initial is the state from which a search begins.
func (m *Model) initial() State {
	var s State
	s.Redis.Up, s.Redis.Replid, s.NextReplid = 1, 1, 2
	s.Budget = m.Budget
	if !m.Unopened {
		r := &s.Redis
		r.Last, r.Length = 1, 1
		r.Open = Open{Replid: 1, Generation: 1, Floor: 1, FloorGeneration: 1, Cleaned: 1}
		r.Stream[0] = Entry{Version: 1, Write: marker, Generation: 1}
		for i := range r.Counters {
			r.Counters[i].Generation = 1
		}
		s.SQL.Cursor, s.SQL.Generation, s.SQL.Replid, s.Clock = Position{1, 1}, 1, 1, 1
		s.SQL.Sink.Position = s.SQL.Cursor
		for i := range s.Pods {
			s.Pods[i].Generation = 1
		}
	} else {
		s.SQL.Sink.State = resync
	}
	if s.Budget.SQL > 0 {
		s.Replica = s.SQL
	}
	m.canonical(&s)
	return s
}
