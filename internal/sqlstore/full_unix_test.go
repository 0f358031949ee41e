//go:build unix

package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// full fills a database until the operating system gives it no more: a limit on the size of files is
// the full disk that needs no rights to make.
func full(ctx context.Context, path string, out io.Writer) error {
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true})
	if err != nil {
		return err
	}
	defer db.Close()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	limit := before
	limit.Cur = 1 << 20
	fullThenFree(complaints{out}, db,
		func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit) },
		func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) },
		"fails or is full")
	_, err = fmt.Fprintln(out, "done")
	return err
}

// fullBackup makes a backup for which there is no room.
func fullBackup(ctx context.Context, path string, out io.Writer) error {
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true})
	if err != nil {
		return err
	}
	defer db.Close()
	for i := range 100 { // of 8 KB
		if _, err := db.PutConnection(ctx, big(i), 0); err != nil {
			return err
		}
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = 200 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	_, err = db.Backup(ctx, filepath.Join(filepath.Dir(path), "backups", "b"), false, noon(), "v1")
	if !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "check its space") {
		return fmt.Errorf("got %v, want unavailable that says what to do", err)
	}
	_, err = fmt.Fprintln(out, "done")
	return err
}
