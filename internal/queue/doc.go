// Package queue is the Redis side of the store: it accepts writes, shows those that are not stored yet, and hands the
// stream to the flusher.
//
// A write is accepted by accept.lua, which gives the number and adds the stream entry in one atomic step, after it has
// proved that it runs on the Redis and in the generation that its caller knows:
//
//	Accept ─► lane (gathers while a call is in flight) ─► accept.lua
//	            │ STALE   ─► open: generation+1 on the cursor row, open.lua, again
//	            │ SEED    ─► MAX(number) together with the generation, seed.lua, again
//	            │ ASK     ─► the key in the database's idempotency_keys, again
//	            └ OK, REPLAY, ABSENT, REUSED, FULL: the answer
//
// What the database must answer for that is the interface Ledger. Keys are made in keys.go, entries in entry.go;
// each script says on top what it takes and answers.
package queue
