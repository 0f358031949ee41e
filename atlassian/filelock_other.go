//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package atlassian

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// abandoned is how old a lock is whose holder has died: it is held for a write.
const abandoned = 30 * time.Second

// lockFile waits until the file is not there and makes it, or ctx ends. Whoever dies leaves it, and the next
// takes it for abandoned, which of two that come at once both may do.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_ = file.Close()
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(path)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s: %w", path, ctx.Err())
		}
	}
}
