package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// What an engine does because there are others on the same database. On a file there are none: it is
// locked.

const (
	hearFirstPause = 100 * time.Millisecond
	hearLastPause  = 5 * time.Second

	// The first of several engines that start together makes the first key and account.
	firstStartLease = "engine/first-start"
	firstStartTime  = 30 * time.Second
)

// alone does something at the start while no other replica does it.
func (e *Engine) alone(ctx context.Context, key string, atMost time.Duration, patient *patience, do func(context.Context) error) error {
	if !e.shared {
		return do(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*atMost)
	defer cancel()
	var lease keybearer.Lease
	if err := patient.ask(ctx, func(ctx context.Context) (err error) {
		lease, err = e.store.Acquire(ctx, key, atMost)
		return err
	}); err != nil {
		return err
	}
	defer func() {
		if err := e.store.Release(context.WithoutCancel(ctx), lease); err != nil {
			e.log.Warn("a lease stays until it ends by itself", "lease", lease.Key, "error", err)
		}
	}()
	return do(ctx)
}

// hear passes on what other replicas do, until ctx ends: whoever waits here for a flow that moved there
// is woken, and a key that was revoked there is not believed here any longer. While nothing is heard,
// waiters look for themselves, and keys are believed for some seconds.
func (e *Engine) hear(ctx context.Context) {
	pause, lost := hearFirstPause, false
	for ctx.Err() == nil {
		err := e.store.Listen(ctx, func(n sqlstore.News) {
			if lost {
				e.log.Info("news of other engines are heard again")
			}
			pause, lost = hearFirstPause, false
			e.tell(n)
		})
		if ctx.Err() != nil {
			return
		}
		if !lost {
			e.log.Warn("news of other engines are not heard; trying again until they are", "error", err)
		}
		lost = true
		wait(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, hearLastPause)
	}
}

func (e *Engine) tell(n sqlstore.News) {
	if n.Rules {
		e.broker.Forget()
		e.tools.Forget()
		return
	}
	e.broker.Wake(n.Flow)
}

// replicaConfig is what a Broker needs to know that is not the only one. On a file the lease is kept in
// the process: nobody else can hold it, and one in the file would cost each refresh another write to
// the disk.
func (e *Engine) replicaConfig(b *keybearer.Config) {
	if e.shared {
		b.Leases = e.store
	}
}
