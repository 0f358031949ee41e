package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

const (
	dataKeys = `SELECT number, sealed_key, created_at FROM data_keys ORDER BY number`

	dataKeyInsert = `INSERT INTO data_keys (number, sealed_key, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

	dataKeyRewrap = `UPDATE data_keys SET sealed_key = $3 WHERE number = $1 AND sealed_key = $2`

	dataKeyPut = `INSERT INTO data_keys (number, sealed_key, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (number) DO UPDATE SET sealed_key = excluded.sealed_key`

	// The highest stays, whatever is asked: its number must not come again.
	dataKeyDelete = `DELETE FROM data_keys WHERE number = $1 AND number < (SELECT max(number) FROM data_keys)`

	// The head of a sealed value, with the id of its key, is at most its first 66 bytes.
	grantKeys = `SELECT id, substr(sealed_grant, 1, 66) FROM connections
		WHERE project = $1 AND id > $2 AND sealed_grant IS NOT NULL ORDER BY id LIMIT $3`

	grantReplace = `UPDATE connections SET sealed_grant = $4, version = version + 1 WHERE project = $1 AND id = $2 AND version = $3`

	waitingUnder = `SELECT (SELECT count(*) FROM flows WHERE substr(sealed_grant, 1, $1) = $2)
		+ (SELECT count(*) FROM attempts WHERE substr(sealed_verifier, 1, $1) = $2)`
)

// DataKeys lists the data keys by number, the default last.
func (db *DB) DataKeys(ctx context.Context) ([]seal.DataKey, error) {
	keys, err := all(ctx, db.lists, scanDataKey, dataKeys)
	return keys, db.failure("reading the data keys", err)
}

func scanDataKey(row scanner) (seal.DataKey, error) {
	var k seal.DataKey
	err := row.Scan(&k.Number, blobOf(&k.Sealed), timeColumn{&k.CreatedAt})
	return k, err
}

// CreateDataKey stores a data key, and reports whether it did: of two that have the same number the
// first one stays.
func (db *DB) CreateDataKey(ctx context.Context, k seal.DataKey) (bool, error) {
	created, err := db.write.exec(ctx, dataKeyInsert, k.Number, blob(k.Sealed), micros(k.CreatedAt))
	return created > 0, db.failure(fmt.Sprintf("storing data key %d", k.Number), err)
}

// RewrapDataKey stores a data key as sealed with another root key, unless somebody has done so since it
// was read as from.
func (db *DB) RewrapDataKey(ctx context.Context, number int64, from, to seal.Value) error {
	_, err := db.write.exec(ctx, dataKeyRewrap, number, blob(from), blob(to))
	return db.failure(fmt.Sprintf("sealing data key %d with another root key", number), err)
}

// ReplaceDataKeys stores, all at once, data keys in place of those that were read: the same ones as sealed with
// another root key, and new ones. If the stored ones are others than those that were read, nothing is done:
// Conflict.
func (db *DB) ReplaceDataKeys(ctx context.Context, read, replaced []seal.DataKey) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, dataKeys)
		if err != nil {
			return err
		}
		stored, err := collect(rows, scanDataKey)
		if err != nil {
			return err
		}
		same := func(a, b seal.DataKey) bool { return a.Number == b.Number && bytes.Equal(a.Sealed, b.Sealed) }
		if !slices.EqualFunc(stored, read, same) {
			return keybearer.Errorf(keybearer.Conflict, "somebody else has changed the data keys meanwhile")
		}
		for _, k := range replaced {
			if _, err := tx.ExecContext(ctx, dataKeyPut, k.Number, blob(k.Sealed), micros(k.CreatedAt)); err != nil {
				return err
			}
		}
		return nil
	})
	return db.failure("sealing the data keys with another root key", err)
}

// DeleteDataKey forgets a data key. What is sealed with it can never be opened again. The default is
// not deleted.
func (db *DB) DeleteDataKey(ctx context.Context, number int64) error {
	_, err := db.write.exec(ctx, dataKeyDelete, number)
	return db.failure(fmt.Sprintf("removing data key %d", number), err)
}

// GrantKeys implements [keybearer.ResealStore].
func (db *DB) GrantKeys(ctx context.Context, project keybearer.ProjectID, after keybearer.ConnectionID, limit int) ([]keybearer.GrantKey, error) {
	keys, err := all(ctx, db.lists, func(row scanner) (keybearer.GrantKey, error) {
		var (
			k    keybearer.GrantKey
			head seal.Value
		)
		if err := row.Scan(&k.Connection, blobOf(&head)); err != nil {
			return k, err
		}
		k.Key, _ = head.KeyID() // one that cannot be read is "", as ResealStore has it
		return k, nil
	}, grantKeys, project, after, limit)
	return keys, db.failure("reading with which keys grants are sealed", err)
}

// ReplaceGrants implements [keybearer.ResealStore], in one transaction.
func (db *DB) ReplaceGrants(ctx context.Context, connections []keybearer.Connection) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		replace, err := tx.PrepareContext(ctx, grantReplace)
		if err != nil {
			return err
		}
		defer replace.Close()
		for _, c := range connections {
			if _, err := replace.ExecContext(ctx, c.Project, c.ID, c.Version, blob(c.Grant)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range connections {
		db.caches.forgetConnection(c.Ref)
	}
	return db.failure("storing grants that were sealed anew", err)
}

// WaitingUnder counts what flows and attempts hold that is sealed with the key of that id. All of it is
// gone when they are.
func (db *DB) WaitingUnder(ctx context.Context, key string) (int, error) {
	head := seal.Head(key)
	counts, err := all(ctx, db.lists, func(row scanner) (count int, err error) {
		err = row.Scan(&count)
		return count, err
	}, waitingUnder, len(head), head)
	if err != nil {
		return 0, db.failure("counting what is sealed with the key "+key, err)
	}
	return counts[0], nil
}
