package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/internal/policy"
)

// Each file that has something wrong in it has its whole output beside it, as a person reads it.
func TestProblems(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) < 5 {
		t.Fatalf("the samples: %v, %v", paths, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			p, problems := policy.Parse("policy.yaml", []byte(read(t, path)))
			if (p == nil) != problems.Failed() || len(problems) == 0 {
				t.Errorf("policy %v, with %d problems", p != nil, len(problems))
			}
			got := printed(t, problems)
			if strings.Contains(got, "hunter2") {
				t.Error("the value of an unknown key came out")
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(read(t, golden), got); diff != "" {
				t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	entry := func(i int) string { return "h" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + ".example.com," }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(entry(i))
		}
		return b.String()
	}
	for name, c := range map[string]struct{ text, want string }{
		"large file":    {"# " + strings.Repeat("x", 1<<20), "the file is larger than 1024 KB"},
		"many rules":    {"{version: 1, rules: [" + strings.Repeat("{verdict: allow},", 1001) + "]}", "1001 entries are too many; allowed: at most 1000"},
		"many hosts":    {rule("verdict: allow, hosts: [" + many(101) + "]"), "101 entries are too many; allowed: at most 100"},
		"long path":     {rule("verdict: allow, paths: [/" + strings.Repeat("x", 2000) + "]"), "is too long; allowed: at most 2000 characters"},
		"long name":     {rule("verdict: allow, name: " + strings.Repeat("x", 101)), "is too long; allowed: at most 100 characters"},
		"many aliases":  {"version: 1\nrules:\n- &a {verdict: allow, hosts: &h [a, b, c, d, e, f, g, h]}\n" + strings.Repeat("- *a\n", 999) + "x: [" + strings.Repeat("*h,", 20_000) + "]", "more than 100000 values"},
		"two documents": {"version: 1\nrules: []\n---\nversion: 1\nrules: []\n", "a second YAML document begins here"},
		"key twice":     {"version: 1\nversion: 1\nrules: []\n", "the key \"version\" is here twice"},
	} {
		p, problems := policy.Parse("policy.yaml", []byte(c.text))
		if err := problems.Err(); p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v, want %q", name, err, c.want)
		}
	}
}

// The largest file there can be, of the kind that takes longest, is read in a moment: that may happen
// while requests wait.
func BenchmarkParseTheLargest(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\nrules:\n")
	for i := range 1000 {
		text.WriteString("  - {verdict: allow, hosts: [")
		for j := range 89 {
			fmt.Fprintf(&text, "h%02d.a.de,", j)
		}
		fmt.Fprintf(&text, "z%03d.a.de]}\n", i)
	}
	data := []byte(text.String())
	for b.Loop() {
		if _, problems := policy.Parse("policy.yaml", data); len(problems) > 0 {
			b.Fatal(problems.Err())
		}
	}
}

func TestLoad(t *testing.T) {
	path := policy.In(t.TempDir())
	if filepath.Base(path) != "policy.yaml" {
		t.Errorf("the file of a data folder is %s", path)
	}
	refused := func(want string) {
		t.Helper()
		p, problems := policy.Load(path)
		if err := problems.Err(); p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a policy: %v, %v; want %q", p != nil, err, want)
		}
	}
	refused("policy.yaml: error: the file cannot be read: no such file or directory")
	write(t, path, "version: 1\nrules: [{verdict: allow}]\n")
	p, problems := policy.Load(path)
	if p == nil || len(problems) > 0 || len(p.File().Rules) != 1 {
		t.Errorf("a policy: %v, %v; want one of one rule", p != nil, problems)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	refused("everybody on this machine may write this file")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("this is not a regular file")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func printed(t *testing.T, problems policy.Problems) string {
	t.Helper()
	var b strings.Builder
	if err := problems.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
