package engine

import (
	"context"
	"time"
)

// tendEvery is how often the engine looks whether another replica has made a data key.
const tendEvery = time.Minute

// tendKeys brings everything that is stored under the newest data key, and removes keys that nothing is
// sealed with any more. A restart in between takes it up again.
func (e *Engine) tendKeys(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var next time.Time // when to look through the values again
	for {
		if err := e.keys.Reload(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("the data keys could not be read; trying again in a minute", "error", err)
		}
		select {
		case <-e.keys.News():
			next = time.Time{}
		default:
		}
		if !e.now().Before(next) {
			next = e.keys.Tend(ctx, e.broker)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.keys.News():
			next = time.Time{}
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
