//go:build unix

package sqlstore_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// million asks for the benchmarks at a million rows, which take minutes and 5 GB of disk to set up.
const million = "KEYBEARER_BENCH_MILLION"

// filled makes a database with n connections of about the size that an Atlassian grant has.
func filled(t testing.TB, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keybearer.db")
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
	return path
}

// processor is the processor time of this process: on a shared machine the sturdier figure.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkConnection reads single connections: of users anywhere in the table, and of a thousand
// who are active, with and without rows kept in memory.
func BenchmarkConnection(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		if n > 1000 && os.Getenv(million) == "" {
			continue
		}
		path := filled(b, n)
		for _, c := range []struct {
			name          string
			cached, users int
		}{
			{"any/database", -1, n},
			{"any/cached", 0, n},
			{"active/cached", 0, 1000},
		} {
			db := open(b, sqlstore.Config{Path: path, Exclusive: true, CachedRows: c.cached})
			at := func(i int) keybearer.Ref { return user(i * 7919 % c.users * (n / c.users)) }
			b.Run(fmt.Sprintf("rows=%d/%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				before := processor()
				for i := 0; b.Loop(); i++ {
					if _, err := db.Connection(b.Context(), at(i)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(processor()-before)/float64(b.N), "cpu-ns/op")
			})
			b.Run(fmt.Sprintf("rows=%d/%s/parallel", n, c.name), func(b *testing.B) {
				var next atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := db.Connection(b.Context(), at(int(next.Add(1)))); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPutConnection is what a refresh pays to keep its grant: one transaction that is on the disk.
func BenchmarkPutConnection(b *testing.B) {
	db := open(b, sqlstore.Config{Exclusive: true})
	c := keybearer.Connection{ID: "conn_1", Ref: user(1), Grant: make([]byte, 2600)}
	for b.Loop() {
		var err error
		if c, err = db.PutConnection(b.Context(), c, c.Version); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is the database's part in the start of an engine.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for name, path := range map[string]func(i int) string{
		"new":   func(i int) string { return filepath.Join(dir, fmt.Sprint(i), "keybearer.db") },
		"again": func(int) string { return filepath.Join(dir, "keybearer.db") },
	} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				db, err := sqlstore.Open(b.Context(), sqlstore.Config{Path: path(i), Exclusive: true})
				if err != nil {
					b.Fatal(err)
				}
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
