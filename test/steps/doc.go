// Package steps stops a pod between two statements or commands and lets the other side act: another pod, another flusher,
// Redis emptied, restarted or come back as an older copy, connections cut, answers lost, the process dead. Whatever
// happens there, the promises of docs/architecture.md must hold afterwards.
//
//	table_test.go    every step, what it lies between, how a pod comes there and what may happen meanwhile
//	reaches_test.go  how a pod comes to a step
//	faults_test.go   what the other side does
//	scene_test.go    one pair: come to the step, stop, act, go on or die, drain, check
//	history_test.go  what was acknowledged; check_test.go holds tables, Redis and reads against it
//	world_test.go    the engines and pods; wire_test.go loses answers and holds requests
//
// The tests need the build tag «failpoint».
package steps
