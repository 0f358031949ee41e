package storetest_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/keybearer/keybearer"
)

// files keeps each setting in a file: the smallest store that outlives its process.
type files struct {
	dir   string
	write func(path string, value []byte) error
}

func (s files) path(project keybearer.ProjectID, name string) string {
	return filepath.Join(s.dir, url.PathEscape(string(project)+" "+name))
}

func (s files) Setting(_ context.Context, project keybearer.ProjectID, name string) ([]byte, error) {
	value, err := os.ReadFile(s.path(project, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, keybearer.NotFound
	}
	return value, err
}

func (s files) PutSetting(_ context.Context, project keybearer.ProjectID, name string, value []byte) error {
	return s.write(s.path(project, name), value)
}

func writeAndRename(path string, value []byte) error {
	if err := os.WriteFile(path+".new", value, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func fileDefects() map[string]func(path string, value []byte) error {
	return map[string]func(string, []byte) error{
		"AnswersBeforeItWrites": func(path string, value []byte) error {
			go func() {
				pause()
				_ = writeAndRename(path, value)
			}()
			return nil
		},
		"WritesInPlace": func(path string, value []byte) error {
			if err := os.WriteFile(path, value[:len(value)/2], 0o600); err != nil {
				return err
			}
			pause()
			return os.WriteFile(path, value, 0o600)
		},
	}
}
