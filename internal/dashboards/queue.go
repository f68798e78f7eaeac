package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

var queueing = board{"queue", "queue", "What waits, who flushes it, and what could not be stored.", []row{
	{"What waits", []panel{
		lines("Waiting for MySQL", "Entries by shard.", units.Short, query{`sum by (shard) (chat_queue_depth_entries{S,sink="mysql"})`, "shard {{shard}}"}).stack(),
		lines("Oldest entry waiting for MySQL", "By shard.", units.Seconds, query{`max by (shard) (chat_queue_oldest_entry_age_seconds{S,sink="mysql"})`, "shard {{shard}}"}),
		lines("Streams in use", "Of what a stream may hold, what was flushed and is retained included. At 100 % writes get 503.", units.PercentUnit,
			query{`max by (partition) (chat_queue_stream_entries{S}) / on () group_left () max(chat_queue_stream_max_entries{S})`, "partition {{partition}}"}).upTo(1),
		lines("Waiting for search", "Entries by shard.", units.Short, query{`sum by (shard) (chat_queue_depth_entries{S,sink="search"})`, "shard {{shard}}"}).stack(),
		lines("Oldest entry waiting for search", "By shard.", units.Seconds, query{`max by (shard) (chat_queue_oldest_entry_age_seconds{S,sink="search"})`, "shard {{shard}}"}),
		lines("Cursors", "When the entry was accepted at which a partition's cursor lies: how long ago that is. It grows where nothing is written, too.", units.Seconds,
			query{`time() - (max by (sink, partition) (chat_flush_cursor_timestamp_seconds{S}) > 0)`, "{{sink}} {{partition}}"}),
	}},
	{"Accepting", []panel{
		lines("Accepted", "By kind.", units.WritesPerSecond, query{`sum by (kind) (rate(chat_accepted_writes_total{S}[R]))`, "{{kind}}"}).stack(),
		lines("Refused", "Writes that were answered 503, by what was full or failed. The runbook ChatWritesFailing explains the reasons.", units.WritesPerSecond,
			query{`sum by (reason) (rate(chat_refused_writes_total{S}[R]))`, "{{reason}}"}).stack(),
		lines("Openings", "Partitions that were opened on a Redis: after it restarted or failed over. Lost: it lacked something that was not stored.", units.Short,
			query{`sum by (found) (increase(chat_openings_total{S}[R]))`, "{{found}}"}, query{`sum(increase(chat_redis_superseded_total{S}[R]))`, "refused: not the master any more"}),
	}},
	{"Flushing", []panel{
		lines("Leaders", "Shards that a pod leads.", units.Short, query{`sum by (pod) (chat_shard_leader{S})`, "{{pod}}"}).stack(),
		lines("Rows and documents", "", units.RowsPerSecond, query{`sum by (sink, kind) (rate(chat_flush_rows_total{S}[R]))`, "{{sink}}: {{kind}}"}),
		lines("Failed flushes", "By sink, which need not be the engine at fault: a flush needs Redis too, and both need MySQL for their cursors. Each is tried again; /monitor and the leader's log say why.", units.OpsPerSecond, query{`sum by (sink) (rate(chat_flush_failures_total{S}[R]))`, "{{sink}}"}),
		lines("Time of a flush", "One transaction, or one batch for the search index; failed ones too, once they failed: one that waits for a lock does after 30 s.", units.Seconds, quantiles("chat_flush_duration_seconds", "{S}", "sink", "{{sink}}")...),
		lines("Entries of a flush", "", units.Short, quantiles("chat_flush_batch_entries", "{S}", "sink", "{{sink}}")...),
		lines("Accepted until flushed", "How long the oldest entry of a batch had waited.", units.Seconds, quantiles("chat_flush_lag_seconds", "{S}", "sink", "{{sink}}")...),
	}},
	{"What went wrong", []panel{
		lines("Dead letters", "Open ones, by sink and reason. The monitoring page deals with them.", units.Short,
			query{`max by (sink, reason) (chat_dead_letters{S})`, "{{sink}}: {{reason}}"}).stack(),
		lines("Became dead letters", "", units.WritesPerSecond, query{`sum by (sink, reason) (rate(chat_dead_lettered_writes_total{S}[R]))`, "{{sink}}: {{reason}}"}),
		lines("Must stay 0", "Broken promises, and streams that were cut behind the cursor.", units.Short,
			query{`sum(chat_broken_promises_total{S})`, "broken promises"}, query{`sum(chat_queue_stream_cuts_total{S})`, "stream found cut"}),
		lines("Repaired counts", "Counts that the hourly recount found wrong and set right.", units.Short, query{`sum by (of) (increase(chat_counts_repaired_total{S}[R]))`, "{{of}}"}),
		lines("Filled from MySQL", "Partitions of a search index that had to be filled from the database, since the stream did not reach back.", units.Short,
			query{`sum(increase(chat_search_resyncs_total{S}[R]))`, "resyncs"}),
	}},
}}
