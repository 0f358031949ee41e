//go:build !unix

package postgrestest

import (
	"errors"
	"os/exec"
)

// The keeper is a shell script.
var errUnix = errors.New("PostgreSQL for tests is started on Unix only")

func unprivileged(*exec.Cmd) error { return errUnix }

func handOver(string) error { return errUnix }
