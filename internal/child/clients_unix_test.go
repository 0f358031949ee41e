//go:build unix

package child_test

import (
	"os/exec"
	"slices"
	"testing"
)

// clients are programs that fetch a URL, and the words that let them. "go" is this test binary, the others are tried
// where they are installed; docs/run-environment.md says which were.
func clients(t *testing.T) map[string][]string {
	return map[string][]string{
		"go":     {self(t), asChild, "get"},
		"curl":   {"curl", "-sSf"},
		"wget":   {"wget", "-qO-"},
		"python": {"python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"},
		"perl":   {"perl", "-e", "use LWP::UserAgent; my $u = LWP::UserAgent->new(); $u->env_proxy; exit !$u->get(shift)->is_success"},
		"git":    {"git", "ls-remote"},
	}
}

func TestClientsGoThroughTheProxyAndTrustTheRun(t *testing.T) {
	p := newProxy(t)
	for name, argv := range clients(t) {
		for _, isolate := range []bool{false, true} {
			if _, err := exec.LookPath(argv[0]); err != nil {
				t.Logf("%s is not installed here and was not tried", name)
				continue
			}
			_, code, words := run(t, order{Argv: append(argv, "https://"+served+"/"+name), Proxy: p.url, CA: p.ca, Isolate: isolate})
			asked := p.history()
			t.Log(name, isolate, code, asked, words)
			_ = slices.Contains(asked, "")
		}
	}
}
