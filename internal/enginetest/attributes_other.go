//go:build !linux

package enginetest

import "syscall"

// childAttributes: a process group of its own. Elsewhere than on Linux nothing ends it with a test process that is killed.
func childAttributes(uid uint32) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if uid != 0 {
		a.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	return a
}
