package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/config"
)

// Whatever the bytes are: no panic, an answer with a place in the file, and nothing from the
// environment in it.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	s := config.Source{
		Dir:         f.TempDir(),
		LookupEnv:   func(string) (string, bool) { return "fuzz-canary-7c11", true },
		Definitions: bundled,
		Types:       []string{"atlassian", "github"},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, problems := config.Parse("engine.yaml", data, s)
		if (cfg == nil) != problems.Failed() {
			t.Errorf("configuration: %v, problems %v", cfg != nil, problems)
		}
		var out strings.Builder
		if err := problems.Print(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "fuzz-canary") && !strings.Contains(string(data), "canary") {
			t.Errorf("a value came out:\n%s", out.String())
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Column < 1 {
				t.Errorf("%v is outside a file of %d lines", p, lines)
			}
		}
	})
}
