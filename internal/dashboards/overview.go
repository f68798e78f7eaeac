package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

const requests = `chat_http_request_duration_seconds`

var overview = board{"overview", "overview", "Is the service keeping up, since when not, and where to look.", []row{
	{"Is it well?", []panel{
		number("Alerts", "Alerts of this release that fire. Each leads to its runbook.", units.Short,
			`count(ALERTS{S,alertname=~"Chat.+",alertstate="firing"}) or vector(0)`).fails(1),
		number("Alerts to come", "What is wrong, and not yet for so long that it is an alert.", units.Short,
			`count(ALERTS{S,alertname=~"Chat.+",alertstate="pending"}) or vector(0)`).warns(1),
		number("Accepted", "Writes a second that were given a number and are durable in Redis.", units.WritesPerSecond, `sum(rate(chat_accepted_writes_total{S}[R]))`),
		number("Faults", "Share of the clients' requests that were answered 5xx.", units.PercentUnit,
			`sum(rate(`+requests+`_count{S,status="5xx",route=~"/applications.*"}[R])) / (sum(rate(`+requests+`_count{S,route=~"/applications.*"}[R])) > 0)`).warns(0.001).fails(0.01),
		number("Oldest waiting write", "How long the oldest write has waited that is accepted and not yet a row in MySQL.", units.Seconds,
			`max(chat_queue_oldest_entry_age_seconds{S,sink="mysql"})`).warns(10).fails(60),
		number("Dead letters", "Accepted writes that could not be stored and wait for somebody: the monitoring page deals with them.", units.Short,
			`sum(max by (sink, reason) (chat_dead_letters{S}))`).warns(1),
		number("Shards without a leader", "Nobody flushes these.", units.Short, `count(sum by (shard) (chat_shard_leader{S}) == 0) or 0 * count(chat_shard_leader{S})`).fails(1).without("no flusher is seen"),
		number("API pods", "Pods that are ready.", units.Short, `sum(chat_ready{S,component="api"}) or vector(0)`).needs(1),
		number("Flushers", "Pods that answer the scrape.", units.Short, `count(count by (pod) (chat_shard_leader{S})) or vector(0)`).needs(1),
		number("Queue in use", "The fullest stream, of what it may hold. At 100 % writes get 503.", units.PercentUnit,
			`max(chat_queue_stream_entries{S}) / max(chat_queue_stream_max_entries{S})`).warns(0.5).fails(0.8),
		number("Redis' memory in use", "Of its maxmemory, at which writes get 503; 0 without one.", units.PercentUnit,
			`max(chat_redis_memory_used_bytes{S} / (chat_redis_memory_max_bytes{S} > 0)) or 0 * max(chat_redis_memory_max_bytes{S})`).warns(0.8).fails(0.9),
		number("Found after", "How long the oldest message has waited that can't be found yet.", units.Seconds, `max(chat_queue_oldest_entry_age_seconds{S,sink="search"})`).warns(30).fails(300),
		number("Backup overdue", "For how long a backup of Redis has been due that did not succeed yet.", units.Seconds, overdue).warns(1800).fails(3600).without("no schedule"),
		number("Promises broken", "Numbers and Idempotency-Keys that were to be stored twice, of all flushers that were seen in the time that is shown. Must stay 0.", units.Short,
			`sum(max_over_time(chat_broken_promises_total{S}[$__range]))`).fails(1),
	}},
	{"Keeping up", []panel{
		lines("Accepted and stored", "Writes a second. While accepted is above stored, the queue grows.", units.WritesPerSecond,
			query{`sum(rate(chat_accepted_writes_total{S}[R]))`, "accepted"}, query{`sum(rate(chat_flush_rows_total{S,sink="mysql"}[R]))`, "stored"},
			query{`sum(rate(chat_flush_rows_total{S,sink="search"}[R]))`, "put into search"}),
		lines("Waiting", "Entries that are accepted, and not yet stored or not yet in search.", units.Short,
			query{`sum by (sink) (chat_queue_depth_entries{S})`, "for {{sink}}"}),
		lines("Oldest waiting write", "Grows while nothing is flushed.", units.Seconds, query{`max by (sink) (chat_queue_oldest_entry_age_seconds{S})`, "for {{sink}}"}),
	}},
	{"Requests", []panel{
		lines("Requests", "By class of status.", units.RequestsPerSecond, query{`sum by (status) (rate(` + requests + `_count{S}[R]))`, "{{status}}"}).stack(),
		lines("Time of writes", "POST, PUT and PATCH: until they are durable in Redis.", units.Seconds, quantiles(requests, `{S,method=~"POST|PUT|PATCH",route=~"/applications.*"}`, "", "")...),
		lines("Time of reads", "GET, without searches.", units.Seconds, quantiles(requests, `{S,method="GET",route=~"/applications.*",route!~".*/search"}`, "", "")...),
		lines("Requests by route", "", units.RequestsPerSecond, query{`sum by (method, route) (rate(` + requests + `_count{S,route=~"/applications.*"}[R]))`, "{{method}} {{route}}"}),
		lines("Time of searches", "", units.Seconds, quantiles(requests, `{S,route=~".*/search"}`, "", "")...),
		lines("Turned away and replayed", "Requests that were answered 429, connections that were too many, and answers given a second time to the same Idempotency-Key.", units.RequestsPerSecond,
			query{`sum(rate(chat_http_rate_limited_requests_total{S}[R]))`, "rate limited"},
			query{`sum(rate(chat_http_rate_limiter_failures_total{S}[R]))`, "let through, as the rate limiter did not answer"},
			query{`sum(rate(chat_http_connections_turned_away_total{S}[R]))`, "connections turned away"},
			query{`sum(rate(chat_http_replayed_requests_total{S}[R]))`, "replayed"}),
	}},
	{"Processes", []panel{
		lines("Processor", "Cores.", units.Short, query{`sum by (pod) (rate(process_cpu_seconds_total{S}[R]))`, "{{pod}}"}),
		lines("Memory", "", units.BytesIEC, query{`sum by (pod) (process_resident_memory_bytes{S})`, "{{pod}}"}),
		lines("Open connections of clients", "Those beyond what a pod takes are turned away.", units.Short, query{`sum by (pod) (chat_http_connections{S})`, "{{pod}}"},
			query{`max(chat_http_max_connections{S})`, "a pod takes"}),
		lines("Goroutines", "", units.Short, query{`sum by (pod) (go_goroutines{S})`, "{{pod}}"}),
		lines("Ready", "Pods that say that they can serve.", units.Short, query{`sum by (component) (chat_ready{S})`, "{{component}}"}),
		lines("Versions", "Pods by build. Two at once: a rollout is under way.", units.Short, query{`count by (version, revision) (chat_build_info{S})`, "{{version}} ({{revision}})"}).stack(),
	}},
}}
