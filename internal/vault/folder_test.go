package vault_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/secret"
)

func TestFolderOfEachSystem(t *testing.T) {
	env := map[string]string{"HOME": "/home/alice", "LOCALAPPDATA": `C:\alice\AppData\Local`}
	look := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	want := func(system, want string) {
		t.Helper()
		if got, err := vault.PlatformFolder(system, look); err != nil || filepath.ToSlash(got) != want {
			t.Errorf("%s: got %q, %v; want %q", system, got, err, want)
		}
	}
	want("linux", "/home/alice/.local/share/keybearer")
	want("freebsd", "/home/alice/.local/share/keybearer")
	want("darwin", "/home/alice/Library/Application Support/keybearer")
	want("windows", `C:\alice\AppData\Local/keybearer`)
	env["XDG_DATA_HOME"] = "data"
	want("linux", "/home/alice/.local/share/keybearer")
	env["XDG_DATA_HOME"] = "/data"
	want("linux", "/data/keybearer")
	clear(env)
	if _, err := vault.PlatformFolder("linux", look); !errors.Is(err, keybearer.BadRequest) {
		t.Errorf("got %v, want it to say that there is no folder", err)
	}
	h := newHome(t)
	dir := h.Dir
	h.Dir, h.Env["KEYBEARER_HOME"] = "", dir
	if got := h.open(t).Dir(); got != dir {
		t.Errorf("got %s, want the one in KEYBEARER_HOME", got)
	}
}

// wantOwnerOnly wants nobody else to be able to use anything in the folder.
func (h *home) wantOwnerOnly() error {
	return filepath.WalkDir(h.Dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s has mode %04o", name, info.Mode().Perm())
		}
		return err
	})
}

// umask makes a vault under a umask that takes nothing away.
func umask(ctx context.Context, h *home) error {
	syscall.Umask(0)
	cfg := h.config()
	cfg.Custody = vault.File
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(h.wantOwnerOnly(), v.Rekey(ctx, vault.Passphrase), h.wantOwnerOnly(), v.Close(ctx), h.wantOwnerOnly())
}

func TestNobodyElseMayUseTheFiles(t *testing.T) { start(t, "umask", newHome(t)).wait(t) }

func TestFolderThatIsTooOpen(t *testing.T) {
	h := made(t, vault.File)
	for _, name := range []string{".", "vault.json", "vault.key", "vault.sqlite3"} {
		if err := os.Chmod(h.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	v := h.open(t, logTo(&log))
	if err := h.wantOwnerOnly(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "keybearer rekey") {
		t.Errorf("it does not say that others could read the key:\n%s", log.String())
	}
	shut(t, v)

	write(t, h.path("letters.txt"), "dear bob")
	if err := os.Chmod(h.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.refused(t, keybearer.BadRequest, "letters.txt", "chmod 700")
	if info, err := os.Stat(h.Dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("somebody's folder was changed: %v, %v", info.Mode(), err)
	}
	h.Dir = h.path("letters.txt")
	h.refused(t, keybearer.BadRequest, "not a folder")
}

func TestLinkInPlaceOfAFileIsRefused(t *testing.T) {
	h := made(t, vault.File)
	if err := os.Rename(h.path("vault.key"), h.path("vault.elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("vault.elsewhere", h.path("vault.key")); err != nil {
		t.Fatal(err)
	}
	h.refused(t, keybearer.BadRequest, "not a regular file")
}

// wantNoPlainText looks for secrets in every byte that is on the disk.
func (h *home) wantNoPlainText(t *testing.T, more ...string) {
	t.Helper()
	looked := 0
	entries, err := os.ReadDir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(h.path(e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		looked += len(text)
		for _, s := range append(more, canaryToken, canarySecret, passphrase, "canary") {
			if s != "" && bytes.Contains(text, []byte(s)) {
				t.Errorf("%s has a secret in it", e.Name())
			}
		}
	}
	if looked == 0 {
		t.Error("nothing was looked at")
	}
}

func TestNothingIsOnTheDiskInPlainText(t *testing.T) {
	for _, in := range custodies() {
		h := newHome(t)
		v := h.open(t, with(in))
		fill(t, v)
		h.wantNoPlainText(t, firstKey) // with the write-ahead log
		key := strings.TrimSpace(h.files(t)["vault.key"])
		if (key != "") != (in == vault.File) {
			t.Errorf("%s: the key's file is there, or not", in)
		}
		shut(t, v)
		if key != "" {
			if err := os.Rename(h.path("vault.key"), filepath.Join(t.TempDir(), "key")); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range h.Keys.items(t) {
			text, err := os.ReadFile(filepath.Join(h.Keys.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			key = string(text)
		}
		h.wantNoPlainText(t, firstKey, key)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	h := made(t, vault.File)
	execute(t, h.path("vault.sqlite3"), "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)")
	h.refused(t, keybearer.BadRequest, "newer Keybearer")
}

// openOnce opens the vault, which may be the first time.
func openOnce(ctx context.Context, h *home) error {
	cfg := h.config()
	cfg.Custody = h.To
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return v.Close(ctx)
}

func TestFirstStartsAtOnceMakeOneKey(t *testing.T) {
	for _, in := range []vault.Custody{vault.File, vault.Keyring} {
		h := newHome(t)
		h.To = in
		var all []*process
		for range 6 {
			all = append(all, start(t, "open", h))
		}
		for _, p := range all {
			p.wait(t)
		}
		h.wantOneKey(t, in)
		v := h.open(t)
		keys, err := v.View().SealingKeys(t.Context())
		if err != nil || len(keys) != 2 {
			t.Errorf("got %d keys, %v; want a root key and a data key", len(keys), err)
		}
	}
}

// full rekeys, and stores, where the disk takes no more: a limit on the size of files is the full disk that
// needs no rights to make.
func full(ctx context.Context, h *home) error {
	v, err := vault.Open(ctx, h.config())
	if err != nil {
		return err
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	none := before
	none.Cur = 16
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &none); err != nil {
		return err
	}
	for _, to := range []vault.Custody{vault.File, vault.Passphrase, vault.Keyring} {
		if err := v.Rekey(ctx, to); !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "check the disk's space") {
			return fmt.Errorf("the rekey to %s ended with %v, want unavailable that says what to do", to, err)
		}
	}
	_, err = v.View().PutConnection(ctx, keybearer.Ref{User: vault.Me, Provider: "hooli", Name: "b"}, keybearer.Credential{
		Kind: keybearer.PersonalAccessToken, Secret: secret.New(canaryToken),
	})
	if !errors.Is(err, keybearer.Unavailable) {
		return fmt.Errorf("storing ended with %v, want unavailable", err)
	}
	if _, err := v.View().Token(ctx, ref()); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	return v.Close(ctx)
}

func TestFullDiskLosesNothing(t *testing.T) {
	h := made(t, vault.File)
	before := h.files(t)
	start(t, "full", h).wait(t)
	if now := h.files(t); now["vault.json"] != before["vault.json"] || now["vault.key"] != before["vault.key"] {
		t.Error("the files were changed")
	}
	v := h.open(t)
	wantToken(t, v)
	if err := v.Rekey(t.Context(), vault.File); err != nil {
		t.Fatal(err)
	}
	shut(t, v)
	wantToken(t, h.open(t))
	h.wantOneKey(t, vault.File)
}

// execute does something to a database behind its back.
func execute(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), text)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func logTo(w io.Writer) func(*vault.Config) {
	return func(cfg *vault.Config) { cfg.Log = slog.New(slog.NewTextHandler(w, nil)) }
}
