// Package failpoint names the steps of the protocol between which a test may stop a process and let the others act.
// Without the build tag «failpoint» a step costs nothing: Hit is empty and is compiled away.
//
// A step is named «what.where»; test/steps lists all of them, says what each lies between, and stops there.
package failpoint
