// Package e2e installs the chart on a Kubernetes cluster and breaks things while a pod there loads the service: `make e2e`.
// The files are compiled with the tag e2e alone.
//
//	cluster_test.go   kubectl and helm, and what a test waits for
//	load_test.go      the pod that loads the service, and what it counts
//	leases_test.go    who leads the shards
//	others_test.go    other releases beside it
//	external_test.go  engines outside of a release, with TLS
//	mistakes_test.go  what operators do wrong
//	backup_test.go    backups, the loss of Redis with its disk, and the restore
//	e2e_test.go       what is done and must hold
package e2e
