package atlassian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const maxState = 1 << 20 // bytes

// FileStore is a [Store] in one file, which only its owner can read. Path is its name; its folder has to be
// there. A file beside it, with .lock after the name, keeps processes apart.
//
// The file holds tokens in the clear unless [Sealed] is around it.
type FileStore struct {
	Path string
}

var _ Store = FileStore{}

// Load implements [Store].
func (f FileStore) Load(context.Context) ([]byte, error) { return f.load() }

func (f FileStore) load() ([]byte, error) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	state, err := io.ReadAll(io.LimitReader(file, maxState+1))
	if err == nil && len(state) > maxState {
		err = fmt.Errorf("%s is longer than %d MiB: it is no state of ours", f.Path, maxState>>20)
	}
	if len(state) == 0 {
		return nil, err
	}
	return state, err
}

// Swap implements [Store]. The new file takes the place of the old one in a single step, after it is on disk.
func (f FileStore) Swap(ctx context.Context, old, next []byte) error {
	unlock, err := lockFile(ctx, f.Path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	now, err := f.load()
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return errSwapped
	}
	return replace(f.Path, next)
}

func replace(path string, content []byte) (err error) {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, filepath.Base(path)+".new-*") // only for its owner
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if _, err = file.Write(content); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	if dir, err := os.Open(folder); err == nil { // or the new name may be lost with the power
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}
