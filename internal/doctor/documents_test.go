package doctor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Programs read the names of checks, so each is in the manual, and none that is not there any more.
func TestChecksAreInTheManual(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`Check(?::| =) "([a-z.]+)"`)
	var made []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(source), -1) {
			made = append(made, m[1])
		}
	}
	slices.Sort(made)
	made = slices.Compact(made)
	manual, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "## The doctor\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z.]+)`").FindAllStringSubmatch(section, -1) {
		told = append(told, m[1])
	}
	slices.Sort(told)
	if !slices.Equal(made, told) || len(made) == 0 {
		t.Errorf("the doctor makes %v and docs/cli.md tells of %v", made, told)
	}
}
