package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// unavailable wants an error of kind Unavailable that says all of these.
func unavailable(t *testing.T, err error, texts ...string) {
	t.Helper()
	if !errors.Is(err, keybearer.Unavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want it to say %q", err, text)
		}
	}
}

func TestLockedDatabase(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "keybearer.db")
	db := open(t, sqlstore.Config{Path: path, BusyTimeout: 20 * time.Millisecond})
	c := put(t, db, 1)
	other := raw(t, path)
	do(t, other, "BEGIN IMMEDIATE")
	_, err := db.PutConnection(ctx, c, c.Version)
	unavailable(t, err, "locked by another program", path)
	_, err = db.CreateFlow(ctx, keybearer.Flow{ID: "ac_1"}, time.Now())
	unavailable(t, err, "locked by another program")
	if got, err := db.Connection(ctx, c.Ref); err != nil || got.Version != c.Version {
		t.Errorf("got version %d, %v while another writes, want %d: reading goes on", got.Version, err, c.Version)
	}
	do(t, other, "COMMIT")
	if _, err = db.PutConnection(ctx, c, c.Version); err != nil {
		t.Errorf("got %v after the lock was gone", err)
	}
}

func TestLockedDatabaseAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	other := raw(t, path)
	do(t, other, "PRAGMA journal_mode = WAL")
	do(t, other, "BEGIN EXCLUSIVE")
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path, BusyTimeout: 20 * time.Millisecond})
	unavailable(t, err, "locked by another program", path)
}

func TestFullDatabase(t *testing.T) {
	ctx := t.Context()
	db := open(t, sqlstore.Config{Exclusive: true})
	fullThenFree(t, db, func() error { return db.Pragma(ctx, "max_page_count = 1") }, func() error {
		return db.Pragma(ctx, "max_page_count = 1000000")
	}, "no space is left")
}

func TestReadOnlyDatabase(t *testing.T) {
	ctx := t.Context()
	db := open(t, sqlstore.Config{Exclusive: true})
	fullThenFree(t, db, func() error { return db.Pragma(ctx, "query_only = 1") }, func() error {
		return db.Pragma(ctx, "query_only = 0")
	}, "cannot be written")
}

type tester interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
	Context() context.Context
}

// fullThenFree writes until it fails, and checks that nothing that was answered is lost, that reading
// goes on, and that writing works again when there is room.
func fullThenFree(t tester, db *sqlstore.DB, limit, free func() error, says string) {
	t.Helper()
	ctx := t.Context()
	c, err := db.PutConnection(ctx, big(0), 0)
	if err != nil {
		t.Fatalf("storing before: %v", err)
	}
	if err := limit(); err != nil {
		t.Fatalf("limiting: %v", err)
	}
	stored := 1
	for ; err == nil && stored < 10_000; stored++ {
		_, err = db.PutConnection(ctx, big(stored), 0)
	}
	stored--
	if !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), says) {
		t.Fatalf("got %v after %d rows, want unavailable that says %q", err, stored, says)
	}
	grown := c
	grown.Grant = make([]byte, 1<<20)
	if _, err := db.PutConnection(ctx, grown, c.Version); !errors.Is(err, keybearer.Unavailable) {
		t.Errorf("got %v for a larger value, want unavailable", err)
	}
	if _, err := db.CreateFlow(ctx, keybearer.Flow{ID: "ac_1", Asked: []string{strings.Repeat("x", 1<<20)}}, time.Now()); !errors.Is(err, keybearer.Unavailable) {
		t.Errorf("got %v for a transaction, want unavailable", err)
	}
	for i := range stored {
		if got, err := db.Connection(ctx, user(i)); err != nil || string(got.Grant) != string(big(i).Grant) {
			t.Errorf("row %d: got %v, want what was stored", i, err)
		}
	}
	if _, total, err := db.Connections(ctx, keybearer.ConnectionFilter{Limit: 1}); err != nil || total != stored {
		t.Errorf("got %d rows, %v, want %d", total, err, stored)
	}
	if err := free(); err != nil {
		t.Fatalf("making room: %v", err)
	}
	if _, err := db.PutConnection(ctx, grown, c.Version); err != nil {
		t.Errorf("got %v with room again", err)
	}
	if _, err := db.PutConnection(ctx, big(stored), 0); err != nil {
		t.Errorf("got %v with room again", err)
	}
}

// big is a connection whose grant fills pages and differs for each i.
func big(i int) keybearer.Connection {
	grant := bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(i+1)), 1000)
	return keybearer.Connection{ID: keybearer.ConnectionID(fmt.Sprintf("conn_%d", i)), Ref: user(i), Grant: grant}
}

func put(t *testing.T, db *sqlstore.DB, i int) keybearer.Connection {
	t.Helper()
	c, err := db.PutConnection(t.Context(), big(i), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// complaints collects what another process finds wrong.
type complaints struct{ out io.Writer }

func (complaints) Helper()                             {}
func (complaints) Context() context.Context            { return context.Background() }
func (c complaints) Errorf(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }
func (c complaints) Fatalf(format string, args ...any) { c.Errorf(format, args...); os.Exit(1) }

func TestDiskFull(t *testing.T) {
	p := start(t, "full", filepath.Join(t.TempDir(), "keybearer.db"))
	said := 0
	for p.lines.Scan() {
		if said++; p.lines.Text() != "done" {
			t.Error(p.lines.Text())
		}
	}
	if err := p.Wait(); err != nil || said == 0 {
		t.Errorf("got %v, %d lines, want done", err, said)
	}
}

func TestDamagedDatabase(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "keybearer.db")
	db := open(t, sqlstore.Config{Path: path})
	for i := range 200 {
		put(t, db, i)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, 4096)
	for i := range junk {
		junk[i] = 0xA5
	}
	for at := int64(72 * 4096); at < info.Size(); at += 4096 { // all but the schema
		if _, err := file.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, sqlstore.Config{Path: path, Exclusive: true})
	damaged := 0
	for i := range 200 {
		_, err := db.Connection(ctx, user(i))
		if err == nil {
			continue
		}
		damaged++
		if keybearer.KindOf(err) != keybearer.Internal || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "restore a backup") {
			t.Fatalf("got %v, want it to say that the database is damaged", err)
		}
	}
	if damaged == 0 {
		t.Error("got every row of a damaged file")
	}
}

func TestCancelledCallsDoNothing(t *testing.T) { onBoth(t, cancelledCalls) }

func cancelledCalls(t *testing.T, cfg sqlstore.Config) {
	db := open(t, cfg)
	c := put(t, db, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.PutConnection(ctx, c, c.Version); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := db.Connection(ctx, c.Ref); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := db.TakeAttempt(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got, err := db.Connection(t.Context(), c.Ref); err != nil || got.Version != c.Version {
		t.Errorf("got version %d, %v, want %d", got.Version, err, c.Version)
	}
}
