package sqlstore_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/internal/sqlstore"
)

// openAtOnce opens a file many times at once.
func openAtOnce(t *testing.T, path string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			db, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path, Lean: i%2 == 0})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.PutSetting(t.Context(), "default", "x", []byte("{}")); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Processes that share a file may all be the first one, or the first one of a new version.
func TestManyMakeOrMigrateAFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	openAtOnce(t, path)
	db := raw(t, path) // back to the version before
	for _, table := range []string{"registered_clients", "client_grants"} {
		do(t, db, "DROP TABLE "+table)
	}
	do(t, db, "DELETE FROM schema_version WHERE version_id = (SELECT max(version_id) FROM schema_version)")
	openAtOnce(t, path)
}

func TestDataVersionTellsOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	mine, others := open(t, sqlstore.Config{Path: path}), open(t, sqlstore.Config{Path: path})
	version := func() int64 {
		t.Helper()
		v, err := mine.DataVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	put := func(db *sqlstore.DB, value string) {
		t.Helper()
		if err := db.PutSetting(t.Context(), "default", "x", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	first := version()
	put(mine, "1")
	if got := version(); got != first {
		t.Error("one's own write is news")
	}
	put(others, "2")
	if got := version(); got == first {
		t.Errorf("the write of another is no news: the version is %d", got)
	}
}
