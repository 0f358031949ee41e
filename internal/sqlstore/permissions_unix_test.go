//go:build unix

package sqlstore_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/keybearer/keybearer/internal/sqlstore"
)

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		t.Run("", func(t *testing.T) {
			dir := t.TempDir()
			defer syscall.Umask(syscall.Umask(umask))
			path := filepath.Join(dir, "a", "b", "keybearer.db")
			db := open(t, sqlstore.Config{Path: path, Exclusive: true})
			if err := db.PutSetting(t.Context(), "default", "x", []byte("1")); err != nil {
				t.Fatal(err)
			}
			want := map[string]fs.FileMode{
				"a": 0o700, "a/b": 0o700, "a/b/keybearer.db": 0o600, "a/b/keybearer.db.lock": 0o600,
				"a/b/keybearer.db-wal": 0o600, "a/b/keybearer.db-shm": 0o600,
			}
			for name, mode := range want {
				info, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode().Perm(); got != mode {
					t.Errorf("umask %03o: got %s with %o, want %o", umask, name, got, mode)
				}
			}
			files, err := filepath.Glob(filepath.Join(dir, "a", "b", "*"))
			if err != nil || len(files) != 4 {
				t.Errorf("got %v, %v, want the four files above", files, err)
			}
		})
	}
}

func TestLooseFilesAreTightened(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keybearer.db")
	if err := open(t, sqlstore.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{dir: 0o755, path: 0o644} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	open(t, sqlstore.Config{Path: path})
	for name, want := range map[string]fs.FileMode{path: 0o600, dir: 0o755} { // the folder was there: it is not ours
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("got %s with %o, want %o", name, got, want)
		}
	}
}
