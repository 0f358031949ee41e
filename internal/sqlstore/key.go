package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
)

const (
	keyColumns = `project, id, name, hash, hint, scope, providers, users, created_at, revoked_at`

	keyByHash = `SELECT ` + keyColumns + ` FROM api_keys WHERE hash = $1`

	keysOf = `SELECT ` + keyColumns + ` FROM api_keys WHERE project = $1 ORDER BY created_at, id`

	keyPut = `INSERT INTO api_keys (` + keyColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (project, id) DO UPDATE SET name = excluded.name, hash = excluded.hash, hint = excluded.hint,
		scope = excluded.scope, providers = excluded.providers, users = excluded.users,
		created_at = excluded.created_at, revoked_at = excluded.revoked_at`
)

func scanKey(row scanner) (keybearer.Key, error) {
	var k keybearer.Key
	err := row.Scan(&k.Project, &k.ID, &k.Name, blobOf(&k.Hash), &k.Hint, &k.Scope, listOf(&k.Providers), &k.Users,
		timeColumn{&k.CreatedAt}, timeColumn{&k.RevokedAt})
	return k, err
}

// KeyByHash implements [keybearer.KeyStore].
func (db *DB) KeyByHash(ctx context.Context, hash []byte) (keybearer.Key, error) {
	k, err := scanKey(db.points.row(ctx, keyByHash, hash))
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Key{}, keybearer.Errorf(keybearer.NotFound, "no such API key")
	}
	if err != nil {
		return keybearer.Key{}, db.failure("looking for an API key", err)
	}
	return k, nil
}

// PutKey implements [keybearer.KeyStore]. A text that another key has is a Conflict.
func (db *DB) PutKey(ctx context.Context, k keybearer.Key) error {
	_, err := db.write.exec(ctx, db.dialect.telling(keyPut, rulesChanged, "id"), k.Project, k.ID, k.Name, k.Hash, k.Hint, k.Scope, list(k.Providers), k.Users,
		micros(k.CreatedAt), micros(k.RevokedAt))
	return db.failure(fmt.Sprintf("storing API key %q", k.ID), err)
}

// Keys implements [keybearer.KeyStore], ordered by CreatedAt then ID.
func (db *DB) Keys(ctx context.Context, project keybearer.ProjectID) ([]keybearer.Key, error) {
	keys, err := all(ctx, db.lists, scanKey, keysOf, project)
	return keys, db.failure("listing API keys", err)
}
