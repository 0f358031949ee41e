package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// refused opens a path and wants an error of a kind whose text has all of these.
func refused(t *testing.T, cfg sqlstore.Config, kind keybearer.Kind, texts ...string) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), cfg)
	if err == nil {
		t.Error(db.Close())
		t.Fatalf("got a database at %s, want it refused", cfg.Path)
	}
	if got := keybearer.KindOf(err); got != kind {
		t.Errorf("got kind %v, want %v: %v", got, kind, err)
	}
	for _, text := range append(texts, cfg.Path) {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want it to say %q", err, text)
		}
	}
}

// raw opens the file past this package, as another program does.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func do(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestStrangePathsWork(t *testing.T) {
	for _, name := range []string{"with space", "100%41", "a?b=c&d", "a#b", "ünï", "_pragma=query_only(1)", "'quoted'\""} {
		path := filepath.Join(t.TempDir(), name, "deeper", name+".db")
		db := open(t, sqlstore.Config{Path: path, Exclusive: true})
		if err := db.PutSetting(t.Context(), "default", "x", []byte("1")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("got no file: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(path)), "*")); len(left) != 1 {
			t.Errorf("got files beside the folder of the database: %v", left)
		}
	}
}

func TestForeignFilesAreRefusedUntouched(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	for _, content := range []string{"my notes, which are not a database, but longer than a header", "short"} {
		if err := os.WriteFile(text, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, sqlstore.Config{Path: text, Exclusive: true}, keybearer.BadRequest, "not a Keybearer database", "move this one away")
		if got, err := os.ReadFile(text); err != nil || string(got) != content {
			t.Errorf("got %q, %v after the refusal, want it untouched", got, err)
		}
	}

	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, append([]byte("SQLite format 3\x00"), make([]byte, 4096)...), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, sqlstore.Config{Path: garbage}, keybearer.BadRequest, "not a database")

	other := filepath.Join(dir, "other.db")
	do(t, raw(t, other), "CREATE TABLE bookmarks (url TEXT)")
	refused(t, sqlstore.Config{Path: other}, keybearer.BadRequest, "database of another program")

	refused(t, sqlstore.Config{Path: dir}, keybearer.Internal)
	refused(t, sqlstore.Config{Path: filepath.Join(text, "below.db")}, keybearer.Internal)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	if err := open(t, sqlstore.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	do(t, raw(t, path), "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)")
	refused(t, sqlstore.Config{Path: path}, keybearer.BadRequest, "newer Keybearer", "version 99", "run that version")
}

func TestReopenedDatabaseKeepsAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	for i := range 3 {
		db := open(t, sqlstore.Config{Path: path, Exclusive: true})
		for j := range i {
			if _, err := db.Setting(t.Context(), "default", fmt.Sprint(j)); err != nil {
				t.Error(err)
			}
		}
		if err := db.PutSetting(t.Context(), "default", fmt.Sprint(i), []byte("1")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(path + "-*"); len(left) != 0 {
			t.Errorf("got %v after Close, want the WAL folded in", left)
		}
	}
}

// hold keeps a database open, exclusively, until it is killed.
func hold(ctx context.Context, path string, out io.Writer) error {
	if _, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true}); err != nil {
		return err
	}
	fmt.Fprintln(out, "open")
	select {}
}

func TestSecondEngineIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	first := start(t, "hold", path)
	if !first.lines.Scan() {
		t.Fatal("the first engine did not start")
	}
	refused(t, sqlstore.Config{Path: path, Exclusive: true}, keybearer.Conflict, "another engine is using", "data folder of its own")
	open(t, sqlstore.Config{Path: path}) // a tool that wants a look
	first.kill(t)                        // the lock dies with it, however it ends
	open(t, sqlstore.Config{Path: path, Exclusive: true})
	refused(t, sqlstore.Config{Path: path, Exclusive: true}, keybearer.Conflict, "another engine") // in the same process
}

func TestClosedDatabaseSaysSo(t *testing.T) { onBoth(t, closedDatabase) }

func closedDatabase(t *testing.T, cfg sqlstore.Config) {
	db := open(t, cfg)
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Setting(t.Context(), "default", "x"); !errors.Is(err, keybearer.Unavailable) {
		t.Errorf("got %v from a closed database, want unavailable", err)
	}
	if err := db.PutSetting(t.Context(), "default", "x", nil); !errors.Is(err, keybearer.Unavailable) {
		t.Errorf("got %v from a closed database, want unavailable", err)
	}
}

// A power cut cannot be tried here; these settings are what SQLite's promises about one rest on.
func TestSettingsOfTheWriter(t *testing.T) {
	db := open(t, sqlstore.Config{})
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		if got, err := db.PragmaOf(t.Context(), name); err != nil || got != want {
			t.Errorf("got %s = %s, %v, want %s", name, got, err, want)
		}
	}
}
