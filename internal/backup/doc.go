// Package backup takes backups of the queue's Redis, proves that they can be loaded, and keeps those that a policy wants.
//
//	Take ─► replication: redis-cli --rdb, as a replica      ┐
//	     └► dump: DUMP of each key, RESTORE into a Scratch  ┴► RDB ─► zstd ─► Storage, the manifest last
//	Verify, Open ─► Storage ─► SHA-256 ─► Scratch, a redis-server that loads the RDB ─► queue.Inspect, queue.Entries
//	Prune ─► Plan, a pure function ─► Delete
//
// Replication has a price: a Redis without replicas takes a new master_replid when redis-cli comes, as after a restart, and
// another one when repl-backlog-ttl (1 h) has passed since; each time the partitions are opened anew, which takes
// milliseconds and keeps everything. With repl-backlog-ttl 0 that happens at the first backup alone.
//
// A backup is one file <name>.<shard>.rdb.zst for each master (a Cluster has several) and <name>.json, its Manifest. It
// exists if the manifest does; files without one are what a killed run left behind, and Prune removes them after a day.
package backup
