package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

var engines = board{"engines", "engines", "Redis, MySQL and Elasticsearch, as the service sees them.", []row{
	{"Redis", []panel{
		lines("Time of a batch", "One pipeline to Redis, until it has synced its file.", units.Seconds, quantiles("chat_accept_duration_seconds", "{S}", "", "")...),
		lines("Writes of a batch", "", units.Short, quantiles("chat_accept_batch_writes", "{S}", "", "")...),
		lines("Memory", "At its bound Redis takes no write any more. No bound: 0.", units.BytesIEC, query{`max(chat_redis_memory_used_bytes{S})`, "used"}, query{`max(chat_redis_memory_max_bytes{S})`, "bound"}),
		lines("Connections", "Of all pods.", units.Short, query{`sum by (component, state) (chat_redis_pool_connections{S})`, "{{component}}: {{state}}"}),
		lines("Waits for a connection", "", units.OpsPerSecond, query{`sum by (component) (rate(chat_redis_pool_waits_total{S}[R]))`, "{{component}}: waited"},
			query{`sum by (component) (rate(chat_redis_pool_timeouts_total{S}[R]))`, "{{component}}: in vain"}),
		lines("Time waited for a connection", "Seconds a second.", units.Seconds, query{`sum by (component) (rate(chat_redis_pool_wait_seconds_total{S}[R]))`, "{{component}}"}),
		lines("Durability", "1 at the mode in which Redis keeps what is acknowledged. Any but always loses some in a crash.", units.Short,
			query{`max by (mode) (chat_redis_durability{S})`, "{{mode}}"}).upTo(1),
	}},
	{"MySQL", []panel{
		lines("Time of a transaction", "Of the flushers; failed ones too, once they failed: one that waits for a lock does after 30 s.", units.Seconds, quantiles("chat_flush_duration_seconds", `{S,sink="mysql"}`, "", "")...),
		lines("Connections", "Of all pods, and how many they may open.", units.Short, query{`sum by (component, state) (chat_database_pool_connections{S})`, "{{component}}: {{state}}"},
			query{`sum by (component) (chat_database_pool_max_connections{S})`, "{{component}}: at most"}),
		lines("Waits for a connection", "", units.OpsPerSecond, query{`sum by (component) (rate(chat_database_pool_waits_total{S}[R]))`, "{{component}}"}),
		lines("Time waited for a connection", "Seconds a second.", units.Seconds, query{`sum by (component) (rate(chat_database_pool_wait_seconds_total{S}[R]))`, "{{component}}"}),
		lines("Durability", "1 at the mode in which MySQL keeps what is committed.", units.Short, query{`max by (mode) (chat_mysql_durability{S})`, "{{mode}}"}).upTo(1),
		lines("Lookups of tokens", "A miss asks MySQL.", units.OpsPerSecond, query{`sum by (result) (rate(chat_token_cache_lookups_total{S}[R]))`, "{{result}}"}).stack(),
	}},
	{"Elasticsearch", []panel{
		lines("Documents", "Put into the index.", units.WritesPerSecond, query{`sum(rate(chat_flush_rows_total{S,sink="search"}[R]))`, "documents"}),
		lines("Time of a batch", "Of the flushers, in one bulk request or several; failed ones too.", units.Seconds, quantiles("chat_flush_duration_seconds", `{S,sink="search"}`, "", "")...),
		lines("Failed batches", "Of the flushers; each is tried again. It may be MySQL that failed, where the cursor lies, or Redis, where the entries do.", units.OpsPerSecond, query{`sum(rate(chat_flush_failures_total{S,sink="search"}[R]))`, "failed"}),
	}}, {"Collector of traces", []panel{
		lines("Spans", "Dropped: too many waited. Failed: the collector did not take them.", units.OpsPerSecond,
			query{`sum by (component, result) (rate(chat_trace_spans_total{S}[R]))`, "{{component}}: {{result}}"}),
	}},
}}
