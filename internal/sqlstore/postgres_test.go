package sqlstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/storetest"
)

// onPostgres is a fresh schema on the server that the tests share: it is made in a fraction of the time
// that a database takes.
func onPostgres(t testing.TB) sqlstore.Config {
	t.Helper()
	server, schema := postgrestest.Shared(t), "test_"+strings.ToLower(rand.Text())
	if err := server.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return sqlstore.Config{Postgres: secret.New(server.URL("postgres") + "&search_path=" + schema)}
}

// Half of those who race work with a second DB, as on another replica.
func TestPostgresPasses(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	storetest.Run(t, func(t *testing.T) storetest.Stores { return replicas(t, onPostgres(t)) })
}

// The judge of plain text is what lies on the server's disk.
func TestPostgresKeepsNoPlaintext(t *testing.T) {
	ctx := t.Context()
	server := postgrestest.Shared(t)
	db := open(t, onPostgres(t))
	ring := must[*seal.Keyring](t)(seal.NewKeyring(seal.Key{ID: "k1", Secret: secret.New("a root key for tests")}))
	const canary = "canary-that-is-a-refresh-token"
	c := big(1)
	c.Grant = must[seal.Value](t)(ring.Seal([]byte(canary), c.GrantPlace()))
	must[keybearer.Connection](t)(db.PutConnection(ctx, c, 0))
	if err := server.Exec(ctx, "CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
	storetest.NoPlaintext(t, server.Data(), canary)
}

func TestPostgresTenStartAtOnce(t *testing.T) {
	cfg := onPostgres(t)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			db, err := sqlstore.Open(t.Context(), cfg)
			if err != nil {
				t.Errorf("got %v, want it opened", err)
				return
			}
			if err := errors.Join(db.PutSetting(t.Context(), "default", "x", []byte("1")), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
