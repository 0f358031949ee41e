package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// A refresh token from a backup may have been spent since. What else the journal says of the row is
	// of another time.
	connectionsDoubt = `UPDATE connections SET rotation_at = $1, rotation_token = NULL, rotation_attempt = 0, rotation_holder = 0,
		due_at = CASE WHEN due_at = 0 THEN 1 ELSE due_at END, version = version + 1
		WHERE state = 'active' AND refreshable`

	// Whoever was about to consent has done so since, or given up.
	flowsEnd = `UPDATE flows SET state = 'expired', verification_id = '', sealed_grant = NULL, version = version + 1
		WHERE state IN ('pending', 'exchanging', 'verifying')`

	// What came due before the restore may have run since the backup, and would run a second time.
	runsEnd = `UPDATE scheduled_runs SET state = 'failed', due_at = 0, finished_at = $1, updated_at = $1, attempts = $2, version = version + 1
		WHERE state = 'running' OR state = 'scheduled' AND run_at <= $1`
)

// Restored says what a Restore has done.
type Restored struct {
	Contents Contents
	// Doubtful is how many connections hold a refresh token that may have been spent since the backup.
	Doubtful int64
}

// Restore fills an empty database from a backup, all or nothing, in one transaction. Active connections
// get an open entry of the journal of rotations, from the time of the backup: the Broker then presents
// their refresh tokens with care, and once. Authorizations that were in progress are over, and scheduled runs that
// came due meanwhile are not run.
//
// Event is written into the audit with it. A database that is not empty is a Conflict.
func (db *DB) Restore(ctx context.Context, backup *DB, m Manifest, event keybearer.Event) (Restored, error) {
	var done Restored
	err := db.fill(ctx, backup, false, func(tx *sql.Tx, contents Contents) (err error) {
		done.Contents = contents
		if done.Doubtful, err = affected(tx.ExecContext(ctx, connectionsDoubt, micros(m.At))); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, flowsEnd); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, runsEnd, micros(event.Time), object(restoredAttempts(event.Time))); err != nil {
			return err
		}
		_, err = insertEvent(ctx, tx, event)
		return err
	})
	if err != nil {
		return Restored{}, db.failure("restoring into "+db.name, err)
	}
	return done, nil
}

// restoredAttempts are those of a run of which is not known whether it has run since the backup.
func restoredAttempts(now time.Time) []keybearer.RunAttempt {
	return []keybearer.RunAttempt{{ID: "restore", StartedAt: now, FinishedAt: now, Problem: "the engine was restored from a backup; " +
		"the tool may have run since that was made, and is not run a second time: schedule it again if it has not"}}
}

// fill copies everything into an empty database and reads it back, in one transaction. Before it is
// committed, last may add to it.
func (db *DB) fill(ctx context.Context, source *DB, passing bool, last func(tx *sql.Tx, contents Contents) error) error {
	from, err := source.snapshot(ctx)
	if err != nil {
		return source.failure("reading "+source.name, err)
	}
	defer func() { _ = from.Rollback() }()
	to, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = to.Rollback() }()
	if err := db.lockTables(ctx, to); err != nil {
		return err
	}
	if err := empty(ctx, to); err != nil {
		return err
	}
	contents, err := copyTables(ctx, from, to, db.dialect, passing)
	if err != nil {
		return err
	}
	there, err := contentsOf(ctx, to, passing)
	if err != nil {
		return err
	}
	if err := differences(contents, there); err != nil {
		return keybearer.Errorf(keybearer.Internal, "what was written reads otherwise; nothing was changed: %w", err)
	}
	if err := last(to, contents); err != nil {
		return err
	}
	return to.Commit()
}

// lockTables keeps an engine out that is started in the middle.
func (db *DB) lockTables(ctx context.Context, tx *sql.Tx) error {
	if db.dialect.lockTables == "" {
		return nil
	}
	var names []string
	for _, t := range copiedTables() {
		names = append(names, t.name)
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(db.dialect.lockTables, strings.Join(names, ", ")))
	return err
}

// empty wants no rows in the tables that a copy fills.
func empty(ctx context.Context, tx *sql.Tx) error {
	var found []string
	for _, t := range copiedTables() {
		var rows int64
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			found = append(found, fmt.Sprintf("%s: %d", t.name, rows))
		}
	}
	if len(found) > 0 {
		return keybearer.Errorf(keybearer.Conflict, "the database is not empty (rows in %s); nothing was changed. "+
			"Name a new one: what an engine has begun cannot be mixed with what another one had", strings.Join(found, ", "))
	}
	return nil
}
