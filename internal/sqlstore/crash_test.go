package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/storetest"
)

func TestKilledInTheMiddleOfWritesLosesNothing(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Crash(t, 6,
		func(t *testing.T) string { return filepath.Join(t.TempDir(), "keybearer.db") },
		func(t *testing.T, path string) storetest.Stores {
			t.Cleanup(func() { // once it is closed
				var verdict string
				if err := raw(t, path).QueryRowContext(context.Background(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
					t.Errorf("integrity_check says %q, %v, want ok", verdict, err)
				}
			})
			return storetest.All(open(t, sqlstore.Config{Path: path, Exclusive: true}))
		})
}

func TestPostgresKilledInTheMiddleOfWritesLosesNothing(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Crash(t, 6,
		func(t *testing.T) string { return onPostgres(t).Postgres.Reveal() },
		func(t *testing.T, url string) storetest.Stores {
			return storetest.All(open(t, sqlstore.Config{Postgres: secret.New(url)}))
		})
}
