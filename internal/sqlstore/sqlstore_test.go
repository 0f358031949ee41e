package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/storetest"
)

func open(t testing.TB, cfg sqlstore.Config) *sqlstore.DB {
	t.Helper()
	if cfg.Path == "" && cfg.Postgres.IsZero() {
		cfg.Path = filepath.Join(t.TempDir(), "keybearer.db")
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
		return replicas(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "keybearer.db")})
	})
}

func TestLeanSQLitePasses(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		return replicas(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "keybearer.db"), Lean: true})
	})
}

// replicas opens a database twice.
func replicas(t *testing.T, cfg sqlstore.Config) storetest.Stores {
	t.Helper()
	s, rival := storetest.All(open(t, cfg)), storetest.All(open(t, cfg))
	s.Rival = &rival
	return s
}
