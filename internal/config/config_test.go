package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/internal/config"
)

// Each sample has its whole output beside it, as a person reads it.
func TestSamples(t *testing.T) {
	for _, path := range samples(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			cfg, problems := config.Parse("engine.yaml", read(t, path), source(t))
			if good := strings.HasPrefix(name, "ok-"); problems.Failed() == good || (cfg != nil) != good {
				t.Errorf("failed: %v, configuration: %v; want a good one: %v", problems.Failed(), cfg != nil, good)
			}
			var got strings.Builder
			if err := problems.Print(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), canary) {
				t.Errorf("a secret came out:\n%s", got.String())
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got.String()); diff != "" {
				t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
			}
		})
	}
}
