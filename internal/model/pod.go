package model

// The steps of a request: queue.Accept and what it calls.
const (
	podIdle   = iota
	podAccept // accept.lua
	podAsk    // idempotency_keys
	podRaise  // Queue.Open up to the new generation
	podOpen   // open.lua
	podRead   // the highest number and the generation
	podSeed   // seed.lua
)

var podSteps = [...]string{"idle", "accept.lua", "ask idempotency_keys", "raise the generation", "open.lua", "read the highest number", "seed.lua"}

// outcome of a step.
type outcome uint8

const (
	done       outcome = iota
	replyLost          // it is done, and nobody learns so
	xaddFails          // of accept.lua
	rolledBack         // of a commit whose outcome was not known
)

func (p *Pod) end() { *p = Pod{Generation: p.Generation, Connection: p.Connection} }

// again asks accept.lua once more.
func (p *Pod) again() {
	*p = Pod{At: podAccept, Write: p.Write, Generation: p.Generation, Asked: p.Asked, Connection: p.Connection}
}

// learn takes a generation where the pod still has the one that the request was sent in.
func (p *Pod) learn(generation uint8) {
	if p.Generation == p.Sent {
		p.Generation = generation
	}
}

// podStep is the next step of a request; false: it waits for a lock.
func (m *Model) podStep(s *State, i int, how outcome) bool {
	p := &s.Pods[i]
	r := s.redis(p.Connection)
	scope := m.Writes[p.Write].Scope
	switch p.At {
	case podIdle:
		return false
	case podAccept:
		m.podAccept(s, p, r, how)
	case podAsk:
		if k := s.SQL.Keys[p.Write]; k.Number != 0 {
			m.acknowledge(s, p, k)
			p.end()
			break
		}
		p.Asked = p.Sent
		p.again()
	case podRaise:
		if p.Generation != p.Sent { // another request of the pod was first
			p.again()
			break
		}
		if s.SQL.Generation != p.Sent && m.keeps(OpenCompares) {
			p.learn(s.SQL.Generation)
			p.again()
			break
		}
		if s.locked(-1) && m.keeps(OpenWaitsForFlush) {
			return false
		}
		if m.superseded(s, p.Opened, p.Replid, p.Seen) {
			p.end()
			break
		}
		m.raise(s, p.Seen, p.Replid)
		p.At, p.Cursor, p.New = podOpen, s.SQL.Cursor, s.SQL.Generation
	case podOpen:
		a := m.open(s, r, p.Replid, p.New, p.Cursor)
		switch {
		case how == replyLost && m.keeps(OpenIsNotSentAgain):
			p.end()
		case how == replyLost: // and is sent again as it was
		case a == answerOther:
			p.again()
		default:
			p.learn(p.New)
			p.again()
		}
	case podRead:
		p.Number = max(p.Number, m.highest(&s.SQL, scope))
		p.At, p.New = podSeed, s.SQL.Generation
		if p.New != p.Sent && m.keeps(SeedOfSameGeneration) && m.keeps(SeedReadsGeneration) {
			p.learn(p.New)
			p.again()
		}
	case podSeed:
		if !m.keeps(SeedReadsGeneration) {
			p.New = s.SQL.Generation
		}
		if m.keeps(SeedOfSameGeneration) && m.keeps(SeedReadsGeneration) {
			p.New = p.Sent
		}
		m.seed(r, scope, p.New, p.Number)
		p.again()
	}
	return true
}

func (m *Model) podAccept(s *State, p *Pod, r *Redis, how outcome) {
	a, given := m.accept(s, r, p, how == xaddFails)
	switch a {
	case answerOK, answerReplay:
		if how == done {
			m.acknowledge(s, p, given)
		}
		p.end()
	case answerAsk:
		p.At = podAsk
	case answerSeed:
		p.At, p.Number = podRead, given.Number
		if !m.keeps(PendingVouches) || !m.keeps(SeedAsksPendingFirst) {
			p.Number = 0
		}
	case answerAbsent:
		if t := m.Writes[p.Write].Target; s.Clients[t].State == acknowledged && s.Lost>>t&1 == 0 && p.Connection == 0 {
			m.tell(s, editAbsent)
		}
		s.Clients[p.Write].State = refused
		p.end()
	case answerFailed, answerClosed:
		p.end()
	default:
		p.At, p.Seen, p.Replid, p.Opened = podRaise, r.Open.Generation, r.Replid, 0
		if r.opened() {
			p.Opened = 1
		}
	}
}

// superseded tells of a Redis that is open as what it is, below the database's generation, while another one was opened.
func (m *Model) superseded(s *State, opened, replid, seen uint8) bool {
	return opened == 1 && s.SQL.Replid != replid && seen < s.SQL.Generation && m.keeps(OpenLeavesSuperseded)
}

func (m *Model) acknowledge(s *State, p *Pod, given Answer) {
	w := m.Writes[p.Write]
	row := s.SQL.Rows[w.Scope][given.Number-1]
	again := row.Created != 0 && row.Created != p.Write+1
	for i, l := range s.SQL.Dead {
		again = again || (i != int(p.Write) && l.Number == given.Number && m.Writes[i].Scope == w.Scope)
	}
	if again && !w.Edit {
		m.tell(s, numberGivenAgain)
	}
	s.Clients[p.Write] = Client{acknowledged, given.Number, given.Version}
	s.Lost &^= 1 << p.Write
	if s.Old.Up == 1 && p.Connection == 1 && s.SQL.Committed>>p.Write&1 == 0 && s.SQL.Dead[p.Write].Number == 0 {
		s.Lost |= 1 << p.Write // by the old master alone
	}
}
