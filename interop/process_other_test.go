//go:build !linux

package interop_test

import "os/exec"

// dieWithParent has no counterpart here: a test binary that is killed can leave
// a child behind.
func dieWithParent(*exec.Cmd) {}
