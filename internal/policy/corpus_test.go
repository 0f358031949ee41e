package policy_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	diff "github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/policy"
)

// Each file of testdata/corpus is a policy and, below ---, requests with what becomes of them: run, connection (-
// if none serves the host), method (- for a tunnel), host, path, and the verdict with its rule.
func TestCorpus(t *testing.T) {
	paths, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(paths) < 5 {
		t.Fatalf("the corpus: %v, %v", paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want := read(t, path)
			got := judged(t, want)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if difference := diff.Diff(want, got); difference != "" {
				t.Errorf("%s (-want +got; -update writes it):\n%s", path, difference)
			}
		})
	}
}

// judged writes the verdicts of a corpus anew.
func judged(t *testing.T, corpus string) string {
	t.Helper()
	written, requests, found := strings.Cut(corpus, "\n---\n")
	if !found {
		t.Fatal("there is no line --- between policy and requests")
	}
	p := parse(t, written+"\n")
	lines := strings.SplitAfter(requests, "\n")
	var widths [5]int
	for i, line := range lines {
		asked, _, _ := strings.Cut(strings.TrimSpace(line), " -> ")
		if asked == "" || asked[0] == '#' {
			continue
		}
		words := strings.Fields(asked)
		if len(words) != 5 {
			t.Fatalf("%q has %d words; want run, connection, method, host, path", asked, len(words))
		}
		for column, word := range words {
			widths[column] = max(widths[column], utf8.RuneCountInString(word))
		}
		lines[i] = asked
	}
	out := written + "\n---\n"
	for _, line := range lines {
		if line == "" || line[0] == '#' {
			out += line
			continue
		}
		words := strings.Fields(line)
		d := p.Decide(request(words))
		for column, word := range words {
			out += fmt.Sprintf("%-*s ", widths[column], word)
		}
		out += fmt.Sprintf("-> %-6s %s\n", d.Verdict, cmp.Or(d.Rule, "(no rule)"))
	}
	return out
}

// request makes one of run, connection, method, host and path; - is nothing.
func request(words []string) policy.Request {
	words = slices.Clone(words)
	for i, word := range words {
		if word == "-" {
			words[i] = ""
		}
	}
	q := policy.Request{Run: words[0], Host: words[3], Path: words[4], Matched: words[1] != ""}
	provider, name, _ := strings.Cut(words[1], "/")
	q.Provider, q.Connection = keybearer.ProviderID(provider), name
	q.Method, q.Upgrade = strings.CutSuffix(words[2], "+upgrade")
	return q
}

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse("policy.yaml", []byte(text))
	if len(problems) > 0 {
		var b strings.Builder
		_ = problems.Print(&b)
		t.Fatalf("a good policy has problems:\n%s", b.String())
	}
	return p
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
