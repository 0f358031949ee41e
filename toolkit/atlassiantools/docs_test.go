package atlassiantools_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestManualListsTheToolsWithTheirScopes(t *testing.T) {
	manual, err := os.ReadFile("../../docs/toolkit.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]\\w+\\.\\w+)` \\|.*\\| (`.*`) \\|$").FindAllStringSubmatch(string(manual), -1) {
		want = append(want, m[1]+" "+strings.ReplaceAll(m[2], "`", ""))
	}
	w := newWorld(t)
	for _, tool := range append(w.tools(w.jira), w.tools(w.confluence)...) {
		got = append(got, tool.FullyQualifiedName+" "+strings.Join(tool.Requirements.Authorization.OAuth2.Scopes, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/toolkit.md and the kits differ (-manual +kits):\n%s", diff)
	}
}

// What is bundled is what anybody could write.
func TestToolsStandOnPublicPackagesAlone(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			if strings.Contains(spec.Path.Value, "keybearer/internal/") {
				t.Errorf("%s imports %s", file, spec.Path.Value)
			}
		}
	}
}
