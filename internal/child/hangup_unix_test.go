//go:build unix

package child_test

import (
	"os"
	"os/signal"
	"syscall"
)

// heed has the tests run as if nobody had made them ignore hangups, as nohup does and some runners of tests do: what
// ignores a signal hands that on to all that it starts, and what has a handler does not.
func heed() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }
