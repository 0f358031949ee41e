package keybearer

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// leaseLife is how long the dead hold others up: a lease is extended while the work goes on.
	leaseLife = 15 * time.Second
	// turnWait bounds the waiting for others, each of whom works for flightLife at most.
	turnWait = flightLife + leaseLife
)

// turn is the right to spend the refresh token of a connection: until it ends nobody else does.
//
// A process that is frozen for longer than leaseLife loses it without knowing. Its writes then meet
// another version of the row, and the journal tells whose turn it is; see [Broker.overlay].
type turn struct {
	Lease
	leases Leaser
	stop   context.CancelFunc
	keeper sync.WaitGroup
}

// takeTurn waits for the lease of a connection, which connections of one family share.
func (b *Broker) takeTurn(ctx context.Context, c *Connection) (*turn, error) {
	waiting, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	key := "refresh/" + string(c.Project) + "/" + cmp.Or(c.Family, string(c.ID))
	lease, err := b.cfg.Leases.Acquire(waiting, key, leaseLife)
	if err != nil {
		return nil, Errorf(Unavailable, "waiting for another refresh to end: %w", err)
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := &turn{Lease: lease, leases: b.cfg.Leases, stop: stop}
	t.keeper.Go(func() { t.keep(keeping) })
	return t, nil
}

// keep extends the lease until the turn ends or somebody else has it.
func (t *turn) keep(ctx context.Context) {
	tick := time.NewTicker(leaseLife / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if errors.Is(t.leases.Extend(ctx, t.Lease, leaseLife), Conflict) {
				return
			}
		}
	}
}

// end gives the turn to the next.
func (t *turn) end() {
	t.stop()
	t.keeper.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), storeLife)
	defer cancel()
	_ = t.leases.Release(ctx, t.Lease) // it ends by itself otherwise
}
