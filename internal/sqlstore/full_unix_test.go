//go:build unix

package sqlstore_test

import (
	"context"
	"fmt"
	"io"
	"syscall"

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
