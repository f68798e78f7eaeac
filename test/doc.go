// Package test runs the service as its users do: the real program, several processes of it, on real engines, under load
// and while processes are killed. The harness is in the files without _test; each test file is one family of faults.
//
//	build.go    the program, built once for all tests of the package
//	service.go  engines, pods and flushers of one test
//	process.go  one of them: started, killed, stopped at a failpoint
//	client.go   requests that are sent again until they are answered
//	load.go     writers that retry with their Idempotency-Key, note what was acknowledged, and read it back
//	wire.go     what stands between a process and its engine
//	check.go    what must hold in the end: nothing lost, doubled or skipped
//	incluster_test.go   the same load and the contract as a pod of a Kubernetes cluster; e2e/ installs the chart and breaks things
package test
