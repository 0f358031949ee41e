package sqlstore_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
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

func TestPostgresPasses(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores { return replicas(t, onPostgres(t)) })
}
