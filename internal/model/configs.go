package model

var (
	two          = []Write{{}, {}}
	three        = []Write{{}, {}, {}}
	edited       = []Write{{}, {Edit: true}, {}}
	edits        = []Write{{}, {Edit: true}, {Edit: true}}
	anEdit       = []Write{{}, {Edit: true}}
	editedSecond = []Write{{}, {}, {Edit: true, Target: 1}}
	poisoned     = []Write{{}, {Poison: true}, {}}
	poison       = []Write{{Poison: true}, {}}
	apart        = []Write{{}, {Scope: 1}, {}, {Scope: 1}}
)

// Configs are the whole protocol under every kind of fault.
func Configs() []Config {
	return []Config{
		{Name: "unopened", Writes: three, Generation: 6, Unopened: true},
		{Name: "restart", Writes: three, Budget: Budget{Restart: 1, Crash: 1, Again: 1}, Generation: 4},
		{Name: "restart-edit", Writes: edited, Budget: Budget{Restart: 1, Crash: 1, Again: 1}, Generation: 4},
		{Name: "lag", Writes: three, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1}, Generation: 4},
		{Name: "lag-edit", Writes: edited, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1}, Generation: 4},
		{Name: "lag-edits", Writes: edits, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1}, Generation: 4},
		{Name: "lag-again", Writes: two, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1, Again: 1}, Generation: 4},
		{Name: "lag-restart", Writes: three, Budget: Budget{Snapshot: 1, Lag: 1, Restart: 1}, Generation: 5},
		{Name: "lag-lag", Writes: three, Budget: Budget{Snapshot: 2, Lag: 2}, Generation: 5},
		{Name: "lag-back", Writes: three, Budget: Budget{Snapshot: 1, Lag: 2}, Generation: 5},
		{Name: "flushall", Writes: three, Budget: Budget{Flushall: 1, Crash: 1, Again: 1}, Generation: 4},
		{Name: "flushall-restart", Writes: three, Budget: Budget{Flushall: 1, Restart: 1, Crash: 1}, Generation: 5},
		{Name: "lag-flushall", Writes: three, Budget: Budget{Snapshot: 1, Lag: 1, Flushall: 1}, Generation: 5},
		{Name: "lag-flushall-edit", Writes: edited, Budget: Budget{Snapshot: 1, Lag: 1, Flushall: 1}, Generation: 5},
		{Name: "lag-back-flushall", Writes: two, Budget: Budget{Snapshot: 2, Lag: 2, Flushall: 1}, Generation: 5, Pods: 1, Flushers: 1},
		{Name: "disk", Writes: three, Budget: Budget{Disk: 1, Restart: 1, Crash: 1}, Generation: 5},
		{Name: "poison", Writes: poisoned, Budget: Budget{Restart: 1, Crash: 1, Again: 1}, Generation: 4},
		{Name: "poison-lag", Writes: poisoned, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1}, Generation: 4},
		{Name: "expire", Writes: three, Budget: Budget{Expire: 1, Restart: 1, Crash: 1}, Generation: 4},
		{Name: "share", Writes: two, Budget: Budget{Share: 1, Again: 1, Snapshot: 1, Lag: 1}, Generation: 4},
		{Name: "xadd", Writes: three, Budget: Budget{ScriptFail: 1, Restart: 1}, Generation: 4},
		{Name: "scopes", Writes: apart, Budget: Budget{Snapshot: 1, Lag: 1}, Generation: 4},
		{Name: "sql", Writes: three, Budget: Budget{SQL: 1, Restart: 1}, Generation: 4, Retain: 3},
		{Name: "sql-edit", Writes: edited, Budget: Budget{SQL: 1, Crash: 1}, Generation: 4, Retain: 3},
		{Name: "split", Writes: three, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 4, MayLose: true},
		{Name: "split-edit", Writes: edited, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 4, MayLose: true},
		{Name: "split-clock", Writes: three, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 4, MayLose: true, Clock: true},
		{Name: "split-wild", Writes: three, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 5, MayLose: true, Wild: true},
		{Name: "stepwise", Writes: two, Budget: Budget{Snapshot: 1, Lag: 1}, Generation: 4, Stepwise: true},
		{Name: "stepwise-flushall", Writes: two, Budget: Budget{Flushall: 1, Crash: 1}, Generation: 4, Stepwise: true},

		{Name: "restore", Writes: three, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Crash: 1}, Generation: 4},
		{Name: "restore-live", Writes: two, Budget: Budget{Backup: 1, Restore: 1, Overdue: 1}, Generation: 4},
		{Name: "restore-overdue", Writes: two, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Overdue: 1}, Generation: 5, Pods: 1, Flushers: 1},
		{Name: "restore-keys", Writes: three, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Again: 1}, Generation: 4, Pods: 1, Flushers: 1},
		{Name: "restore-never-stored", Writes: two, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Again: 1}, Generation: 5, Pods: 1, Flushers: 1, Unopened: true},
		{Name: "restore-edited-later", Writes: editedSecond, Budget: Budget{Backup: 1, Disk: 1, Restore: 1}, Generation: 4, Pods: 1, Flushers: 1},
		{Name: "restore-again", Writes: two, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Overdue: 1, Again: 1}, Generation: 5},
		{Name: "restore-twice", Writes: two, Budget: Budget{Backup: 1, Flushall: 1, Restore: 2}, Generation: 5},
		{Name: "restore-edit", Writes: edited, Budget: Budget{Backup: 1, Disk: 1, Restore: 1}, Generation: 4},
		{Name: "restore-edits", Writes: edits, Budget: Budget{Backup: 1, Flushall: 1, Restore: 1, Crash: 1}, Generation: 4, Clock: true},
		{Name: "restore-lag", Writes: three, Budget: Budget{Backup: 1, Snapshot: 1, Lag: 1, Restore: 1}, Generation: 5},
		{Name: "restore-disk", Writes: two, Budget: Budget{Backup: 1, Disk: 2, Restore: 1}, Generation: 6},
		{Name: "restore-poison", Writes: poisoned, Budget: Budget{Backup: 1, Disk: 1, Restore: 1}, Generation: 4},
		{Name: "restore-scopes", Writes: apart, Budget: Budget{Backup: 1, Disk: 1, Restore: 1}, Generation: 4, Pods: 1, Flushers: 1},
		{Name: "restore-split", Writes: two, Budget: Budget{Backup: 1, Snapshot: 1, Split: 1, Restore: 1}, Generation: 5, MayLose: true},

		{Name: "search", Writes: edited, Budget: Budget{Crash: 1, Shed: 1}, Generation: 2, Sinks: true},
		{Name: "search-stepwise", Writes: two, Budget: Budget{Shed: 1}, Generation: 2, Sinks: true, Stepwise: true},
		{Name: "search-lag", Writes: two, Budget: Budget{Snapshot: 1, Lag: 1}, Generation: 3, Sinks: true},
		{Name: "search-lag-back", Writes: three, Budget: Budget{Snapshot: 1, Lag: 2}, Generation: 4, Sinks: true},
		{Name: "search-lag-edit", Writes: anEdit, Budget: Budget{Snapshot: 1, Lag: 1, Crash: 1}, Generation: 3, Sinks: true},
		{Name: "search-flushall", Writes: two, Budget: Budget{Flushall: 1, Shed: 1}, Generation: 3, Sinks: true},
		{Name: "search-split", Writes: two, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 3, Sinks: true, MayLose: true},
		{Name: "search-retry", Writes: poison, Budget: Budget{Shed: 1, Retry: 1, Crash: 1}, Generation: 2, Sinks: true},
		{Name: "search-restore", Writes: two, Budget: Budget{Backup: 1, Disk: 1, Restore: 1, Crash: 1}, Generation: 4, Sinks: true, Pods: 1, Flushers: 1},
		{Name: "search-sql", Writes: two, Budget: Budget{SQL: 1, Shed: 1}, Generation: 3, Sinks: true, Retain: 3},
	}
}

// complete gives a Config the two pods and flushers that every one has.
func complete(c Config) Config {
	if c.Pods == 0 {
		c.Pods = 2
	}
	if c.Flushers == 0 {
		c.Flushers = 2
	}
	return c
}
