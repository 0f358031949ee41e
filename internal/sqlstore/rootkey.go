package sqlstore

import (
	"context"
	"fmt"
)

const (
	rootKeys = `SELECT id, sealed_check FROM root_keys`

	rootKeyDelete = `DELETE FROM root_keys WHERE id = $1`
)

// KeyChecks gives, for each root key that sealed values directly, as all did before there were data
// keys, a known text that was sealed with it. A root key that does not open its own check is the wrong
// one.
func (db *DB) KeyChecks(ctx context.Context) (map[string][]byte, error) {
	type check struct {
		id     string
		sealed []byte
	}
	checks, err := all(ctx, db.lists, func(row scanner) (check, error) {
		var c check
		err := row.Scan(&c.id, blobOf(&c.sealed))
		return c, err
	}, rootKeys)
	if err != nil {
		return nil, db.failure("reading the checks of the root keys", err)
	}
	out := make(map[string][]byte, len(checks))
	for _, c := range checks {
		out[c.id] = c.sealed
	}
	return out, nil
}

// DeleteKeyCheck forgets a root key that seals no value directly any more.
func (db *DB) DeleteKeyCheck(ctx context.Context, id string) error {
	_, err := db.write.exec(ctx, rootKeyDelete, id)
	return db.failure(fmt.Sprintf("forgetting root key %q", id), err)
}
