package atlassian

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
)

// turn is who has the right to refresh, by the clocks of those who share the store: they have to agree to
// within some seconds. It is written with the rest of the state, so a store needs no locks of its own.
type turn struct {
	Generation int64     `json:"generation,omitempty"`
	Until      time.Time `json:"until,omitzero"`
}

// turnLook is how often the store is looked at while somebody else has the turn.
const turnLook = 50 * time.Millisecond

// Acquire implements [keybearer.Leaser]. There is one lease, whatever its name.
func (r *rows) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	tick := time.NewTicker(turnLook)
	defer tick.Stop()
	for {
		var mine turn
		err := r.change(ctx, func(s *state) error {
			now := r.now()
			if now.Before(s.ours.Turn.Until) {
				return errTaken
			}
			// Above all former ones, also where the state was restored from a copy.
			mine = turn{Generation: max(s.ours.Turn.Generation+1, now.UnixMicro()), Until: now.Add(ttl)}
			s.ours.Turn = mine
			return nil
		})
		if err == nil {
			return keybearer.Lease{Key: key, Generation: mine.Generation}, nil
		}
		if !errors.Is(err, errTaken) {
			return keybearer.Lease{}, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return keybearer.Lease{}, fmt.Errorf("waiting for another refresh: %w", ctx.Err())
		}
	}
}

var errTaken = keybearer.Errorf(keybearer.Unavailable, "somebody else refreshes at this moment")

// Extend implements [keybearer.Leaser].
func (r *rows) Extend(ctx context.Context, l keybearer.Lease, ttl time.Duration) error {
	return r.turning(ctx, l, r.now().Add(ttl))
}

// Release implements [keybearer.Leaser].
func (r *rows) Release(ctx context.Context, l keybearer.Lease) error {
	err := r.turning(ctx, l, time.Time{})
	if keybearer.KindOf(err) == keybearer.Conflict {
		return nil // somebody else has it
	}
	return err
}

func (r *rows) turning(ctx context.Context, l keybearer.Lease, until time.Time) error {
	return r.change(ctx, func(s *state) error {
		if s.ours.Turn.Generation != l.Generation {
			return keybearer.Errorf(keybearer.Conflict, "the lease is no longer held")
		}
		s.ours.Turn.Until = until
		return nil
	})
}
