package vault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/vault"
)

// The library would try to start a session bus where there is none, which takes its time and is no keyring.
func TestSystemWithoutASessionBusHasNoKeyring(t *testing.T) {
	dir := t.TempDir()
	for _, system := range []string{"linux", "freebsd"} {
		if err := vault.NoSessionBus(system, "", dir); err == nil || !strings.Contains(err.Error(), "no session bus") {
			t.Errorf("%s: got %v, want that there is no session bus", system, err)
		}
		if err := vault.NoSessionBus(system, "unix:path=/somewhere", dir); err != nil {
			t.Errorf("%s with an address: %v", system, err)
		}
	}
	for _, system := range []string{"darwin", "windows"} {
		if err := vault.NoSessionBus(system, "", dir); err != nil {
			t.Errorf("%s needs none: %v", system, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := vault.NoSessionBus("linux", "", dir); err != nil {
		t.Errorf("with a bus in its usual place: %v", err)
	}
}
