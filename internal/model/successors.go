package model

import "hash/maphash"

// Step says what happened between two states.
type Step struct {
	Who, What string
	A, B      uint8
}

// emit takes a successor and the step to it. The state is used again after the call.
type emit func(*State, Step)

// successors gives every state that can follow.
func (m *Model) successors(s *State, out emit) {
	for i := range m.Pods {
		if p := &s.Pods[i]; p.At == podIdle {
			m.requests(s, i, out)
		} else {
			m.podSuccessors(s, i, out)
		}
		m.move(s, "pod", &s.Pods[i].Connection, func(n *State) *uint8 { return &n.Pods[i].Connection }, out)
	}
	for i := range m.Flushers {
		m.workerSuccessors(s, i, out)
		m.move(s, "worker", &s.Flushers[i].Worker.Connection, func(n *State) *uint8 { return &n.Flushers[i].Worker.Connection }, out)
		if m.Sinks {
			m.sinkSuccessors(s, i, out)
			m.move(s, "sink", &s.Flushers[i].Sink.Connection, func(n *State) *uint8 { return &n.Flushers[i].Sink.Connection }, out)
		}
	}
	m.operatorSuccessors(s, out)
	m.restoreSuccessors(s, out)
	m.move(s, "restore", &s.Restore.Connection, func(n *State) *uint8 { return &n.Restore.Connection }, out)
	m.faults(s, out)
}

// move connects a process again: away from an old master, or (Wild) back to it.
func (m *Model) move(s *State, who string, now *uint8, connection func(*State) *uint8, out emit) {
	if s.Old.Up == 0 || (*now == 0 && !m.Wild) {
		return
	}
	n := m.fault(s)
	*connection(n) = 1 - *now
	out(n, Step{who, "connects again; to the old master:", 1 - *now, 0})
}

// requests are the writes that a client may send to an idle pod. Sending one and accept.lua are one step.
func (m *Model) requests(s *State, i int, out emit) {
	for w := range m.Writes {
		if !m.maySend(s, w) {
			continue
		}
		for how := done; how <= xaddFails; how++ {
			if how == replyLost && s.Budget.Crash == 0 || how == xaddFails && s.Budget.ScriptFail == 0 {
				continue
			}
			n := m.fault(s)
			if s.Clients[w].State == acknowledged || s.inPod(w) {
				n.Budget.Again--
			}
			if n.Clients[w].State == unsent {
				n.Clients[w].State = sent
			}
			p := &n.Pods[i]
			p.At, p.Write = podAccept, uint8(w)
			m.podStep(n, i, how)
			switch how {
			case replyLost:
				if n.Pods[i].At != podIdle || n.Clients[w].State == refused {
					continue
				}
				n.Budget.Crash--
				out(n, Step{"client", "sends a write, accept.lua is done, its reply is lost; write, generation:", uint8(w), s.Pods[i].Generation})
			case xaddFails:
				if n.Pods[i].At != podIdle || n.Clients[w].State == refused {
					continue
				}
				n.Budget.ScriptFail--
				out(n, Step{"client", "sends a write, XADD fails; write, generation:", uint8(w), s.Pods[i].Generation})
			default:
				out(n, Step{"client", "sends a write: accept.lua; write, generation:", uint8(w), s.Pods[i].Generation})
			}
		}
	}
}

func (m *Model) maySend(s *State, write int) bool {
	switch s.Clients[write].State {
	case refused:
		return false
	case unsent:
		for w := range write { // which of two equal writes is sent first does not matter
			if s.Clients[w].State == unsent {
				return false
			}
		}
		return !m.Writes[write].Edit || s.Clients[m.Writes[write].Target].State == acknowledged
	case sent:
		return !s.inPod(write) || s.Budget.Again > 0
	}
	return s.Budget.Again > 0 && !m.Writes[write].Edit // an edit that is sent again is a new edit
}

func (s *State) inPod(write int) bool {
	for i := range s.Pods {
		if p := &s.Pods[i]; p.At != podIdle && int(p.Write) == write {
			return true
		}
	}
	return false
}

func (m *Model) podSuccessors(s *State, i int, out emit) {
	p := &s.Pods[i]
	if p.At != podRaise || s.SQL.Generation < m.Generation {
		n := m.fault(s)
		if m.podStep(n, i, done) {
			out(n, Step{"pod", podSteps[p.At], p.Write, p.Generation})
		}
	}
	if s.Budget.Crash > 0 && (p.At == podAccept || p.At == podOpen) {
		n := m.fault(s)
		n.Budget.Crash--
		m.podStep(n, i, replyLost)
		if p.At == podOpen || (n.Pods[i].At == podIdle && n.Clients[p.Write].State != refused) {
			out(n, Step{"pod, whose reply is lost", podSteps[p.At], p.Write, p.Generation})
		}
	}
	if s.Budget.Crash > 0 && p.At == podOpen { // elsewhere a crash is no more than a request given up
		n := m.fault(s)
		n.Budget.Crash--
		n.Pods[i] = Pod{Connection: p.Connection}
		out(n, Step{"pod", "crashes before open.lua", p.Write, p.Generation})
	}
	if s.Budget.ScriptFail > 0 && p.At == podAccept {
		n := m.fault(s)
		n.Budget.ScriptFail--
		if m.podStep(n, i, xaddFails); n.Pods[i].At == podIdle && n.Clients[p.Write].State != refused {
			out(n, Step{"pod", "accept.lua, in which XADD fails", p.Write, p.Generation})
		}
	}
	if r := s.redis(p.Connection); s.Budget.Share > 0 && r.Open.Generation > p.Generation && r.opened() {
		n := m.fault(s)
		n.Budget.Share--
		n.Pods[i].Generation = r.Open.Generation
		out(n, Step{"pod", "another request of it learns a generation; write, generation:", p.Write, r.Open.Generation})
	}
}

