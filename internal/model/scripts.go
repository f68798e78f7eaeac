package model

// The scripts of internal/queue, each one atomic step of a Redis.

// answer of a script.
type answer uint8

const (
	answerOK answer = iota
	answerReplay
	answerAsk
	answerSeed
	answerAbsent
	answerFailed
	answerStale
	answerOther // open.lua: another Redis, or opened in this generation or a higher one
	answerKept
	answerLost
	answerClosed
)

// add is XADD, above a version. Only a stream that grows without end fills the array.
func (m *Model) add(s *State, r *Redis, above uint8, e Entry) uint8 {
	e.Version = max(r.Last, above) + 1
	if m.Clock {
		e.Version = max(e.Version, s.Clock+1)
		s.Clock = e.Version
	}
	if int(r.Length) == maxStream {
		m.violate(streamGrows)
		return e.Version
	}
	r.Stream[r.Length] = e
	r.Length++
	r.Last = e.Version
	return e.Version
}

// accept is accept.lua for one write. It leaves in the pod what the caller learns.
func (m *Model) accept(s *State, r *Redis, p *Pod, fails bool) (answer, Answer) {
	o, w := &r.Open, m.Writes[p.Write]
	p.Sent = p.Generation
	if o.Generation == 0 || (o.Replid != r.Replid && m.keeps(AcceptProvesRedis)) ||
		(o.Generation != p.Generation && m.keeps(AcceptProvesGeneration)) || (o.Closed == overdue && m.keeps(OverdueIsOpenedAnew)) {
		return answerStale, Answer{}
	}
	c := &r.Counters[w.Scope]
	n, live := c.Number, c.Generation == p.Generation || (c.Generation != 0 && !m.keeps(CounterOfGeneration))
	if !live && !m.vouches(r, c) {
		n = m.vouched(r, w.Scope)
	}
	if !w.Edit {
		asked := p.Asked == p.Generation || (p.Asked != 0 && !m.keeps(KeyAskedInGeneration))
		if k := r.Keys[p.Write]; k.Number != 0 && (k.Version > o.Floor || !m.keeps(FloorVoidsKeys)) {
			return answerReplay, k
		} else if o.Ask == 1 && !asked && m.keeps(KeyOutlivesRedis) {
			return answerAsk, Answer{}
		}
	}
	if o.Closed == closing && m.keeps(ClosedRefuses) {
		return answerClosed, Answer{}
	}
	number := n + 1
	if w.Edit {
		number = s.Clients[w.Target].Number
	}
	switch {
	case !live:
		return answerSeed, Answer{Number: n}
	case w.Edit && number > n:
		return answerAbsent, Answer{}
	case fails && !m.keeps(EntryBeforeCounter) && !w.Edit:
		c.Number = number
		return answerFailed, Answer{}
	case fails:
		return answerFailed, Answer{}
	}
	id := m.add(s, r, 0, Entry{Write: p.Write, Number: number, Generation: p.Generation})
	given := Answer{number, id}
	if w.Edit {
		c.Edited = id
	} else {
		c.Number = number
		r.Keys[p.Write] = given
	}
	r.Pending[w.Scope][number-1] = Body{p.Write + 1, id}
	return answerOK, given
}

// vouches tells whether a counter was given after the floor.
func (m *Model) vouches(r *Redis, c *Counter) bool {
	if !m.keeps(CounterVouches) && c.Generation != r.Open.Generation {
		return false
	}
	return c.Generation != 0 && (c.Generation >= r.Open.FloorGeneration || !m.keeps(FloorVoidsCounters))
}

// vouched is the highest number that pending holds above the floor. What is void above it goes.
func (m *Model) vouched(r *Redis, scope uint8) uint8 {
	for i := maxNumbers - 1; i >= 0; i-- {
		if p := &r.Pending[scope][i]; p.Write != 0 {
			if p.Version > r.Open.Floor || !m.keeps(FloorVoidsPending) {
				return uint8(i + 1)
			}
			*p = Body{}
		}
	}
	return 0
}

// seed is seed.lua.
func (m *Model) seed(r *Redis, scope, generation, number uint8) {
	if r.Open.Generation == 0 || (r.Open.Generation != generation && m.keeps(SeedRefusesGeneration)) {
		return
	}
	c := &r.Counters[scope]
	if !m.keeps(SeedAsksPendingFirst) {
		number = max(number, m.vouched(r, scope))
	}
	if m.vouches(r, c) && m.keeps(SeedRaises) {
		number = max(number, c.Number)
	}
	c.Number, c.Generation = number, r.Open.Generation
}

