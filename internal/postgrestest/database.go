package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// shared is the server of this test binary. It is a variable of the package because it is one for each
// process, and since tests of many files ask for it.
var shared = sync.OnceValues(func() (*Server, error) { return Start(context.Background()) })

// Shared gives the server that all tests of this binary share, and starts it at the first call. Nobody
// stops, halts or reconfigures it.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Database makes a fresh, empty database on the shared server and gives its URL. It is dropped at the
// end of the test.
func Database(t testing.TB) (url string) {
	t.Helper()
	return Shared(t).Database(t)
}

// Database makes a fresh, empty database and gives its URL. It is dropped at the end of the test;
// connections that somebody has left open are cut.
func (s *Server) Database(t testing.TB) (url string) {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	// By default a new database is written through the log, which takes two to three times as long.
	err := s.Exec(t.Context(), "CREATE DATABASE "+name+" STRATEGY file_copy")
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok && failed.Code == "42601" { // before 15, which knows no other way
		err = s.Exec(t.Context(), "CREATE DATABASE "+name)
	}
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if s.keeper == nil { // it went with the server, or will
			return
		}
		if err := s.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return s.URL(name)
}
