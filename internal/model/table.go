package model

// table is a set of fingerprints, in open addressing.
type table struct {
	slots []uint64
	n     int
}

func newTable() *table { return &table{slots: make([]uint64, 1<<16)} }

// add tells whether the fingerprint is new.
func (t *table) add(h uint64) bool {
	h = max(1, h)
	if t.n*5 > len(t.slots)*4 {
		t.grow()
	}
	at := t.place(h)
	if t.slots[at] == h {
		return false
	}
	t.slots[at] = h
	t.n++
	return true
}

// place is where a fingerprint is, or is to be.
func (t *table) place(h uint64) uint64 {
	last := uint64(len(t.slots) - 1)
	at := h & last
	for t.slots[at] != 0 && t.slots[at] != h {
		at = (at + 1) & last
	}
	return at
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	for _, h := range old {
		if h != 0 {
			t.slots[t.place(h)] = h
		}
	}
}

// frontier is a level of the search: states in chunks that are used again level after level.
type frontier struct {
	chunks [][]visited
	n      int
}

type visited struct {
	state State
	id    uint32
}

const chunkSize = 1 << 10

func (f *frontier) at(i int) *visited { return &f.chunks[i/chunkSize][i%chunkSize] }

func (f *frontier) add(s *State, id uint32) {
	if f.n/chunkSize == len(f.chunks) {
		f.chunks = append(f.chunks, make([]visited, chunkSize))
	}
	v := f.at(f.n)
	v.state, v.id = *s, id
	f.n++
}
