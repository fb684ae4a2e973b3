package rig

import "syscall"

// diesWithParent has the kernel end the child even when the test is killed.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
