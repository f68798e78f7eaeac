// Package model checks the protocol of one partition by searching its states breadth first: all interleavings of two pods
// and two flushers that both believe they lead, one atomic step at a time, with the faults that a Config allows.
//
//	state.go       a state: Redis, the database, pods, flushers, sinks, and what was acknowledged
//	pod.go         accepting, opening, seeding, reading; scripts.go is what the Lua scripts do
//	worker.go      flushing, cleaning and trimming; database.go is what transactions do
//	sink.go        the search index as a second sink
//	faults.go      crashes, restarts, lagging copies, lost data
//	rules.go       the rules that keep the promises, each of which can be taken back
//	invariants.go  what is held against every new state; rest.go what must hold when all are idle
//	search.go      the search itself, with its traces; configs.go what is searched
//
// The tests search every Config within a bound and find nothing, and take back each rule and find what then breaks.
// `go run ./internal/model/modelcheck` searches further and prints traces.
//
// A batch of several writes in one script call, several partitions, queue limits, a Redis out of memory, WAIT and the life of
// keys are not modelled; the tests of internal/queue, flusher and test have them. States are kept as 64-bit fingerprints.
package model
