// Package test runs the service as its users do: the real program, several processes of it, on real engines, under load
// and while processes are killed. The harness is in the files without _test; each test file is one family of faults.
//
//	build.go    the program, built once for all tests of the package
//	service.go  engines, pods and flushers of one test
//	load.go     writers that retry with their Idempotency-Key, and note what was acknowledged
//	check.go    what must hold in the end: nothing lost, doubled or skipped
package test
