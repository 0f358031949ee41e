package sqlstore

import (
	"context"
	"time"
)

// Retention is how long things are kept after they have ended. A zero duration means its default.
type Retention struct {
	// Flows: how long an authorization can still be asked about after its deadline. Default 24 hours.
	Flows time.Duration
	// Events: how long lines of the audit are kept. Default 90 days; negative keeps them for ever.
	Events time.Duration
}

const (
	defaultFlowRetention  = 24 * time.Hour
	defaultEventRetention = 90 * 24 * time.Hour
	// pruneBatch is how many rows go at once, so that others may write in between.
	pruneBatch = 500
)

// Pruned counts what a Prune removed.
type Pruned struct {
	Flows, Attempts, Sessions, Events, Leases int64
}

const (
	pruneFlows = `DELETE FROM flows WHERE (project, id) IN (
		SELECT project, id FROM flows WHERE deadline < $1 ORDER BY deadline LIMIT $2)`
	pruneAttempts = `DELETE FROM attempts WHERE state_hash IN (
		SELECT state_hash FROM attempts WHERE deadline < $1 ORDER BY deadline LIMIT $2)`
	pruneSessions = `DELETE FROM sessions WHERE hash IN (
		SELECT hash FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	pruneEvents = `DELETE FROM events WHERE id IN (
		SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2)`
	pruneLeases = `DELETE FROM leases WHERE until < $1 AND generation < $1 AND key IN (
		SELECT key FROM leases WHERE generation < $1 ORDER BY generation LIMIT $2)`
)

// Prune removes flows that ended long ago, attempts and sessions that are over, and old lines of the
// audit. It works in small steps; on an error it says what it had removed by then.
func (db *DB) Prune(ctx context.Context, now time.Time, keep Retention) (Pruned, error) {
	if keep.Flows == 0 {
		keep.Flows = defaultFlowRetention
	}
	if keep.Events == 0 {
		keep.Events = defaultEventRetention
	}
	var done Pruned
	for _, step := range []struct {
		count  *int64
		text   string
		before time.Time
		skip   bool
	}{
		{&done.Flows, pruneFlows, now.Add(-keep.Flows), false},
		{&done.Attempts, pruneAttempts, now, false},
		{&done.Sessions, pruneSessions, now, false},
		{&done.Events, pruneEvents, now.Add(-keep.Events), keep.Events < 0},
		{&done.Leases, pruneLeases, now.Add(-leaseRetention), false},
	} {
		for more := !step.skip; more; {
			deleted, err := db.write.exec(ctx, step.text, micros(step.before), pruneBatch)
			if err != nil {
				return done, db.failure("removing what is over", err)
			}
			*step.count += deleted
			more = deleted == pruneBatch
		}
	}
	return done, nil
}
