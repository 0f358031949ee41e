package keybearer_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/keybearer/keybearer"

// doors are the rooms of floor 5: each turns one kind of outside word into calls of the root, and none knows another.
const doors = 5

// floors returns the floor of every room. A room is a folder with everything below it, "." is the root package alone.
// Imports point downwards: that is what keeps the wire protocol free of users, the domain free of HTTP, and the doors apart.
func floors() map[string]int {
	return map[string]int{
		"bench":   8, // measures from outside
		"chaos":   8, // breaks things from outside
		"interop": 8, // the published clients and servers, against the built binary

		"cmd/keybearer": 7,

		"internal/doctor": 6,
		"internal/engine": 6,
		"internal/desk":   6,
		"internal/login":  6,

		"internal/config":  doors,
		"internal/gateway": doors,
		"internal/httpapi": doors,
		"internal/pages":   doors,
		"internal/proxy":   doors,
		"internal/vault":   doors,
		"toolkit":          5, // tools written with the package tool, on public packages alone

		"internal/workers": 4,
		"tool":             4,

		"atlassian":         3,
		"catalog":           3,
		"client":            3,
		"internal/audit":    3,
		"internal/datakey":  3,
		"internal/policy":   3,
		"internal/sqlstore": 3,
		"storetest":         3,

		".": 2,

		"internal/workertest": 1, // plays a worker for whoever has a test
		"oauth":               1,

		"api":                   0,
		"internal/ca":           0,
		"internal/child":        0,
		"internal/egress":       0,
		"internal/fault":        0,
		"internal/jsonpath":     0,
		"internal/password":     0,
		"internal/postgrestest": 0,
		"internal/yamlpos":      0,
		"providertest":          0,
		"seal":                  0,

		"secret": -1, // the cellar: a type that everybody holds values in, itself resting on nothing
	}
}

// roomOf returns the room that the package in folder dir (slashes, relative to the root) belongs to.
func roomOf(dir string) (string, bool) {
	if dir == "." {
		return dir, true
	}
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := floors()[d]; ok {
			return d, true
		}
	}
	return "", false
}

// checkArrow says what is wrong when room from imports room to. Tests from outside their package (package x_test) may reach
// upwards, to try a room together with what stands on it, but a door's tests know no other door either.
func checkArrow(from, to string, outsideTest bool) error {
	f, t := floors()[from], floors()[to]
	switch {
	case from == to:
		return nil
	case f == doors && t == doors:
		return fmt.Errorf("one door imports another: %s imports %s; what they share belongs below them", from, to)
	case outsideTest || f > t:
		return nil
	case f == t:
		return fmt.Errorf("sideways: %s imports %s, both on floor %d", from, to, f)
	default:
		return fmt.Errorf("upwards: %s (floor %d) imports %s (floor %d)", from, f, to, t)
	}
}

func TestImportsPointDownwards(t *testing.T) {
	seen := 0
	for _, file := range goFiles(t) {
		dir := path.Dir(file)
		from, ok := roomOf(dir)
		if !ok {
			t.Errorf("%s: no floor is known for the folder %s; add it to the table in floors_test.go and to docs/architecture.md", file, dir)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("reading the imports: %v", err)
			continue
		}
		outsideTest := strings.HasSuffix(parsed.Name.Name, "_test")
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Errorf("%s: import %s: %v", file, spec.Path.Value, err)
				continue
			}
			rest, ours := strings.CutPrefix(imported+"/", modulePath+"/")
			if !ours {
				continue
			}
			seen++
			to, ok := roomOf(path.Clean(rest))
			if !ok {
				t.Errorf("%s imports %s, a folder of no known floor", file, imported)
				continue
			}
			if err := checkArrow(from, to, outsideTest); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if seen == 0 {
		t.Error("no import among our packages was seen: the test looks at the wrong place")
	}
}

func TestFloorRule(t *testing.T) {
	for _, c := range []struct {
		from, to    string
		outsideTest bool
		allowed     bool
	}{
		{from: "internal/engine", to: "internal/httpapi", allowed: true},
		{from: "oauth", to: "internal/jsonpath", allowed: true},
		{from: "seal", to: "secret", allowed: true},
		{from: ".", to: ".", outsideTest: true, allowed: true},
		{from: ".", to: "storetest", outsideTest: true, allowed: true},
		{from: ".", to: "storetest"},
		{from: "oauth", to: "."},
		{from: "client", to: "catalog"},
		{from: "internal/httpapi", to: "internal/pages"},
		{from: "internal/httpapi", to: "internal/pages", outsideTest: true},
	} {
		err := checkArrow(c.from, c.to, c.outsideTest)
		if got := err == nil; got != c.allowed {
			t.Errorf("%s imports %s (test from outside: %v): allowed %v, want %v", c.from, c.to, c.outsideTest, got, c.allowed)
		}
	}
}

// goFiles returns the Go files of this module, relative to its root, where the tests of the root package run.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && notOurs(name, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walking the packages: %v", err)
	}
	return files
}

// notOurs reports folders that `./...` does not reach either: hidden ones, test data, modules of their own, and JavaScript's.
func notOurs(name, base string) bool {
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}
