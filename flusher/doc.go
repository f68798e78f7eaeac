// Package flusher brings what the queue has accepted into the database and into the search index.
//
// Each partition has a worker. It reads the stream from the partition's cursor, which lies in the database, and stores
// a batch in one transaction whose first statement moves that cursor by compare-and-set:
//
//	       ┌────────────── the cursor moved, or the outcome is unknown ◄─────────────┐
//	       ▼                                                                         │
//	read the cursor ─► clean what is committed ─► read the stream ─► due? ─► transaction ─► clean, trim
//	       ▲                                        │      ▲          │no
//	       └── opened ◄── another generation? open ◄┘      └──────────┘ wait for more, or FLUSH_MAX_WAIT
//
// Rows and cursor agree always, so a crash, a leader that was paused and a second leader cannot store a write twice.
//
//	flusher.go   the process: which partitions are led, who wakes their workers
//	worker.go    the loop above
//	commit.go    the transaction; insert.go finds the rows that the database refuses for their data
//	sink.go      the search index as a second sink with a cursor of its own; resync.go fills it from the database
//	janitor.go   the periodic repair of counts, and the end of old idempotency keys
//	backlog.go   how far each sink is behind, for the metrics
//	deadletter.go what could not be stored: list, retry, discard
package flusher
