package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// overdue is for how long the schedule that is furthest behind has lacked a backup that was due.
const overdue = `clamp_min(time() - min(max by (schedule) (chat_backup_due_timestamp_seconds{S})), 0)`

var backups = board{"backups", "backups", "Backups of Redis: how old, how large, and whether they load.", []row{
	{"Now", []panel{
		number("Overdue", "For how long a backup has been due that did not succeed yet, of the schedule that is furthest behind.", units.Seconds, overdue).warns(1800).fails(3600).without("no schedule"),
		number("Age of the newest", "Of the schedule whose newest one is the oldest.", units.Seconds, `time() - min(max by (schedule) (chat_backup_last_success_timestamp_seconds{S}))`),
		number("Newest verified", "How long ago a backup was last loaded and compared, likewise.", units.Seconds, `time() - min(max by (schedule) (chat_backup_verified_timestamp_seconds{S}))`),
		number("Size", "Of the newest, likewise the largest.", units.BytesIEC, `max(chat_backup_last_size_bytes{S})`),
		number("Duration", "Of the newest, likewise the longest.", units.Seconds, `max(chat_backup_last_duration_seconds{S})`),
		number("Failed", "In the last day.", units.Short, `sum(max by (schedule) (increase(chat_backup_failures_total{S}[1d])))`).warns(1),
	}},
	{"By schedule", []panel{
		lines("Age of the newest", "Falls to 0 with each backup that succeeds.", units.Seconds,
			query{`time() - max by (schedule) (chat_backup_last_success_timestamp_seconds{S})`, "{{schedule}}"}),
		lines("Since the last verification", "", units.Seconds, query{`time() - max by (schedule) (chat_backup_verified_timestamp_seconds{S})`, "{{schedule}}"}),
		lines("Size", "", units.BytesIEC, query{`max by (schedule) (chat_backup_last_size_bytes{S})`, "{{schedule}}"}),
		lines("Duration", "", units.Seconds, query{`max by (schedule) (chat_backup_last_duration_seconds{S})`, "{{schedule}}"}),
		lines("Failures", "Since the schedule was made.", units.Short, query{`max by (schedule) (chat_backup_failures_total{S})`, "{{schedule}}"}),
	}},
	{"What a loss of Redis would take", []panel{
		lines("Waiting for MySQL", "What only Redis holds. The newest backup may have some of it.", units.Short, query{`sum(chat_queue_depth_entries{S,sink="mysql"})`, "entries"}),
	}},
}}
