//go:build unix && !linux

package child

import "syscall"

// attributes are empty: only Linux and FreeBSD tell a child of its parent's death. It notices when it next asks for
// something, since the proxy is gone.
func attributes() *syscall.SysProcAttr { return nil }

// descendants are not known here.
func descendants(int) []int { return nil }
