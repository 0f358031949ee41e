package keybearer_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// modernc.org/libc breaks its promises between versions: the SQLite driver works with the one that its own go.mod names and
// with no other, but `go get` raises it silently when something else asks for more.
func TestLibcIsTheOneThatTheSQLiteDriverNames(t *testing.T) {
	driver := goList(t, "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")
	asked := requirements(t, driver)["modernc.org/libc"]
	if asked == "" {
		t.Fatal("the SQLite driver's go.mod names no modernc.org/libc any more; has the rule gone?")
	}
	if got := goList(t, "-m", "-f", "{{.Version}}", "modernc.org/libc"); got != asked {
		t.Errorf("modernc.org/libc is %s, the SQLite driver wants exactly %s; run: go get modernc.org/libc@%[2]s", got, asked)
	}
}

// Lock files name packages and versions; where they are fetched from is the matter of the machine.
func TestNoRegistryIsWrittenDown(t *testing.T) {
	for _, file := range keptFiles(t) {
		text := readFile(t, file)
		switch path.Base(file) {
		case "package-lock.json", "npm-shrinkwrap.json":
			if bytes.Contains(text, []byte(`"resolved"`)) {
				t.Errorf("%s says where packages were fetched from; set omit-lockfile-registry-resolved=true in .npmrc beside it", file)
			}
		case "requirements.txt":
			if bytes.Contains(text, []byte("://")) || bytes.Contains(text, []byte("\n--index-url")) {
				t.Errorf("%s says where packages are fetched from: name packages, versions and hashes only", file)
			}
		}
	}
}

// A test waits for a signal or moves a clock, and runs wherever it is run. Only the tests against published software may be
// left out, on a machine that cannot have it; `make test` names them and refuses that where CI=true.
func TestNoTestSleepsOrSkips(t *testing.T) {
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("reading a test: %v", err)
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return !inBubble(n)
			}
			owner, ok := call.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch verb := owner.Name + "." + call.Sel.Name; verb {
			case "time.Sleep":
				t.Errorf("%s: %s: wait for a signal or move a fake clock instead", set.Position(call.Pos()), verb)
			case "t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "b.Skipf", "b.SkipNow", "f.Skip", "f.Skipf", "f.SkipNow":
				if !strings.HasPrefix(file, "interop/") {
					t.Errorf("%s: %s: a test runs on every machine", set.Position(call.Pos()), verb)
				}
			}
			return true
		})
	}
}

// inBubble reports a synctest.Test: the clock in it is a fake one, which sleeping moves.
func inBubble(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	verb, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	owner, ok := verb.X.(*ast.Ident)
	return ok && owner.Name == "synctest" && verb.Sel.Name == "Test"
}

// keptFiles returns the files of the repository, those of modules of their own too, without what builds and runs leave behind.
func keptFiles(t *testing.T) []string {
	t.Helper()
	left := []string{"bin", "data", "node_modules", "__pycache__"}
	hiddenButKept := []string{".", ".ci", ".github"}
	var files []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			hidden := strings.HasPrefix(base, ".") && !slices.Contains(hiddenButKept, base)
			if hidden || slices.Contains(left, base) {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walking the repository: %v", err)
	}
	return files
}

// requirements returns what a go.mod requires: module to version, with the comment that follows it.
func requirements(t *testing.T, file string) map[string]string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^(?:require )?\s*([a-z][^\s()]*\.[^\s()]*) (v\S+(?: // indirect)?)`)
	found := map[string]string{}
	for _, m := range line.FindAllSubmatch(readFile(t, file), -1) {
		found[string(m[1])] = string(m[2])
	}
	if len(found) == 0 {
		t.Fatalf("%s requires nothing: the test looks at the wrong place", file)
	}
	return found
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, words.Bytes())
	}
	return strings.TrimSpace(out.String())
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
