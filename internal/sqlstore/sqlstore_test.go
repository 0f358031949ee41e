package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/storetest"
)

func open(t testing.TB, cfg sqlstore.Config) *sqlstore.DB {
	t.Helper()
	if cfg.Path == "" && cfg.Postgres.IsZero() {
		cfg.Path = migrated(t)
	}
	db, err := sqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrated is the path of a database of its own without a row in it. Migrating one takes longer than most of the tests that
// need one, so they get a copy of the first; what migrating does has tests of its own.
func migrated(t testing.TB) string {
	t.Helper()
	blank, err := blankDatabase()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keybearer.db")
	if err := os.WriteFile(path, blank, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// blankDatabase is the content of a file that was migrated and closed.
var blankDatabase = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "blank")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "keybearer.db")
	db, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: path})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// user is the i-th of the users that tests store connections of.
func user(i int) keybearer.Ref {
	return keybearer.Ref{Project: "default", User: keybearer.UserID(fmt.Sprintf("user%08d@example.com", i)), Provider: "atlassian"}
}

func TestSQLitePasses(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Run(t, func(t *testing.T) storetest.Stores { return storetest.All(open(t, sqlstore.Config{Exclusive: true})) })
}

// Where others may write to the file nothing is kept in memory.
func TestSharedSQLitePasses(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		return replicas(t, sqlstore.Config{Path: migrated(t)})
	})
}

func TestLeanSQLitePasses(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		return replicas(t, sqlstore.Config{Path: migrated(t), Lean: true})
	})
}

// replicas opens a database twice.
func replicas(t *testing.T, cfg sqlstore.Config) storetest.Stores {
	t.Helper()
	s, rival := storetest.All(open(t, cfg)), storetest.All(open(t, cfg))
	s.Rival = &rival
	return s
}
