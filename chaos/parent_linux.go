package main

import (
	"os/exec"
	"syscall"
)

// endWithParent ends the child with this program even when that is killed.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
