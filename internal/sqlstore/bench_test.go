package sqlstore_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// million asks for the benchmarks at a million rows, which take minutes and 5 GB of disk to set up.
const million = "KEYBEARER_BENCH_MILLION"

// filled opens a database with n connections of about the size that an Atlassian grant has.
func filled(t testing.TB, n, cached int) *sqlstore.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keybearer.db")
	db := open(t, sqlstore.Config{Path: path})
	now := time.Now()
	grant := make([]byte, 2600)
	if _, err := rand.Read(grant); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
		for i := range n {
			if !yield(keybearer.Connection{
				ID: keybearer.ConnectionID(fmt.Sprintf("conn_%026d", i*7919%n)), Ref: user(i), State: keybearer.ConnectionActive,
				Scopes: []string{"offline_access", "read:jira-work", "write:jira-work"}, Grant: grant,
				IssuedAt: now, ExpiresAt: now.Add(time.Hour), Refreshable: true, CreatedAt: now, UpdatedAt: now, Version: 1,
			}) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, sqlstore.Config{Path: path, Exclusive: true, CachedRows: cached})
}

func user(i int) keybearer.Ref {
	return keybearer.Ref{Project: "default", User: keybearer.UserID(fmt.Sprintf("user%08d@example.com", i)), Provider: "atlassian"}
}

func BenchmarkConnection(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		if n > 1000 && os.Getenv(million) == "" {
			continue
		}
		for _, cached := range []int{-1, 0} {
			db := filled(b, n, cached)
			b.Run(fmt.Sprintf("rows=%d/cached=%v", n, cached == 0), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := db.Connection(b.Context(), user(i*7919%n)); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("rows=%d/cached=%v/parallel", n, cached == 0), func(b *testing.B) {
				var next atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := db.Connection(b.Context(), user(int(next.Add(1))*7919%n)); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}
