// Package failpoint names the steps of the protocol between which a test may stop a process and let the others act.
// Without the build tag «failpoint» a step costs nothing: Hit is empty and is compiled away.
package failpoint
