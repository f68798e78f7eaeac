package model

// How many steps everybody gets to come to rest: more than any state needs.
const (
	turns      = 150
	lastSteps  = 60
	restRounds = 40
	sinkRounds = 60
)

// resting tells whether nobody is in the middle of anything.
func (s *State) resting() bool {
	for i := range s.Pods {
		if s.Pods[i].At != podIdle {
			return false
		}
	}
	for i := range s.Flushers {
		if s.Flushers[i].Worker.At != workerIdle || s.Flushers[i].Sink.At != sinkIdle {
			return false
		}
	}
	return s.Operator.At == operatorIdle && s.Restore.At == restoreIdle
}

// settle lets everybody finish from a state on, without faults, new requests or an old master, and checks what holds
// then. It leaves the state as it is.
func (m *Model) settle(from *State) {
	s := *from
	s.Budget = Budget{}
	s.Snapshot, s.Old = Redis{}, Redis{}
	m.canonical(&s)
	single := m.single
	m.single = false
	m.finish(&s)
	m.single = single
}

func (m *Model) finish(s *State) {
	if s.Operator.At != operatorIdle {
		m.operatorStep(s, false)
	}
	if !m.finishRestore(s) {
		m.violate(restoreLivelock)
		return
	}
	if !m.finishRequests(s) {
		m.tell(s, podLivelock)
		return
	}
	if !m.finishFlushing(s) {
		m.tell(s, workerLivelock)
		return
	}
	if m.violation != "" {
		return
	}
	if m.Sinks && !m.finishFollowing(s) {
		m.violate(sinkLivelock)
		return
	}
	m.checkRest(s)
}

// finishRequests lets all step in turns until no request is under way. Who opens backs off at random: raising the
// generation and open.lua are not overtaken for ever.
func (m *Model) finishRequests(s *State) bool {
	for range turns {
		if s.Pods[0].At == podIdle && s.Pods[1].At == podIdle {
			return true
		}
		for i := range s.Pods {
			if m.podStep(s, i, done) && s.Pods[i].At == podOpen {
				m.podStep(s, i, done)
			}
			m.flushStep(s, i)
		}
	}
	return false
}

func (m *Model) flushStep(s *State, i int) {
	if m.workerStep(s, i, done) && s.Flushers[i].Worker.At == workerOpen {
		m.workerStep(s, i, done)
	}
}

// finishFlushing lets the workers finish what they hold, then one of them flush the rest.
func (m *Model) finishFlushing(s *State) bool {
	for range lastSteps {
		if s.Flushers[0].Worker.At == workerIdle && s.Flushers[1].Worker.At == workerIdle {
			break
		}
		for i := range s.Flushers {
			if s.Flushers[i].Worker.At != workerIdle {
				m.flushStep(s, i)
			}
		}
	}
	s.Flushers[1].Worker.forget()
	for range restRounds {
		before := *s
		for range 12 {
			m.workerStep(s, 0, done)
			if s.Flushers[0].Worker.At == workerIdle {
				break
			}
		}
		if *s == before {
			return true
		}
	}
	return false
}

// finishFollowing lets the sinks finish what they hold, then one of them follow to the end.
func (m *Model) finishFollowing(s *State) bool {
	for range sinkRounds {
		if s.Flushers[0].Sink.At == sinkIdle && s.Flushers[1].Sink.At == sinkIdle {
			break
		}
		for i := range s.Flushers {
			if s.Flushers[i].Sink.At != sinkIdle {
				m.sinkStep(s, i)
			}
		}
	}
	for range sinkRounds {
		before := *s
		for range 2 * maxScopes * maxNumbers {
			m.sinkStep(s, 0)
			if s.Flushers[0].Sink.At == sinkIdle {
				break
			}
		}
		if *s == before {
			return s.Flushers[0].Sink.At == sinkIdle
		}
	}
	return false
}
