package keybearer_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

const (
	recordsDir       = "docs/decisions"
	dependencyRecord = recordsDir + "/0010-dependencies.md"
)

// A decision is cited by its number, so a number is given once; 0001 says how records are kept.
func TestDecisionRecordsAreKeptAsTheFirstOneSays(t *testing.T) {
	name := regexp.MustCompile(`^(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	entries, err := os.ReadDir(recordsDir)
	if err != nil {
		t.Fatalf("reading the decision records: %v", err)
	}
	owner := map[string]string{}
	for _, entry := range entries {
		m := name.FindStringSubmatch(entry.Name())
		if m == nil {
			t.Errorf("%s/%s: a record is named NNNN-words-with-hyphens.md", recordsDir, entry.Name())
			continue
		}
		number := m[1]
		if other, taken := owner[number]; taken {
			t.Errorf("%s and %s have the same number", other, entry.Name())
		}
		owner[number] = entry.Name()
		text := string(readFile(t, path.Join(recordsDir, entry.Name())))
		if !strings.HasPrefix(text, "# "+number+" ") {
			t.Errorf("%s: the title does not begin with %q", entry.Name(), "# "+number+" ")
		}
		for _, section := range []string{"## Context", "## Decision", "## Consequence"} {
			if !strings.Contains(text, "\n"+section+"\n") {
				t.Errorf("%s: the section %q is missing", entry.Name(), section)
			}
		}
	}
	if owner["0001"] == "" {
		t.Error("record 0001, how decisions are kept, is missing")
	}
}

// Every module and tool that we chose is defended by a line, and no line outlives its module.
func TestEveryDependencyIsDefended(t *testing.T) {
	defended := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)`")
	for _, m := range row.FindAllSubmatch(readFile(t, dependencyRecord), -1) {
		defended[string(m[1])] = true
	}
	modules := requirements(t, "go.mod")
	for module := range modules {
		if strings.HasSuffix(modules[module], "// indirect") {
			continue
		}
		if !defended[module] {
			t.Errorf("go.mod requires %s; say in %s why", module, dependencyRecord)
		}
	}
	tools := requirements(t, "tools/go.mod")
	for module := range defended {
		if modules[module] == "" && tools[module] == "" {
			t.Errorf("%s defends %s, which is required no more", dependencyRecord, module)
		}
	}
}

// A document that points at a file points at one that is there.
func TestDocumentsPointAtFilesThatExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range keptFiles(t) {
		if path.Ext(file) != ".md" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(readFile(t, file)), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue
			}
			if _, err := os.Stat(path.Join(path.Dir(file), target)); err != nil {
				t.Errorf("%s points at %s, which is not there", file, m[1])
			}
		}
	}
}
