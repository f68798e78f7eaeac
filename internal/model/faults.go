package model

// faults are what may happen to Redis and the database.
func (m *Model) faults(s *State, out emit) {
	b := &s.Budget
	if b.Restart > 0 {
		n := m.fault(s)
		n.Budget.Restart--
		n.restart()
		out(n, Step{"FAULT", "Redis restarts with all it had", 0, 0})
	}
	if b.Snapshot > 0 {
		n := m.fault(s)
		n.Budget.Snapshot--
		n.Snapshot = n.Redis
		out(n, Step{"FAULT", "from here the replica lags, or a file is kept; its last version:", s.Redis.Last, 0})
	}
	if s.Snapshot.Up == 1 && b.Lag > 0 {
		n := m.fault(s)
		n.Budget.Lag--
		n.Redis, n.Snapshot = n.Snapshot, n.Redis
		n.restart()
		m.lose(n)
		out(n, Step{"FAULT", "the lagging replica is promoted, or Redis restarts from the older file; its last version:", n.Redis.Last, 0})
	}
	if s.Snapshot.Up == 1 && b.Split > 0 {
		n := m.fault(s)
		n.Budget.Split--
		n.Old, n.Redis, n.Snapshot = n.Redis, n.Snapshot, Redis{}
		n.Diverged = 1
		n.Redis.Replid = n.NextReplid
		n.NextReplid++
		n.turnConnections()
		m.lose(n)
		out(n, Step{"FAULT", "the replica is promoted and the old master goes on; last version of the new one:", n.Redis.Last, 0})
	}
	if s.Old.Up == 1 && b.Failback > 0 {
		n := m.fault(s)
		n.Budget.Failback--
		n.Old, n.Redis = n.Redis, n.Old
		n.turnConnections()
		m.lose(n)
		out(n, Step{"FAULT", "the old master is the master again", 0, 0})
	}
	if b.Flushall > 0 {
		n := m.fault(s)
		n.Budget.Flushall--
		n.Redis = Redis{Up: 1, Replid: s.Redis.Replid}
		m.lose(n)
		out(n, Step{"FAULT", "FLUSHALL", 0, 0})
	}
	if b.Disk > 0 {
		n := m.fault(s)
		n.Budget.Disk--
		n.Redis = Redis{Up: 1}
		n.restart()
		m.lose(n)
		out(n, Step{"FAULT", "Redis restarts without its disk", 0, 0})
	}
	if b.Expire > 0 {
		m.expire(s, out)
	}
	if b.SQL > 0 {
		n := m.fault(s)
		n.Budget.SQL--
		n.SQL, n.Replica = s.Replica, SQL{}
		if n.Budget.SQL > 0 {
			n.Replica = n.SQL
		}
		for i := range n.Flushers {
			if w := &n.Flushers[i].Worker; w.At == workerCommit || w.At == workerLate {
				w.forget()
			}
		}
		out(n, Step{"FAULT", "the database fails over to a replica that lacks a transaction; cursor, generation:", n.SQL.Cursor.Version, n.SQL.Generation})
	}
}

func (m *Model) fault(s *State) *State {
	m.clear()
	m.next = *s
	return &m.next
}

// restart gives Redis a new incarnation. Pipelines in flight end with their connection.
func (s *State) restart() {
	s.Redis.Replid = s.NextReplid
	s.NextReplid++
	for i := range s.Flushers {
		w, k := &s.Flushers[i].Worker, &s.Flushers[i].Sink
		if w.At == workerProve && (w.Connection == 0 || s.Old.Up == 0) {
			w.forget()
		}
		if k.At == sinkProve && (k.Connection == 0 || s.Old.Up == 0) {
			k.end()
		}
	}
}

func (s *State) turnConnections() {
	for i := range s.Pods {
		s.Pods[i].Connection = 1 - s.Pods[i].Connection
	}
	for i := range s.Flushers {
		f := &s.Flushers[i]
		f.Worker.Connection, f.Sink.Connection = 1-f.Worker.Connection, 1-f.Sink.Connection
	}
	s.Restore.Connection = 1 - s.Restore.Connection
}

// lose notes the acknowledged writes that lie nowhere any more.
func (m *Model) lose(s *State) {
	for w := range m.Writes {
		c := &s.Clients[w]
		if c.State != acknowledged || s.SQL.Dead[w].Number != 0 || (s.SQL.Committed>>w&1 == 1 && !m.Writes[w].Edit) {
			continue
		}
		if s.SQL.Rows[m.Writes[w].Scope][c.Number-1].Version >= c.Version { // an edit that was sent twice may be stored once
			continue
		}
		kept := false
		for _, e := range s.Redis.entries() {
			kept = kept || (int(e.Write) == w && e.Version == c.Version)
		}
		if !kept {
			s.Lost |= 1 << w
		}
	}
}

// expire ends the life of a counter, which it has only while nothing of its scope is pending.
func (m *Model) expire(s *State, out emit) {
	for scope := range uint8(maxScopes) {
		if s.Redis.Counters[scope].Generation == 0 || s.Redis.Pending[scope] != [maxNumbers]Body{} {
			continue
		}
		retained := false // a counter outlives what is retained
		for _, e := range s.Redis.entries() {
			retained = retained || (m.Retain > 0 && e.Write != marker && m.Writes[e.Write].Scope == scope)
		}
		if retained {
			continue
		}
		n := m.fault(s)
		n.Budget.Expire--
		n.Redis.Counters[scope] = Counter{}
		for i := range n.Pods { // a reading is older than 5 s by now
			if p := &n.Pods[i]; m.keeps(SeedRefusesOld) && (p.At == podRead || p.At == podSeed) {
				p.again()
			}
		}
		out(n, Step{"FAULT", "a counter expires; its scope:", scope, 0})
	}
}
