package yamlpos_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// What it does with whole files is seen in the samples of internal/config and internal/policy.

func TestExcerptsShowOnlyWhatWasRead(t *testing.T) {
	d, problems := yamlpos.Parse("a.yaml", []byte("open: yes # a comment\nclosed: hunter2\nlist: [shown, hidden]\n"))
	if len(problems) > 0 || d.Root == nil {
		t.Fatal(problems)
	}
	e := yamlpos.NewExcerpts(d)
	at := func(i int) yamlpos.Position { return d.At(d.Root.Content[i]) }
	e.Shown[d.Root.Content[1]] = true
	e.Shown[d.Root.Content[5].Content[0]] = true
	for i, want := range map[int]string{0: "open: yes", 2: "closed: ****", 4: "list: [shown, ****"} {
		if got := e.Line(at(i)); got != want {
			t.Errorf("line %d is shown as %q, want %q", at(i).Line, got, want)
		}
	}
	if got := e.Line(yamlpos.Position{Line: 9, Column: 1}); got != "" {
		t.Errorf("a line that is not there is shown as %q", got)
	}
}

func TestProblemsPointIntoTheFile(t *testing.T) {
	ps := yamlpos.Problems{
		{Position: yamlpos.Position{File: "a.yaml", Line: 3, Column: 5}, Path: "x.y", Message: "wrong", Excerpt: "  x: 1"},
		{Position: yamlpos.Position{File: "a.yaml", Line: 1, Column: 1}, Message: "doubtful", Warning: true},
		{Position: yamlpos.Position{File: "a.yaml", Line: 1, Column: 1}, Message: "doubtful", Warning: true},
	}.Sorted()
	var b strings.Builder
	if err := ps.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := "a.yaml:1:1: warning: doubtful\na.yaml:3:5: error: x.y: wrong\n    3 |   x: 1\n      |     ^\n"
	if b.String() != want || !ps.Failed() || ps[:1].Failed() || ps.Err().Error() != "a.yaml:3:5: error: x.y: wrong" {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestSuggestions(t *testing.T) {
	for written, want := range map[string]string{"hots": "; did you mean \"hosts\"? allowed: hosts, paths", "frobnicate": "; allowed: hosts, paths"} {
		if got := yamlpos.Choices(written, []string{"hosts", "paths"}); got != want {
			t.Errorf("%s: %q, want %q", written, got, want)
		}
	}
}

func TestReadFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if _, err := yamlpos.ReadFile(path, 1024); err == nil || err.Error() != "cannot be read: no such file or directory" {
		t.Errorf("got %v", err)
	}
	for size, fits := range map[int]bool{1024: true, 1025: false} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, err := yamlpos.ReadFile(path, 1024); (err == nil) != fits || fits && len(data) != size {
			t.Errorf("%d bytes: read %d, %v", size, len(data), err)
		}
	}
}