func (m *Model) workerSuccessors(s *State, i int, out emit) {
	w := &s.Flushers[i].Worker
	step := func(how outcome, single bool, what string) {
		n := m.fault(s)
		m.single = single
		if how == replyLost {
			n.Budget.Crash--
		}
		if m.workerStep(n, i, how) {
			out(n, Step{what, workerSteps[w.At], w.Cursor.Version, w.Generation})
		}
	}
	if w.At != workerRaise || s.SQL.Generation < m.Generation {
		step(done, false, "worker")
		if w.At == workerIdle || w.At == workerScan || w.At == workerRead || w.At == workerProve {
			step(done, true, "worker, one entry at most")
		}
	}
	if s.Budget.Crash > 0 && (w.At == workerCommit || w.At == workerOpen) {
		step(replyLost, false, "worker, whose reply is lost")
	}
	if w.At == workerLate {
		step(rolledBack, false, "worker, rolled back")
	}
	if m.Stepwise && w.At == workerFlush && w.Batch < maxBatch {
		n := m.fault(s)
		n.Flushers[i].Worker.At = workerRead
		out(n, Step{"worker", "gathers more", w.Cursor.Version, w.Generation})
	}
	if s.Budget.Crash > 0 && (w.At == workerClean || w.At == workerOpen || w.At == workerAgain) {
		n := m.fault(s)
		n.Budget.Crash--
		n.Flushers[i].Worker.forget()
		out(n, Step{"worker, which crashes before", workerSteps[w.At], w.Cursor.Version, w.Generation})
	}
}

func (m *Model) sinkSuccessors(s *State, i int, out emit) {
	k := &s.Flushers[i].Sink
	n := m.fault(s)
	if m.sinkStep(n, i) {
		out(n, Step{"sink", sinkSteps[k.At], k.Cursor.Position.Version, k.Cursor.State})
	}
	if s.Budget.Crash > 0 && k.At != sinkIdle {
		n := m.fault(s)
		n.Budget.Crash--
		n.Flushers[i].Sink = Sink{Connection: k.Connection}
		out(n, Step{"sink, which crashes before", sinkSteps[k.At], k.Cursor.Position.Version, k.Cursor.State})
	}
	if s.Budget.Shed > 0 && k.At == sinkIdle && s.SQL.Sink.State == follow && s.SQL.Sink.Position.Version < s.redis(k.Connection).Last {
		n := m.fault(s)
		n.Budget.Shed--
		n.Flushers[i].Sink = Sink{At: sinkTurn, Connection: k.Connection, Keep: nothing, Cursor: s.SQL.Sink}
		out(n, Step{"sink", "gives up following", s.SQL.Sink.Position.Version, 0})
	}
}

func (m *Model) operatorSuccessors(s *State, out emit) {
	if s.Operator.At == operatorPut {
		for _, away := range []bool{false, true} {
			n := m.fault(s)
			m.operatorStep(n, away)
			what := "puts the stored letter into the index"
			if away {
				what = "sets the sink back, since the index is away"
			}
			out(n, Step{"operator", what, s.Operator.Letter, 0})
		}
		return
	}
	if s.Budget.Retry == 0 {
		return
	}
	for w, l := range s.SQL.Dead {
		if l.Number != 0 && l.Stored == 0 && !m.Writes[w].Edit {
			n := m.fault(s)
			n.Budget.Retry--
			m.retry(n, uint8(w))
			out(n, Step{"operator", "retries a dead letter", uint8(w), 0})
		}
	}
}

var orderSeed = maphash.MakeSeed()

// canonical gives states that differ only in what can't matter one form: pods are alike, and so are flushers.
func (m *Model) canonical(s *State) {
	if s.Budget.Lag == 0 && s.Budget.Split == 0 {
		s.Snapshot = Redis{}
	}
	if s.Old.Up == 0 {
		s.Restore.Connection = 0
		for i := range s.Pods {
			s.Pods[i].Connection = 0
		}
		for i := range s.Flushers {
			s.Flushers[i].Worker.Connection, s.Flushers[i].Sink.Connection = 0, 0
		}
	}
	if m.Pods == 2 && s.Pods[0] != s.Pods[1] && maphash.Comparable(orderSeed, s.Pods[0]) < maphash.Comparable(orderSeed, s.Pods[1]) {
		s.Pods[0], s.Pods[1] = s.Pods[1], s.Pods[0]
	}
	f := &s.Flushers
	if m.Flushers == 2 && f[0] != f[1] && maphash.Comparable(orderSeed, f[0]) < maphash.Comparable(orderSeed, f[1]) {
		f[0], f[1] = f[1], f[0]
	}
}
