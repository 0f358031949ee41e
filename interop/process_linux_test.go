package interop_test

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the child with the test binary even when that is killed, by
// a timeout for instance, and no cleanup runs.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
