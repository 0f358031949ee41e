package storetest_test

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

func TestMemoryPasses(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Stores { return storetest.All(keybearer.NewMemory()) })
}

// verdict counts failures in place of a *testing.T.
type verdict struct {
	testing.TB
	failed int
}

func (v *verdict) Helper()               {}
func (v *verdict) Errorf(string, ...any) { v.failed++ }

func TestNoPlaintextFindsWhatIsThere(t *testing.T) {
	const canary = "canary-7fA/31+xyz=0"
	for name, content := range map[string]string{
		"plain":  "x" + canary + "y",
		"hex":    hex.EncodeToString([]byte("head" + canary)),
		"base64": base64.StdEncoding.EncodeToString([]byte("a" + canary + "tail")),
		"url":    base64.URLEncoding.EncodeToString([]byte("ab" + canary + "tail")),
		"json":   base64.RawURLEncoding.EncodeToString([]byte(`{"access_token":"` + canary + `"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "deep", "file"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			v := &verdict{TB: t}
			storetest.NoPlaintext(v, dir, canary)
			if v.failed == 0 {
				t.Error("got no failure, want the canary found")
			}
			v = &verdict{TB: t}
			storetest.NoPlaintext(v, dir, "another-canary-0")
			if v.failed != 0 {
				t.Errorf("got %d failures for a canary that is not there, want 0", v.failed)
			}
		})
	}
}
