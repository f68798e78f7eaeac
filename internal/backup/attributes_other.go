//go:build !linux

package backup

import "syscall"

// childAttributes: elsewhere than on Linux nothing ends a child with a parent that is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
