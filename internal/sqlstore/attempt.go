package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/keybearer/keybearer"
)

const (
	attemptColumns = `state_hash, project, flow, provider, browser_hash, sealed_verifier, redirect_uri, created_at, deadline`

	attemptInsert = `INSERT INTO attempts (` + attemptColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`

	// The new one and the 19 latest others stay.
	attemptBound = `DELETE FROM attempts WHERE project = $1 AND flow = $2 AND state_hash <> $3 AND state_hash NOT IN (
		SELECT state_hash FROM attempts WHERE project = $1 AND flow = $2 AND state_hash <> $3
		ORDER BY created_at DESC, state_hash LIMIT 19)`

	attemptTake = `DELETE FROM attempts WHERE state_hash = $1 RETURNING ` + attemptColumns
)

func scanAttempt(row scanner) (keybearer.Attempt, error) {
	var a keybearer.Attempt
	err := row.Scan(blobOf(&a.StateHash), &a.Project, &a.Flow, &a.Provider, blobOf(&a.BrowserHash), blobOf(&a.Verifier),
		&a.RedirectURI, timeColumn{&a.CreatedAt}, timeColumn{&a.Deadline})
	return a, err
}

// PutAttempt implements [keybearer.AttemptStore].
func (db *DB) PutAttempt(ctx context.Context, a keybearer.Attempt) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := db.dialect.alone(ctx, tx, "attempts of "+string(a.Flow)); err != nil { // so that it counts them all
			return err
		}
		inserted, err := affected(tx.ExecContext(ctx, attemptInsert, a.StateHash, a.Project, a.Flow, a.Provider,
			blob(a.BrowserHash), blob(a.Verifier), a.RedirectURI, micros(a.CreatedAt), micros(a.Deadline)))
		if err != nil {
			return err
		}
		if inserted == 0 {
			return keybearer.Errorf(keybearer.Conflict, "this state exists already")
		}
		_, err = tx.ExecContext(ctx, attemptBound, a.Project, a.Flow, a.StateHash)
		return err
	})
	return db.failure("storing an attempt", err)
}

// TakeAttempt implements [keybearer.AttemptStore]. The transaction is there for its commit: the row
// is handed out only when its deletion is on the disk.
func (db *DB) TakeAttempt(ctx context.Context, stateHash []byte) (keybearer.Attempt, error) {
	var a keybearer.Attempt
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		a, err = scanAttempt(tx.QueryRowContext(ctx, attemptTake, stateHash))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Attempt{}, keybearer.Errorf(keybearer.NotFound, "no attempt with this state")
	}
	if err != nil {
		return keybearer.Attempt{}, db.failure("taking an attempt", err)
	}
	return a, nil
}
