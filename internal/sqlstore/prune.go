package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
)

// Retention is how long things are kept after they have ended. A zero duration means its default, a
// negative one for ever.
type Retention struct {
	// Flows: how long an authorization can still be asked about after its deadline. Default 24 hours.
	Flows time.Duration
	// Events: how long lines of the audit are kept. Default 90 days.
	Events time.Duration
	// Dead: how long a connection is kept that only a new consent would bring back. Default 90 days.
	Dead time.Duration
	// Runs: how long a scheduled run can still be asked about after its end. Default 30 days.
	Runs time.Duration
}

const (
	defaultFlowRetention  = 24 * time.Hour
	defaultEventRetention = 90 * 24 * time.Hour
	defaultDeadRetention  = 90 * 24 * time.Hour
	defaultRunRetention   = 30 * 24 * time.Hour
	clientRetention       = 24 * time.Hour
	// pruneBatch is how many rows go at once, so that others may write in between.
	pruneBatch = 500
)

// Pruned counts what a Prune removed.
type Pruned struct {
	Flows, Attempts, Sessions, Events, Connections, Leases, Runs, Clients int64
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
	pruneRuns = `DELETE FROM scheduled_runs WHERE (project, id) IN (
		SELECT project, id FROM scheduled_runs WHERE finished_at > 0 AND finished_at < $1 ORDER BY finished_at LIMIT $2)`
	pruneGrants = `DELETE FROM client_grants WHERE (project, id) IN (
		SELECT project, id FROM client_grants WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	// Anybody may register a client: those that nobody lets in go after a day.
	pruneClients = `DELETE FROM registered_clients WHERE (project, id) IN (
		SELECT project, id FROM registered_clients c WHERE created_at < $1
		AND NOT EXISTS (SELECT 1 FROM client_grants g WHERE g.project = c.project AND g.client = c.id) ORDER BY created_at LIMIT $2)`
	pruneLeases = `DELETE FROM leases WHERE until < $1 AND generation < $1 AND key IN (
		SELECT key FROM leases WHERE generation < $1 ORDER BY generation LIMIT $2)`

	// The outer conditions are looked at again where a new consent was stored meanwhile.
	pruneDead = `DELETE FROM connections WHERE (project, id) IN (
		SELECT project, id FROM connections WHERE state = 'reauthorize' AND updated_at < $1 ORDER BY updated_at LIMIT $2)
		AND state = 'reauthorize' AND updated_at < $1 RETURNING project, id, user_id, provider, name`
	pruneEnded = `DELETE FROM connections WHERE (project, id) IN (
		SELECT project, id FROM connections WHERE state = 'active' AND NOT refreshable AND expires_at > 0 AND expires_at < $1
		ORDER BY expires_at LIMIT $2)
		AND state = 'active' AND NOT refreshable AND expires_at > 0 AND expires_at < $1
		RETURNING project, id, user_id, provider, name`
)

// Prune removes flows and scheduled runs that ended long ago, clients that nobody let in and what people gave others once it is over, attempts and sessions that are over, old lines of
// the audit, and connections that have been dead for long: each of these leaves a line in the audit. It works in
// small steps; on an error it says what it had removed by then.
func (db *DB) Prune(ctx context.Context, now time.Time, keep Retention) (Pruned, error) {
	if keep.Flows == 0 {
		keep.Flows = defaultFlowRetention
	}
	if keep.Events == 0 {
		keep.Events = defaultEventRetention
	}
	if keep.Dead == 0 {
		keep.Dead = defaultDeadRetention
	}
	if keep.Runs == 0 {
		keep.Runs = defaultRunRetention
	}
	var done Pruned
	rows := func(text string, before time.Time) func() (int64, error) {
		return func() (int64, error) { return db.write.exec(ctx, text, micros(before), pruneBatch) }
	}
	connections := func(text string) func() (int64, error) {
		return func() (int64, error) { return db.pruneConnections(ctx, text, now, keep.Dead) }
	}
	for _, step := range []struct {
		count *int64
		keep  time.Duration
		batch func() (int64, error)
	}{
		{&done.Flows, keep.Flows, rows(pruneFlows, now.Add(-keep.Flows))},
		{&done.Attempts, 0, rows(pruneAttempts, now)},
		{&done.Sessions, 0, rows(pruneSessions, now)},
		{&done.Connections, keep.Dead, connections(pruneDead)},
		{&done.Connections, keep.Dead, connections(pruneEnded)},
		{&done.Events, keep.Events, rows(pruneEvents, now.Add(-keep.Events))},
		{&done.Runs, keep.Runs, rows(pruneRuns, now.Add(-keep.Runs))},
		{&done.Clients, 0, rows(pruneGrants, now)},
		{&done.Clients, 0, rows(pruneClients, now.Add(-clientRetention))},
		{&done.Leases, 0, rows(pruneLeases, now.Add(-leaseRetention))},
	} {
		for more := step.keep >= 0; more; {
			deleted, err := step.batch()
			if err != nil {
				return done, db.failure("removing what is over", err)
			}
			*step.count += deleted
			more = deleted == pruneBatch
		}
	}
	return done, nil
}

// pruneConnections removes some dead connections, with a line in the audit for each.
func (db *DB) pruneConnections(ctx context.Context, text string, now time.Time, keep time.Duration) (int64, error) {
	var gone []keybearer.Connection
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, text, micros(now.Add(-keep)), pruneBatch)
		if err != nil {
			return err
		}
		gone, err = collect(rows, func(row scanner) (c keybearer.Connection, err error) {
			return c, row.Scan(&c.Project, &c.ID, &c.User, &c.Provider, &c.Name)
		})
		for i := 0; err == nil && i < len(gone); i++ {
			_, err = insertEvent(ctx, tx, keybearer.Event{
				Time: now, Project: gone[i].Project, Actor: "engine", Action: keybearer.ActionDisconnect, User: gone[i].User,
				Provider: gone[i].Provider, Connection: gone[i].ID, Outcome: "ok",
				Reason: fmt.Sprintf("its grant had ended, and the user did not consent again within %d days", int(keep.Hours()/24)),
			})
		}
		return err
	})
	for _, c := range gone {
		db.caches.forgetConnection(c.Ref)
	}
	return int64(len(gone)), err
}
