//go:build !linux

package child

import (
	"os"
	"runtime"
)

// Enter has to be the first call of main in a program that uses [Config.Isolate]. On this system it does nothing.
func Enter() {}

func startIsolated(Config, string, []string) (*os.Process, func(), error) {
	return nil, nil, errNoIsolation("only Linux has networks of their own for a process, and this is " + runtime.GOOS)
}
