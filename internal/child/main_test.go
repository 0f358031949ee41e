package child_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"testing"

	"github.com/keybearer/keybearer/internal/child"
)

// The test binary is also the program that runs a child, and the child: the first argument says which.
const (
	asRunner = "as-runner"
	asChild  = "as-child"
)

func TestMain(m *testing.M) {
	child.Enter()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case asRunner:
			os.Exit(runner(os.Args[2]))
		case asChild:
			os.Exit(program(os.Args[2:]))
		}
	}
	heed()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would have each of our processes wait a second
	os.Exit(m.Run())
}

// order is a Config that can be handed to another process.
type order struct {
	Argv, Env, Strip, Hosts []string
	Set                     map[string]string
	Proxy, CA, Dir          string
	Isolate                 bool
}

func (o order) config() child.Config {
	c := child.Config{
		Argv: o.Argv, Env: o.Env, Strip: o.Strip, Hosts: o.Hosts, Set: o.Set,
		CA: []byte(o.CA), Dir: o.Dir, Isolate: o.Isolate,
	}
	if o.Env == nil {
		c.Env = os.Environ()
	}
	if o.Proxy != "" {
		c.Proxy, _ = url.Parse(o.Proxy)
	}
	return c
}

// runner does what the command `run` does.
func runner(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code, err := child.Run(context.Background(), o.config())
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
	}
	return code
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const linux = runtime.GOOS == "linux"
