package main

import (
	"bytes"
	"path/filepath"
	"testing"
)

// TestNoGrantIsLost is the short form: seconds instead of minutes, dozens of connections instead of
// hundreds. `make chaos` runs the long one.
func TestNoGrantIsLost(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			var out bytes.Buffer
			code := command(t.Context(), []string{"-short", "-database", database, "-report", filepath.Join(t.TempDir(), "report.md")}, &out, &out)
			if code != 0 {
				t.Errorf("the exit code is %d, want 0:\n%s", code, out.Bytes())
			}
		})
	}
}
