//go:build !linux

package rig

import "syscall"

// diesWithParent: only Linux can do it.
func diesWithParent() *syscall.SysProcAttr { return nil }