// holds tells whether the stream has the position's very entry.
func (m *Model) holds(r *Redis, at Position) bool {
	for _, e := range r.entries() {
		if at.Version != 0 && e.Version == at.Version && (e.Generation == at.Generation || !m.keeps(PositionHasGeneration)) {
			return true
		}
	}
	return false
}

// open is open.lua: in a generation, above a cursor, on the Redis that is expected.
func (m *Model) open(s *State, r *Redis, expected, generation uint8, cursor Position) answer {
	if r.Replid != expected && m.keeps(OpenExpectsRedis) {
		return answerOther
	}
	o := &r.Open
	if generation <= o.Generation && m.keeps(OpenRaises) {
		return answerOther
	}
	o.Replid, o.Generation, o.Closed = r.Replid, generation, opened
	above := cursor.Version >= o.Floor || !m.keeps(OpenKeepsAboveFloor)
	if (above && m.holds(r, cursor)) || !m.keeps(OpenMarksLoss) {
		return answerKept
	}
	empty := len(r.entries()) == 0
	for _, e := range r.entries() {
		if e.Write == marker && e.Number == cursor.Version && m.keeps(MarkerKeeps) &&
			(e.Version == o.Floor || !m.keeps(MarkerKeepsAtFloorAlone)) {
			return answerKept
		}
	}
	o.Floor = m.add(s, r, cursor.Version, Entry{Write: marker, Generation: generation, Number: cursor.Version})
	o.FloorGeneration, o.Ask = generation, 0
	if cursor.Version != 0 {
		o.Ask = 1
	}
	if empty {
		o.Cleaned = cursor.Version
	}
	return answerLost
}

// after is XRANGE from a position on: whether its own entry comes first, and what follows.
func (m *Model) after(r *Redis, at Position) (own bool, es []Entry) {
	es = r.entries()
	for len(es) > 0 && es[0].Version < at.Version {
		es = es[1:]
	}
	if len(es) > 0 && at.Version != 0 && es[0].Version == at.Version {
		own = es[0].Generation == at.Generation || !m.keeps(PositionHasGeneration)
		es = es[1:]
	}
	return own, es[:min(len(es), maxBatch)]
}

// proof is read.lua: whether what lies above a position follows on it; or what lies above the floor does, which then
// comes with it.
func (m *Model) proof(r *Redis, at Position) (follows uint8, es []Entry) {
	if (at.Version >= r.Open.Floor || !m.keeps(ReadBeginsAtFloor)) && m.holds(r, at) {
		return 1, nil
	}
	es = r.entries()
	for len(es) > 0 && es[0].Version < r.Open.Floor {
		es = es[1:]
	}
	if r.Open.Floor != 0 && len(es) > 0 && es[0].Version == r.Open.Floor && es[0].Write == marker && es[0].Number == at.Version {
		return 2, es[:min(len(es), maxBatch)]
	}
	return 0, nil
}

// clean is clean.lua: takes what was committed above from and up to to out of pending, then trims below a version.
func (m *Model) clean(r *Redis, from, to uint8, flushed bool, committed []Entry, below uint8) {
	for _, e := range committed {
		if e.Write == marker {
			continue
		}
		scope := m.Writes[e.Write].Scope
		p := &r.Pending[scope][e.Number-1]
		known := flushed && (r.Counters[scope].Edited <= to || !m.keeps(CleanSeesEdits))
		if known || p.Version <= to || !m.keeps(CleanCompares) {
			*p = Body{}
		}
	}
	o := &r.Open
	if o.Generation != 0 && to > o.Cleaned && (from <= o.Cleaned || !m.keeps(MarkIsContiguous)) {
		o.Cleaned = to
	}
	if below == 0 {
		return
	}
	if m.keeps(TrimToMark) {
		below = min(below, o.Cleaned)
	}
	gone := uint8(0)
	for gone < r.Length && r.Stream[gone].Version < below {
		gone++
	}
	if gone > m.Retain {
		gone -= m.Retain
		var left [maxStream]Entry
		copy(left[:], r.Stream[gone:r.Length])
		r.Stream, r.Length = left, r.Length-gone
	}
}
