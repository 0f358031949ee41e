package child

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"
)

// Exit codes of a program that did not run: those of shells, env and timeout.
const (
	CodeFailed        = 125 // it is our own doing: no folder, no network of its own
	CodeNotExecutable = 126
	CodeNotFound      = 127
	// CodeSignal is added to the number of the signal that ended the program.
	CodeSignal = 128
)

// Config says what to run, and with what around it.
type Config struct {
	// Argv is the program and its arguments. A name without a slash is looked for in our own PATH.
	Argv []string
	// Env is the parent's environment, as os.Environ gives it; the child's is made from it.
	Env []string
	// Strip are names that never reach the child. One with a star at its end means all that begin so.
	Strip []string
	// Set is put on top: placeholders and the like. It wins over Env, Strip and what this package sets.
	Set map[string]string

	// Proxy is where the child's requests have to go: http, a host, a port, and the run's secret as user
	// info. Nil leaves the user's own proxy variables alone, and with them CA.
	Proxy *url.URL
	// Hosts are those that the proxy serves, "api.github.com" or "*.example.com", with or without a port:
	// the user's NO_PROXY must not lead around the proxy to them. Its other entries are the user's.
	Hosts []string
	// CA are certificates in PEM that the child is to trust beside those that it trusts anyway.
	CA []byte

	// Isolate gives the child a network in which there is nothing but the way to Proxy. Where that cannot be
	// had, Run fails and says why; it never runs the program without.
	Isolate bool

	// Stdin, Stdout and Stderr are handed to the child as they are; nil is our own.
	Stdin, Stdout, Stderr *os.File
	// Dir is where the child starts; "" is where we are.
	Dir string
	// Grace is how long the child may take to end when ctx has ended, before it is killed; 0 is 5 seconds.
	Grace time.Duration
}

// Run starts the program, waits until it ends, and gives its exit code: 128+N if signal N ended it, which
// the caller may want to raise on itself. If err is not nil the program did not run, code is one of
// [CodeFailed], [CodeNotExecutable] and [CodeNotFound], and err says for people what to do.
//
// When ctx ends the child is told to end (SIGTERM; on Windows it is killed at once), and what is left of
// it is killed after Config.Grace. So ctx must not be one that ends with the terminal's interrupt: what
// Ctrl-C means is the child's decision, and Run sees to it that we outlive it.
//
// While it runs, Run takes the signals of the whole process that a terminal or a supervisor sends. Calls may
// overlap; each of them then passes signals on.
func Run(ctx context.Context, c Config) (code int, err error) {
	if err := c.check(); err != nil {
		return CodeFailed, err
	}
	path, code, err := find(c.Argv[0], c.Dir)
	if err != nil {
		return code, err
	}
	files, err := writeTrust(c)
	if err != nil {
		return CodeFailed, err
	}
	defer files.remove()
	return run(ctx, c, path, environment(c, files))
}

func (c Config) check() error {
	switch {
	case len(c.Argv) == 0 || c.Argv[0] == "":
		return errors.New("there is no program to run: name it, as in `run -- agent`")
	case c.Dir != "" && !isFolder(c.Dir):
		return fmt.Errorf("the folder %s, where the program is to start, is not there", c.Dir)
	case c.Proxy == nil && c.Isolate:
		return errors.New("a run without a proxy cannot be isolated: there would be no way out at all")
	case c.Proxy == nil:
		return nil
	case c.Proxy.Scheme != "http" || c.Proxy.Hostname() == "" || c.Proxy.Port() == "":
		return fmt.Errorf("the proxy's address %s is not of the form http://host:port", c.Proxy.Redacted())
	}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// streams are the child's input, output and error output.
func (c Config) streams() []*os.File {
	given := []*os.File{c.Stdin, c.Stdout, c.Stderr}
	for i, own := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if given[i] == nil {
			given[i] = own
		}
	}
	return given
}
