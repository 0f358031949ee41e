package yamlpos

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadFile reads a whole file of at most limit bytes. Its errors go on after the file's name.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", Reason(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", Reason(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d KB", limit>>10)
	}
	return data, nil
}

// Reason is the part of a file error that does not repeat the path.
func Reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
