package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	flowColumns = `project, id, verification_id, user_id, provider, name, state, kind, reason, scopes, asked, asked_hash,
		next_uri, app, sealed_grant, granted, issued_at, expires_at, refreshable, dry_run, created_at, deadline, version`

	flowByID = `SELECT ` + flowColumns + ` FROM flows WHERE project = $1 AND id = $2`

	flowByVerification = `SELECT ` + flowColumns + ` FROM flows
		WHERE project = $1 AND verification_id = $2 AND verification_id <> ''`

	flowPending = `SELECT ` + flowColumns + ` FROM flows
		WHERE project = $1 AND user_id = $2 AND provider = $3 AND name = $4 AND asked_hash = $5 AND state = 'pending'`

	// An overdue flow must not stand in the way of a new one.
	flowExpire = `UPDATE flows SET state = 'expired', version = version + 1
		WHERE project = $1 AND user_id = $2 AND provider = $3 AND name = $4 AND asked_hash = $5 AND state = 'pending'
		AND deadline <= $6`

	flowInsert = `INSERT INTO flows (` + flowColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
		ON CONFLICT DO NOTHING`

	flowNextURI = `UPDATE flows SET next_uri = $6, version = version + 1
		WHERE project = $1 AND user_id = $2 AND provider = $3 AND name = $4 AND asked_hash = $5 AND state = 'pending'
		AND next_uri <> $6`

	flowAdvance = `UPDATE flows SET verification_id = $3, state = $7, kind = $8, reason = $9, scopes = $10, asked = $11,
		asked_hash = $12, next_uri = $13, app = $14, sealed_grant = $15, granted = $16, issued_at = $17, expires_at = $18,
		refreshable = $19, dry_run = $20, created_at = $21, deadline = $22, version = $23
		WHERE project = $1 AND id = $2 AND user_id = $4 AND provider = $5 AND name = $6 AND version = $24`
)

func scanFlow(row scanner) (keybearer.Flow, error) {
	var (
		f         keybearer.Flow
		askedHash []byte
	)
	err := row.Scan(&f.Project, &f.ID, &f.VerificationID, &f.User, &f.Provider, &f.Name, &f.State, &f.Kind, &f.Reason,
		listOf(&f.Scopes), listOf(&f.Asked), blobOf(&askedHash), &f.NextURI, &f.App, blobOf(&f.Grant), listOf(&f.Granted),
		timeColumn{&f.IssuedAt}, timeColumn{&f.ExpiresAt}, &f.Refreshable, &f.DryRun,
		timeColumn{&f.CreatedAt}, timeColumn{&f.Deadline}, &f.Version)
	return f, err
}

func flowValues(f keybearer.Flow) []any {
	return []any{
		f.Project, f.ID, f.VerificationID, f.User, f.Provider, f.Name, f.State, f.Kind, f.Reason,
		list(f.Scopes), list(f.Asked), setHash(f.Asked), f.NextURI, f.App, blob(f.Grant), list(f.Granted),
		micros(f.IssuedAt), micros(f.ExpiresAt), f.Refreshable, f.DryRun,
		micros(f.CreatedAt), micros(f.Deadline), f.Version,
	}
}

// CreateFlow implements [keybearer.FlowStore]. The unique index flows_pending decides between rivals.
func (db *DB) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	f = storedFlow(f)
	f.State, f.Version = keybearer.FlowPending, 1
	var out keybearer.Flow
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		// Where several write at once, the flow that stood in the way may have moved on before it is read.
		for range tries {
			if out, err = db.createFlow(ctx, tx, f, now); !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return keybearer.Errorf(keybearer.Conflict, "authorization %q exists already", f.ID)
	})
	if err != nil {
		return keybearer.Flow{}, db.failure("storing an authorization of "+f.Ref.String(), err)
	}
	return out, nil
}

func (db *DB) createFlow(ctx context.Context, tx *sql.Tx, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	same := []any{f.Project, f.User, f.Provider, f.Name, setHash(f.Asked)}
	if _, err := tx.ExecContext(ctx, flowExpire, append(same, micros(now))...); err != nil {
		return keybearer.Flow{}, err
	}
	inserted, err := affected(tx.ExecContext(ctx, flowInsert, flowValues(f)...))
	if err != nil || inserted == 1 {
		return f, err
	}
	if f.NextURI != "" {
		if _, err := tx.ExecContext(ctx, flowNextURI, append(same, f.NextURI)...); err != nil {
			return keybearer.Flow{}, err
		}
	}
	return scanFlow(tx.QueryRowContext(ctx, flowPending, same...))
}

// Flow implements [keybearer.FlowStore].
func (db *DB) Flow(ctx context.Context, project keybearer.ProjectID, id keybearer.AuthorizationID) (keybearer.Flow, error) {
	f, err := scanFlow(db.points.row(ctx, flowByID, project, id))
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Flow{}, keybearer.Errorf(keybearer.NotFound, "no authorization %q", id)
	}
	if err != nil {
		return keybearer.Flow{}, db.failure(fmt.Sprintf("reading authorization %q", id), err)
	}
	return f, nil
}

// FlowByVerification implements [keybearer.FlowStore]. Its errors do not repeat the id, which proves
// a consent.
func (db *DB) FlowByVerification(ctx context.Context, project keybearer.ProjectID, id keybearer.FlowID) (keybearer.Flow, error) {
	f, err := scanFlow(db.points.row(ctx, flowByVerification, project, id))
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Flow{}, keybearer.Errorf(keybearer.NotFound, "no flow with this id")
	}
	if err != nil {
		return keybearer.Flow{}, db.failure("reading a flow", err)
	}
	return f, nil
}

// AdvanceFlow implements [keybearer.FlowStore], and tells other engines which flow moved.
func (db *DB) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	ifVersion := f.Version
	f = storedFlow(f)
	f.Version++
	changed, err := db.write.exec(ctx, db.dialect.telling(flowAdvance, flowsMoved, "id"), append(flowValues(f), ifVersion)...)
	if err != nil {
		return keybearer.Flow{}, db.failure(fmt.Sprintf("storing authorization %q", f.ID), err)
	}
	if changed == 0 {
		return keybearer.Flow{}, keybearer.Errorf(keybearer.Conflict, "authorization %q was changed by somebody else", f.ID)
	}
	return f, nil
}

// storedFlow is what a later read will give back.
func storedFlow(f keybearer.Flow) keybearer.Flow {
	f.Scopes, f.Asked, f.Granted = copied(f.Scopes), copied(f.Asked), copied(f.Granted)
	f.Grant = copied(f.Grant)
	f.IssuedAt, f.ExpiresAt = storedTime(f.IssuedAt), storedTime(f.ExpiresAt)
	f.CreatedAt, f.Deadline = storedTime(f.CreatedAt), storedTime(f.Deadline)
	return f
}
