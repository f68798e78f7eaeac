package model

import (
	"fmt"
	"strings"
)

// String shows what a trace is read for: the streams, what is numbered and pending, the rows and the index.
func (s *State) String() string {
	var b strings.Builder
	s.Redis.show(&b, "redis")
	s.Old.show(&b, "old master")
	q := &s.SQL
	fmt.Fprintf(&b, "sql{cursor %s gen %d replid %d", q.Cursor, q.Generation, q.Replid)
	for scope, rows := range q.Rows {
		for i, r := range rows {
			if r.Created != 0 {
				fmt.Fprintf(&b, " %s=w%d,%s", label(scope, i), r.Created-1, r.Body)
			}
		}
	}
	for w, l := range q.Dead {
		if l.Number != 0 {
			fmt.Fprintf(&b, " dead w%d#%d", w, l.Number)
		}
	}
	fmt.Fprintf(&b, "} sink{%s %s", [...]string{"follow", "resync"}[q.Sink.State], q.Sink.Position)
	for scope, docs := range s.Index {
		for i, d := range docs {
			if d.Write != 0 {
				fmt.Fprintf(&b, " %s=%s", label(scope, i), d)
			}
		}
	}
	b.WriteString("} acknowledged")
	for w, c := range s.Clients {
		if c.State == acknowledged {
			fmt.Fprintf(&b, " w%d#%d", w, c.Number)
		}
	}
	if s.Lost != 0 {
		fmt.Fprintf(&b, " lost %b", s.Lost)
	}
	return b.String()
}

func label(scope, i int) string { return fmt.Sprintf("%s#%d", [...]string{"", "other"}[scope], i+1) }

func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Version, p.Generation) }

func (b Body) String() string { return fmt.Sprintf("w%d@%d", b.Write-1, b.Version) }

func (r *Redis) show(b *strings.Builder, name string) {
	if r.Up == 0 {
		return
	}
	fmt.Fprintf(b, "%s{%d open %d/%d floor %d/%d cleaned %d [", name, r.Replid, r.Open.Replid, r.Open.Generation, r.Open.Floor, r.Open.FloorGeneration, r.Open.Cleaned)
	for i, e := range r.entries() {
		if i > 0 {
			b.WriteByte(' ')
		}
		if e.Write == marker {
			fmt.Fprintf(b, "%d:after %d", e.Version, e.Number)
		} else {
			fmt.Fprintf(b, "%d/%d:w%d#%d", e.Version, e.Generation, e.Write, e.Number)
		}
	}
	b.WriteByte(']')
	for scope, c := range r.Counters {
		if c.Generation != 0 {
			fmt.Fprintf(b, " n%s=%d/%d", [...]string{"", "'"}[scope], c.Number, c.Generation)
		}
	}
	for scope, pending := range r.Pending {
		for i, p := range pending {
			if p.Write != 0 {
				fmt.Fprintf(b, " pending %s=%s", label(scope, i), p)
			}
		}
	}
	b.WriteString("} ")
}
