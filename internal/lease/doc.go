// Package lease deals shards to the pods of a Kubernetes cluster: each shard has a Lease, which is won through client-go's
// leader election, and whoever holds it leads the shard.
//
//	           free, and this pod has less than its share; or its holder let it expire
//	waiting ───────────────────────────────────────────────────────────────────────────► leading
//	   ▲                                                                                    │
//	   └── given back ◄── the work has ended ◄── too many for its share, or SIGTERM, or lost ┘
//
// A pod's share is what falls to it when the shards are dealt evenly to the pods that are ready. Who has more gives the
// surplus back; who has less takes what is free. A Lease does not fence: the flusher's cursor does.
//
//	lease.go   the election: one elector a shard
//	lock.go    the Lease as client-go sees it, which heeds the share and notes what the API server refuses
//	share.go   the pods that are ready, and what falls to this one
package lease
