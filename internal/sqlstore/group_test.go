package sqlstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// together lets the first call have its turn and keeps it from its end until the others wait behind it,
// and meanwhile has been called. It gives their errors.
func together(t *testing.T, db *sqlstore.DB, calls []func() error, meanwhile func()) []error {
	t.Helper()
	writer, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = call() })
		until(t, func() bool {
			waiting, taken := db.Waiting()
			return waiting == i && taken
		})
	}
	meanwhile()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	return errs
}

func until(t *testing.T, isSo func() bool) {
	t.Helper()
	look := time.NewTicker(100 * time.Microsecond)
	defer look.Stop()
	for over := time.Now().Add(time.Minute); !isSo(); <-look.C {
		if time.Now().After(over) {
			t.Fatal("waited for a minute")
		}
	}
}

// commits counts the commits in the write-ahead log: their last frame tells the size of the database
// (sqlite.org/fileformat2.html#the_write_ahead_log).
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frameHeader = 32, 24
	frame := frameHeader + int(binary.BigEndian.Uint32(wal[8:]))
	for at := header; at+frame <= len(wal); at += frame {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			n++
		}
	}
	return n
}

func TestWhoWaitsForTheWriterSharesACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	db := open(t, sqlstore.Config{Path: path})
	put := func(n int) error {
		_, err := db.PutConnection(t.Context(), keybearer.Connection{ID: keybearer.ConnectionID(fmt.Sprint("conn_", n)), Ref: user(n)}, 0)
		return err
	}
	if err := put(0); err != nil { // prepares the statement
		t.Fatal(err)
	}
	before := commits(t, path)
	var calls []func() error
	for n := range 50 {
		calls = append(calls, func() error { return put(n) })
	}
	for n, err := range together(t, db, calls, func() {}) {
		if n == 0 && !errors.Is(err, keybearer.Conflict) || n > 0 && err != nil {
			t.Errorf("putting connection %d: got %v, want Conflict for the one that is there, and nothing for the others", n, err)
		}
		if _, err := db.Connection(t.Context(), user(n)); err != nil {
			t.Error(err)
		}
	}
	if got := commits(t, path) - before; got > 2 {
		t.Errorf("got %d commits of 50 calls, want one of the first, and one of all behind it", got)
	}
}

func TestStatementThatFailsDoesNoHarmToThoseItSharesACommitWith(t *testing.T) {
	db := open(t, sqlstore.Config{})
	ctx := t.Context()
	if err := db.PutKeyCheck(ctx, "k", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	var calls []func() error
	for n := range 20 {
		calls = append(calls, func() error {
			if n%5 == 2 {
				return db.PutKeyCheck(ctx, "k", []byte("sealed")) // which is there
			}
			return db.PutKeyCheck(ctx, fmt.Sprint("k", n), []byte("sealed"))
		})
	}
	for n, err := range together(t, db, calls, func() {}) {
		if (n%5 == 2) != (err != nil) {
			t.Errorf("call %d: got %v", n, err)
		}
	}
	if checks, err := db.KeyChecks(ctx); err != nil || len(checks) != 17 {
		t.Errorf("got %d rows, %v, want 17", len(checks), err)
	}
}

func TestWhoHangsUpWhileHeWaitsHasWrittenNothing(t *testing.T) {
	db := open(t, sqlstore.Config{})
	put := func(ctx context.Context, id string) error { return db.PutKeyCheck(ctx, id, []byte("sealed")) }
	if err := put(t.Context(), "k"); err != nil { // prepares the statement
		t.Fatal(err)
	}
	impatient, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	errs := together(t, db, []func() error{
		func() error { return put(t.Context(), "first") },
		func() error {
			err := put(impatient, "impatient")
			gone <- err
			return err
		},
		func() error { return put(t.Context(), "last") },
	}, func() {
		hangUp()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who hung up got %v, want to be let go", err)
		}
	})
	checks, err := db.KeyChecks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if checks["impatient"] != nil || checks["first"] == nil || checks["last"] == nil || errs[0] != nil || errs[2] != nil {
		t.Errorf("got %d rows, %v, want those of the two who stayed", len(checks), errs)
	}
}
