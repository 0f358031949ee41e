package sqlstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// leaseTake has the time of the database only: the clocks of engines differ. A generation is the
	// time of the acquisition, or more: it grows even where the row was pruned in between, unless the
	// database's clock is set back by more than leaseRetention.
	leaseTake = `INSERT INTO leases (key, generation, until) VALUES ($1, %[1]s, %[1]s + $2)
		ON CONFLICT (key) DO UPDATE SET until = %[1]s + $2,
		generation = CASE WHEN leases.generation < %[1]s THEN %[1]s ELSE leases.generation + 1 END
		WHERE leases.until <= %[1]s RETURNING generation`

	leaseExtend = `UPDATE leases SET until = %[1]s + $3 WHERE key = $1 AND generation = $2 AND until > %[1]s`

	// The row stays, for its generation.
	leaseEnd = `UPDATE leases SET until = 0 WHERE key = $1 AND generation = $2`

	leaseRetention = 24 * time.Hour

	// Who waits for a lease asks again after a pause that doubles, each time a little differently long,
	// so that those who wait for one lease do not all ask at once.
	leaseFirstPause = 5 * time.Millisecond
	leaseLastPause  = 100 * time.Millisecond
)

// Acquire implements [keybearer.Leaser]. The ttl runs from the moment at which the database grants the
// lease, by its own clock.
func (db *DB) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	text := fmt.Sprintf(leaseTake, db.dialect.now)
	for pause := leaseFirstPause; ; pause = min(2*pause, leaseLastPause) {
		l := keybearer.Lease{Key: key}
		taken, err := db.write.returning(ctx, text, &l.Generation, key, ttl.Microseconds())
		if err != nil {
			return keybearer.Lease{}, db.failure("acquiring a lease", err)
		}
		if taken {
			return l, nil
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return keybearer.Lease{}, fmt.Errorf("waiting for a lease: %w", ctx.Err())
		}
	}
}

// Extend implements [keybearer.Leaser]. A lease that has ended is Conflict, though nobody has taken it.
func (db *DB) Extend(ctx context.Context, l keybearer.Lease, ttl time.Duration) error {
	held, err := db.write.exec(ctx, fmt.Sprintf(leaseExtend, db.dialect.now), l.Key, l.Generation, ttl.Microseconds())
	if err != nil {
		return db.failure("extending a lease", err)
	}
	if held == 0 {
		return keybearer.Errorf(keybearer.Conflict, "the lease %q has ended", l.Key)
	}
	return nil
}

// Release implements [keybearer.Leaser].
func (db *DB) Release(ctx context.Context, l keybearer.Lease) error {
	_, err := db.write.exec(ctx, leaseEnd, l.Key, l.Generation)
	return db.failure("ending a lease", err)
}
