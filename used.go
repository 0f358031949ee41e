package keybearer

import (
	"context"
	"sync"
	"time"
)

const (
	// useGrain is how exactly the last use of a connection is stored: writing each would cost a write for
	// each token that is handed out.
	useGrain = 10 * time.Minute
	// maxUses bounds what is noted between two flushes; what is beyond is noted at the next use.
	maxUses = 100_000
	// touchBatch bounds one transaction of a flush.
	touchBatch = 500
)

// uses notes in memory which connections were used, for Upkeep to store. What is not stored when a
// process dies is lost: then a connection may seem unused for some minutes more than it was.
type uses struct {
	mu    sync.RWMutex
	noted map[Ref]time.Time
}

// note notes that a token was handed out now, unless as much is known already.
func (u *uses) note(c *Connection, now time.Time) {
	if now.Sub(c.UsedAt) < useGrain {
		return
	}
	u.mu.RLock()
	_, known := u.noted[c.Ref]
	known = known || len(u.noted) >= maxUses
	u.mu.RUnlock()
	if known {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.noted == nil {
		u.noted = map[Ref]time.Time{}
	}
	u.noted[c.Ref] = now
}

// take gives what was noted, and forgets it.
func (u *uses) take() map[Ref]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	noted := u.noted
	u.noted = nil
	return noted
}

// storeUses writes down what was noted. What is not stored for an error is noted again at the next use.
func (b *Broker) storeUses(ctx context.Context) error {
	batch := make(map[Ref]time.Time, touchBatch)
	for ref, at := range b.uses.take() {
		batch[ref] = at
		if len(batch) < touchBatch {
			continue
		}
		if err := b.cfg.Upkeep.Touch(ctx, batch); err != nil {
			return err
		}
		clear(batch)
	}
	if len(batch) == 0 {
		return nil
	}
	return b.cfg.Upkeep.Touch(ctx, batch)
}
