// Package controller is the backup controller: it makes Jobs of what the kinds in v1alpha1 ask for, and writes down what the
// Jobs told. It sees the objects of one release (the label app.kubernetes.io/instance) in one namespace.
//
//	RedisBackupSchedule ──owns──► CronJob ──► Job ─┐       (and makes the volume that it asks for)
//	        ▲                                      ├──told in its termination message──► RedisBackup's status
//	        │            RedisBackup, by hand ──► Job
//	        └── status is counted from the RedisBackups
//
//	RedisBackup:  Pending ──► Running ──► Completed
//	                 └───────────┴──────► Failed
//
//	a RedisBackup that is gone, and is on record: its Job is deleted, a Job deletes its data, the record is struck out
//
// There are no finalizers. A finalizer that nobody answers keeps a namespace from ever being deleted, and when a namespace or a
// release is deleted, the controller or its rights may well go first. Instead, a record of each RedisBackup (record.go) lies in a
// ConfigMap that goes with the release: what is on record and is there no more was deleted, be it while the controller was away.
// When the release is uninstalled the record is gone, and the data stays.
//
// Every name is given by its object's, so that a step that is done again finds what it did before. All reads go to the API
// server, and the caches only wake: what they miss at a moment would be made twice.
//
//	run.go       the process: leader election, health, metrics
//	schedule.go  RedisBackupSchedule → CronJobs; its status
//	volume.go    the volume that a schedule asks for
//	backup.go    Job ↔ RedisBackup
//	record.go    which RedisBackups there are
//	removal.go   deletes the data of those that are gone
//	prune.go     after a pruning, the RedisBackups whose data is gone go too
//	restore.go   RedisRestore → Job
//	jobs.go      what is common to Jobs: the chart's template, and what is laid over it
//	report.go    what a Job told
//	metrics.go   the schedules' status as metrics
//	list.go      the RedisBackups, for the monitoring page
package controller
