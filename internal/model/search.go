package model

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// Finding is something that a search found.
type Finding struct {
	What      string
	Violation bool   // else it is a note: a documented limit
	States    int    // in which it was found
	state     uint32 // the first of them
}

// Result of a search.
type Result struct {
	States   int
	Depth    int
	Complete bool // every state that can be reached was
	Findings []Finding
	search   *search
}

// Violations are the findings that break a promise.
func (r Result) Violations() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return !f.Violation })
}

// Any is what Search takes for the first violation, whatever it is.
const Any = "any"

// Search goes through the states breadth first, up to a number of them. It ends with the level in which the violation
// until is found first; an empty one ends nothing.
func Search(c Config, limit int, until string) Result {
	q := &search{m: &Model{Config: complete(c)}, seen: newTable(), seed: maphash.MakeSeed()}
	r := q.run(limit, until)
	r.search = q
	return r
}

// search is breadth first over fingerprints of 64 bits. Of a state that was left behind it keeps who it came from and
// as which successor, from which a trace is made again.
type search struct {
	m        *Model
	seen     *table
	seed     maphash.Seed
	parent   []uint32
	place    []uint8
	findings []Finding
	next     frontier
}

func (q *search) run(limit int, until string) Result {
	var level frontier
	start := q.m.initial()
	q.seen.add(q.fingerprint(&start))
	q.parent, q.place = append(q.parent, 0), append(q.place, 0)
	level.add(&start, 0)
	depth := 0
	for level.n > 0 && len(q.parent) <= limit && !q.violated(until) {
		for i := range level.n {
			at := level.at(i)
			place := uint8(0)
			q.m.successors(&at.state, func(s *State, _ Step) {
				place++
				if place == 0 {
					panic("model: more than 255 successors")
				}
				q.visit(s, at.id, place)
			})
			if len(q.parent) > limit {
				return Result{States: len(q.parent), Depth: depth, Findings: q.findings}
			}
		}
		level, q.next = q.next, level
		q.next.n = 0
		depth++
	}
	return Result{States: len(q.parent), Depth: depth, Complete: level.n == 0, Findings: q.findings}
}

func (q *search) fingerprint(s *State) uint64 { return maphash.Comparable(q.seed, *s) }

// visit checks a state that was not seen before.
func (q *search) visit(s *State, from uint32, place uint8) {
	m := q.m
	m.canonical(s)
	h := q.fingerprint(s)
	if !q.seen.add(h) {
		return
	}
	id := uint32(len(q.parent)) // a search has fewer states than memory has bytes
	q.parent, q.place = append(q.parent, from), append(q.place, place)
	q.found(m.note, false, id)
	if m.violation == "" {
		m.note = ""
		m.check(s)
		q.found(m.note, false, id)
	}
	if m.violation == "" && (s.resting() || h>>32%8 == 0) { // of the others, one in eight
		m.note = ""
		m.settle(s)
		q.found(m.note, false, id)
	}
	if m.violation != "" {
		q.found(m.violation, true, id)
		return
	}
	q.next.add(s, id)
}

func (q *search) found(what string, violation bool, id uint32) {
	if what == "" {
		return
	}
	for i := range q.findings {
		if f := &q.findings[i]; f.What == what && f.Violation == violation {
			f.States++
			return
		}
	}
	q.findings = append(q.findings, Finding{what, violation, 1, id})
}

func (q *search) violated(what string) bool {
	return slices.ContainsFunc(q.findings, func(f Finding) bool { return f.Violation && (f.What == what || what == Any) })
}

// Trace gives the steps to the first state of a finding, one a line.
func (r Result) Trace(f Finding) (lines []string) {
	q := r.search
	var path []uint8
	for id := f.state; id != 0; id = q.parent[id] {
		path = append(path, q.place[id])
	}
	s := q.m.initial()
	for _, wanted := range slices.Backward(path) {
		place := uint8(0)
		var taken State
		var line string
		q.m.successors(&s, func(n *State, st Step) {
			if place++; place == wanted {
				taken = *n
				line = fmt.Sprintf("%s: %s %d %d", st.Who, st.What, st.A, st.B)
			}
		})
		q.m.canonical(&taken)
		s = taken
		lines = append(lines, line+"    "+s.String())
	}
	return lines
}
