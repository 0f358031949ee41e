package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/policy"
)

// fifty are rules of the kinds that people write, and none of them fits before the last.
func fifty() string {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i := range 12 {
		fmt.Fprintf(&b, "  - {runs: [bot-%d-*, worker-%d], connections: [github, atlassian/work], read_only: true}\n", i, i)
		fmt.Fprintf(&b, "  - {hosts: [api%d.example.com, '*.example%d.com'], paths: [/v1/**], verdict: allow}\n", i, i)
		fmt.Fprintf(&b, "  - {connections: [github], methods: [GET, POST], paths: ['/orgs/*/secret-%d/**', '/x/**/y%d'], verdict: refuse}\n", i, i)
		fmt.Fprintf(&b, "  - {methods: [DELETE, PUT], hosts: [h%d.example.com], verdict: ask}\n", i)
	}
	b.WriteString("  - {runs: [other], verdict: allow}\n  - {connections: [github], hosts: ['*.github.com'], paths: ['/repos/*/*/pulls/**'], verdict: allow, rate: 999999/s}\n")
	return b.String()
}

func BenchmarkDecide(b *testing.B) {
	p := parse(b, fifty())
	for name, q := range map[string]policy.Request{
		"last of 50":     {Run: "reviewer", Provider: "github", Connection: "work", Method: "GET", Host: "api.github.com", Path: "/repos/tea/house/pulls/7/files", Matched: true},
		"encoded path":   {Run: "reviewer", Provider: "github", Connection: "work", Method: "GET", Host: "api.github.com", Path: "/repos/tea/house/pulls/My%20Page", Matched: true},
		"none of 50":     {Run: "reviewer", Provider: "gitlab", Method: "GET", Host: "gitlab.com", Path: "/api/v4/user", Matched: true},
		"first, reads":   {Run: "bot-0-1", Provider: "github", Method: "GET", Host: "api.github.com", Path: "/user", Matched: true},
		"tunnel":         {Run: "reviewer", Host: "packages.example.org"},
		"odd path of 50": {Run: "reviewer", Provider: "github", Method: "GET", Host: "api.github.com", Path: "/a/../b//c", Matched: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q)
			}
		})
	}
}

func BenchmarkTake(b *testing.B) {
	d := parse(b, fifty()).Decide(policy.Request{Run: "reviewer", Provider: "github", Connection: "work", Method: "GET", Host: "api.github.com", Path: "/repos/tea/house/pulls/7", Matched: true})
	l := policy.NewLimiter(nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Take("reviewer", d)
	}
}

// What no request costs an allocation for, as long as it is allowed.
func TestDecidingAllocatesNothing(t *testing.T) {
	p := parse(t, fifty())
	q := policy.Request{Run: "reviewer", Provider: "github", Connection: "work", Method: "GET", Host: "api.github.com", Path: "/repos/tea/house/pulls/7/files", Matched: true}
	if d := p.Decide(q); d.Verdict != policy.Allow || d.Rule != "rule 50" {
		t.Fatalf("%+v, want it allowed by the last rule", d)
	}
	if n := testing.AllocsPerRun(100, func() { p.Decide(q) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
