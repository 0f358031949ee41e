package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// Of rivals on PostgreSQL the later one passes over the rows that others are writing just now, and
	// finds by the outer condition that what it has seen before is no longer due. The rows are chosen
	// once: a plan that runs the choice anew for each row would claim more than the limit.
	connectionsClaim = `WITH due AS MATERIALIZED (
			SELECT project, id FROM connections WHERE project = $1 AND provider = $2 AND due_at > 0 AND due_at <= $3
			ORDER BY due_at LIMIT $5%s)
		UPDATE connections SET due_at = $4 WHERE (project, id) IN (SELECT project, id FROM due)
		AND due_at > 0 AND due_at <= $3 RETURNING ` + connectionColumns

	connectionPostpone = `UPDATE connections SET due_at = $4 WHERE project = $1 AND id = $2 AND version = $3`

	connectionTouch = `UPDATE connections SET used_at = $5
		WHERE project = $1 AND user_id = $2 AND provider = $3 AND name = $4 AND used_at < $5`
)

// ClaimDue implements [keybearer.UpkeepStore]. Its cost is that of the rows that it gives.
func (db *DB) ClaimDue(ctx context.Context, project keybearer.ProjectID, provider keybearer.ProviderID, now, until time.Time, limit int) ([]keybearer.Connection, error) {
	if limit < 1 { // which SQLite takes for no limit
		return nil, nil
	}
	var due []keybearer.Connection
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, fmt.Sprintf(connectionsClaim, db.dialect.passOver), project, provider, micros(now), micros(until), limit)
		if err != nil {
			return err
		}
		due, err = collect(rows, scanConnection)
		return err
	})
	if err != nil {
		return nil, db.failure("claiming connections that are due", err)
	}
	for _, c := range due {
		db.caches.forgetConnection(c.Ref)
	}
	return due, nil
}

// Postpone implements [keybearer.UpkeepStore], in one transaction, whose order is that of the ids.
func (db *DB) Postpone(ctx context.Context, planned []keybearer.Connection) error {
	byID := slices.SortedFunc(slices.Values(planned), func(a, b keybearer.Connection) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.ID, b.ID))
	})
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		postpone, err := tx.PrepareContext(ctx, connectionPostpone)
		if err != nil {
			return err
		}
		defer postpone.Close()
		for _, c := range byID {
			if _, err := postpone.ExecContext(ctx, c.Project, c.ID, c.Version, micros(c.DueAt)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range planned {
		db.caches.forgetConnection(c.Ref)
	}
	return db.failure("planning connections", err)
}

// Touch implements [keybearer.UpkeepStore], in one transaction. Its order is always the same: on
// PostgreSQL rivals would otherwise wait for one another's rows.
func (db *DB) Touch(ctx context.Context, used map[keybearer.Ref]time.Time) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		touch, err := tx.PrepareContext(ctx, connectionTouch)
		if err != nil {
			return err
		}
		defer touch.Close()
		for _, ref := range slices.SortedFunc(maps.Keys(used), compareRefs) {
			if _, err := touch.ExecContext(ctx, ref.Project, ref.User, ref.Provider, ref.Name, micros(used[ref])); err != nil {
				return err
			}
		}
		return nil
	})
	for ref := range used {
		db.caches.forgetConnection(ref)
	}
	return db.failure("noting which connections were used", err)
}

func compareRefs(a, b keybearer.Ref) int {
	return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.User, b.User), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Name, b.Name))
}
