package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	secretColumns = `project, id, name, folded, description, sealed_value, created_at, updated_at, accessed_at, version`

	secretsOf = `SELECT ` + secretColumns + ` FROM tool_secrets WHERE project = $1 ORDER BY name`

	secretInsert = `INSERT INTO tool_secrets (` + secretColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`

	secretUpdate = `UPDATE tool_secrets SET name = $3, folded = $4, description = $5, sealed_value = $6, created_at = $7,
		updated_at = $8, accessed_at = CASE WHEN accessed_at > $9 THEN accessed_at ELSE $9 END, version = $10
		WHERE project = $1 AND id = $2 AND version = $11 RETURNING accessed_at`

	secretDelete = `DELETE FROM tool_secrets WHERE project = $1 AND id = $2`

	secretTouch = `UPDATE tool_secrets SET accessed_at = $3 WHERE project = $1 AND id = $2 AND accessed_at < $3`
)

func scanSecret(row scanner) (keybearer.ToolSecret, error) {
	var (
		s      keybearer.ToolSecret
		folded string
	)
	err := row.Scan(&s.Project, &s.ID, &s.Key, &folded, &s.Description, blobOf(&s.Value),
		timeColumn{&s.CreatedAt}, timeColumn{&s.UpdatedAt}, timeColumn{&s.AccessedAt}, &s.Version)
	return s, err
}

// ToolSecrets implements [keybearer.ToolSecretStore].
func (db *DB) ToolSecrets(ctx context.Context, project keybearer.ProjectID) ([]keybearer.ToolSecret, error) {
	list, err := all(ctx, db.lists, scanSecret, secretsOf, project)
	// By bytes, whatever the database's collation is.
	slices.SortFunc(list, func(a, b keybearer.ToolSecret) int { return strings.Compare(a.Key, b.Key) })
	return list, db.failure("listing secrets", err)
}

// PutToolSecret implements [keybearer.ToolSecretStore].
func (db *DB) PutToolSecret(ctx context.Context, s keybearer.ToolSecret, ifVersion int64) (keybearer.ToolSecret, error) {
	s.Value, s.Version = copied(s.Value), ifVersion+1
	s.CreatedAt, s.UpdatedAt, s.AccessedAt = storedTime(s.CreatedAt), storedTime(s.UpdatedAt), storedTime(s.AccessedAt)
	values := []any{
		s.Project, s.ID, s.Key, strings.ToLower(s.Key), s.Description, blob(s.Value),
		micros(s.CreatedAt), micros(s.UpdatedAt), micros(s.AccessedAt), s.Version,
	}
	var (
		changed bool
		err     error
	)
	if ifVersion == 0 {
		var inserted int64
		inserted, err = db.write.exec(ctx, db.dialect.telling(secretInsert, rulesChanged, "id"), values...)
		changed = inserted > 0
	} else {
		changed, err = db.write.returning(ctx, secretUpdate, timeColumn{&s.AccessedAt}, append(values, ifVersion)...)
	}
	if err != nil {
		return keybearer.ToolSecret{}, db.failure(fmt.Sprintf("storing the secret %q", s.Key), err)
	}
	if !changed {
		return keybearer.ToolSecret{}, keybearer.Errorf(keybearer.Conflict, "the secret %q was changed by somebody else", s.Key)
	}
	return s, nil
}

// DeleteToolSecret implements [keybearer.ToolSecretStore].
func (db *DB) DeleteToolSecret(ctx context.Context, project keybearer.ProjectID, id string) error {
	deleted, err := db.write.exec(ctx, db.dialect.telling(secretDelete, rulesChanged, "id"), project, id)
	if err != nil {
		return db.failure("deleting a secret", err)
	}
	if deleted == 0 {
		return keybearer.Errorf(keybearer.NotFound, "no secret %q", id)
	}
	return nil
}

// TouchToolSecrets implements [keybearer.ToolSecretStore], in one transaction, always in the same order.
func (db *DB) TouchToolSecrets(ctx context.Context, project keybearer.ProjectID, ids []string, at time.Time) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			if _, err := tx.ExecContext(ctx, secretTouch, project, id, micros(at)); err != nil {
				return err
			}
		}
		return nil
	})
	return db.failure("noting that secrets were used", err)
}
