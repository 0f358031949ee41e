package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	measureEvery = 5 * time.Second
	// measureTimes is of how many measurements in a row the shortest one counts, and slowRoundTrip what
	// is too long to say anything: the error is half of it at most.
	measureTimes  = 3
	slowRoundTrip = 500 * time.Millisecond
	// notableOffset is worth a line in the log.
	notableOffset = time.Second
)

// clock is the database's clock, as far as one can know it here: it is the one that all replicas have
// in common, however much their own clocks differ or jump.
type clock struct {
	local func() time.Time
	ask   func(ctx context.Context) (time.Time, error)
	log   *slog.Logger
	last  atomic.Pointer[moment]
	told  bool
}

// moment is one point in time on both clocks.
type moment struct {
	local, database time.Time
}

// newClock measures once: without a time there is no start.
func newClock(ctx context.Context, local func() time.Time, ask func(ctx context.Context) (time.Time, error), log *slog.Logger) (*clock, error) {
	c := &clock{local: local, ask: ask, log: log}
	if err := c.measure(ctx); err != nil {
		return nil, fmt.Errorf("reading the database's clock: %w", err)
	}
	return c, nil
}

// now goes on from the last measurement by the clock that this process cannot set, so that a jump of
// the local wall clock is not seen.
func (c *clock) now() time.Time {
	m := c.last.Load()
	return m.database.Add(c.local().Sub(m.local))
}

// measure takes the best of a few measurements. Bad ones change nothing, unless there is no other.
func (c *clock) measure(ctx context.Context) error {
	var best *moment
	shortest := slowRoundTrip
	for range measureTimes {
		asked := c.local()
		database, err := c.ask(ctx)
		if err != nil {
			return err
		}
		trip := c.local().Sub(asked)
		if trip < shortest || best == nil && c.last.Load() == nil {
			best, shortest = &moment{local: asked.Add(trip / 2), database: database}, trip
		}
	}
	if best == nil {
		return nil
	}
	c.last.Store(best)
	if offset := best.database.Sub(best.local.Round(0)); offset.Abs() > notableOffset && !c.told {
		c.told = true
		c.log.Warn("the clock of this machine differs from the database's, which is the one that counts: set it by NTP", "by", -offset)
	}
	return nil
}

// keep measures now and then, until ctx ends.
func (c *clock) keep(ctx context.Context) {
	for wait(ctx, measureEvery) {
		if err := c.measure(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug("the database's clock could not be read", "error", err)
		}
	}
}
