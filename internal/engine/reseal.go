package engine

import (
	"context"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// resealPause is how long to wait after a failure.
	resealPause = time.Minute
	// flowLife is longer than any flow or attempt lives: after it nothing is sealed with a former key.
	flowLife = 2 * time.Hour
)

// reseal brings everything that is stored under the default root key, if the database was ever
// written with another one, and then forgets the others. A restart in between takes it up again.
func (e *Engine) reseal(ctx context.Context) {
	if len(e.formerKeys) == 0 {
		return
	}
	current := e.keyring.Default()
	if !e.resealAll(ctx, current) || !wait(ctx, flowLife) || !e.resealAll(ctx, current) {
		return
	}
	for _, id := range e.formerKeys {
		if err := e.store.DeleteKeyCheck(ctx, id); err != nil {
			e.log.Warn("a former root key could not be forgotten; trying again at the next start", "key", id, "error", err)
			return
		}
		e.log.Info("nothing is sealed with this root key any more: it can be removed from security.root_keys", "key", id)
	}
}

// resealAll reports whether nothing is left under another key.
func (e *Engine) resealAll(ctx context.Context, current string) bool {
	for total := 0; ; {
		done, left, err := e.broker.Reseal(ctx, keybearer.DefaultProject, current)
		total += done
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			e.log.Warn("sealing anew was interrupted; it goes on in a minute", "done", total, "error", err)
			if !wait(ctx, resealPause) {
				return false
			}
		case left > 0:
			e.log.Error("some values do not open and stay under their former key", "left", left)
			return false
		case done == 0:
			e.log.Info("all stored values are sealed with the default root key", "key", current, "sealed_anew", total)
			return true
		}
	}
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
