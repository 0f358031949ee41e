package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/keybearer/keybearer"
)

const (
	ownerOnly       = 0o600
	ownerOnlyFolder = 0o700
	sqliteHeader    = "SQLite format 3\x00" // sqlite.org/fileformat.html, section 1.3
)

// prepareFolder makes the missing folders above a file, for their owner only. Folders that are
// there keep their permissions: they may be somebody else's.
func prepareFolder(file string) error {
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	var missing []string
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(folder, ownerOnlyFolder); err != nil {
		return fmt.Errorf("making the folder of the database: %w", err)
	}
	for _, made := range missing {
		if err := os.Chmod(made, ownerOnlyFolder); err != nil { // the umask may have taken from it
			return fmt.Errorf("making the folder of the database: %w", err)
		}
	}
	return nil
}

// lockFile keeps other engines away. The lock is the operating system's and ends with the process,
// however it ends; the file stays.
func lockFile(path string) (*flock.Flock, error) {
	lock := lockOf(path)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the database: %w", err)
	}
	if !ok {
		return nil, keybearer.Errorf(keybearer.Conflict,
			"another engine is using the database %s: stop that one first, or give this one a data folder of its own", path)
	}
	return lock, tighten(path + ".lock")
}

func lockOf(path string) *flock.Flock {
	return flock.New(path+".lock", flock.SetPermissions(ownerOnly))
}

// prepareFile makes the file for its owner only before SQLite sees it, since SQLite gives its WAL and
// shared memory files the permissions of the database. What is there must look like a database.
func prepareFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, ownerOnly)
	if err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	defer file.Close()
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := tighten(name); err != nil {
			return err
		}
	}
	return checkHeader(file, path)
}

// checkHeader wants a new file, or one that looks like a database.
func checkHeader(file io.Reader, path string) error {
	head := make([]byte, len(sqliteHeader))
	switch n, err := io.ReadFull(file, head); {
	case errors.Is(err, io.EOF): // new
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("reading the file: %w", err)
	case !bytes.Equal(head[:n], []byte(sqliteHeader)):
		return keybearer.Errorf(keybearer.BadRequest,
			"%s is not a Keybearer database: name another file, or move this one away", path)
	}
	return nil
}

func tighten(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the permissions: %w", err)
	}
	if !info.Mode().IsRegular() {
		return keybearer.Errorf(keybearer.BadRequest, "%s is not a file: name the database file itself", path)
	}
	if info.Mode().Perm() == ownerOnly {
		return nil
	}
	if err := os.Chmod(path, ownerOnly); err != nil {
		return fmt.Errorf("making %s readable for its owner only: %w", path, err)
	}
	return nil
}
