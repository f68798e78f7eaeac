// Package model is the protocol of accepting, opening, flushing and following, as an explicit-state model of one
// partition that is searched breadth first through all interleavings and faults.
//
//	go test ./internal/model                                         the bounded search; -short: a tenth of it
//	go run ./internal/model/modelcheck                               lists configurations and rules
//	go run ./internal/model/modelcheck -config lag -states 20000000  goes further
//	go run ./internal/model/modelcheck -config lag-back -without clean-again-proves -first
//	                                                                 takes a rule back, and prints the shortest trace
//
// state.go has the state, rules.go the rules that can be taken back. scripts.go, pod.go, worker.go, sink.go, restore.go and
// database.go follow internal/queue, flusher and internal/store step by step: one function for each script, one step for
// each statement or command between which others may act. faults.go and successors.go say who may act, invariants.go and
// rest.go what must hold, configs.go through what the protocol is taken. Who changes the protocol changes the model
// first: a new rule gets its name in rules.go and its planted break in planted_test.go.
//
// # What is modelled
//
// Redis: stream, open (replid, gen, floor, floor_gen, ask_until as «yes» or «no», cleaned), counters with edited, pending,
// keys. Its faults: a restart with everything, an older file or a lagging replica (a copy that was kept at any moment, and
// back to what was left behind), FLUSHALL, a lost disk, an old master beside the new one. MySQL: rows, cursors of the
// database and of a sink, dead letters, keys, the lock on the cursor row, a commit whose outcome is not known and which
// comes late, a failover that loses a transaction. Two pods with a request each, clients that retry and repeat; two
// flushers, both leading, each with a sink into one index with external versions; an operator who retries a dead letter,
// or takes a backup of the stream at any moment and restores it into whatever Redis there is. Versions are the last one
// plus one, as under a clock that stands, so that they are used twice on two histories; with Clock, never twice.
//
// # What is checked
//
// In every state: a read finds what was acknowledged, no stored number is acknowledged to another write, no row comes
// twice. At rest (from every state in which nobody is in the middle of anything, and from one in eight of the others, all
// finish without further faults): what was acknowledged and no fault took is stored once; numbers are 1..n; the counter
// stands at n; nothing is left in pending; the index equals the rows; nobody goes round for ever. Beside an old master what
// it loses is a note: docs/architecture.md names the limit. Notes also are what is seen of a lost write before a Redis is
// opened, and of the time between a failover of the database and its being filled again.
//
// # Bounds and simplifications
//
// Two to four writes in up to two scopes, one to three faults, batches of three, fingerprints of 64 bits. Raising the
// generation is one step with the reading of the cursor before it, which it proves. Reading cursor, stream and proof are
// one step but in the configurations named stepwise. An opener is not overtaken for ever. Time does not pass but for a
// counter's life: the 24 h of keys, and that of ask_until with them, do not end. The backlog that makes a sink give up is
// a fault that may come at any time.
//
// # What is not modelled, and what covers it
//
//	several writes, scopes and partitions in one script call   internal/queue/queue_test.go, test/linearizable_test.go
//	chats and their messages in two partitions, the rows of
//	chats that are added where it is worthwhile, counts        flusher/recovery_test.go, flusher/flusher_test.go
//	queue limits, Redis out of memory, «next», WAIT, Sentinel,
//	Cluster                                                    internal/queue/queue_test.go, topology_test.go
//	bisection and which errors are a row's fault               flusher/bounds_test.go, db/errors_test.go
//	pages of a scan, several sinks, reindexing                 flusher/sink_test.go, test/search_test.go
//	keys that expire and are purged                            flusher/recovery_test.go
//	the code itself under kill -9, pauses and dropped replies  test/
package model
