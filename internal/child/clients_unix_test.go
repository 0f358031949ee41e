//go:build unix

package child_test

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"
)

// client is a program that fetches a URL.
type client struct {
	name string
	argv []string
	path string // what it asks for
	// isolated: only in an isolated run does it go through the proxy.
	isolated bool
}

// clients are tried where they are installed; "go", which is this test binary, is so everywhere.
// docs/run-environment.md says of all programs how they were tried.
func clients(t *testing.T) []client {
	return []client{
		{name: "go", argv: []string{self(t), asChild, "get"}},
		{name: "curl", argv: []string{"curl", "-sSf"}},
		{name: "wget", argv: []string{"wget", "-qO-"}},
		{name: "python", argv: []string{"python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"}},
		{name: "git", argv: []string{"git", "ls-remote"}, path: "/info/refs"},
		{name: "java", argv: []string{"java", "testdata/Get.java"}, isolated: true},
	}
}

func TestClientsGoThroughTheProxyAndTrustTheRun(t *testing.T) {
	for _, c := range clients(t) {
		if _, err := exec.LookPath(c.argv[0]); err != nil {
			t.Logf("%s is not installed here and was not tried", c.name)
			continue
		}
		for _, isolate := range []bool{false, true} {
			if isolate && !canIsolate(t) || !isolate && c.isolated {
				continue
			}
			t.Run(fmt.Sprint(c.name, ", isolated ", isolate), func(t *testing.T) {
				t.Parallel()
				p := newProxy(t)
				_, code, words := run(t, order{Argv: append(slices.Clone(c.argv), "https://"+served+"/"+c.name), Proxy: p.url, CA: p.ca, Isolate: isolate})
				asked := slices.Contains(p.history(), served+" /"+c.name+c.path)
				if !asked || code != 0 && c.path == "" { // git gets no repository
					t.Errorf("came through: %v; code %d, %s", asked, code, words)
				}
			})
		}
	}
}
