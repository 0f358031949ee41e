package sqlstore

import (
	"context"
	"database/sql"
	"iter"

	"github.com/keybearer/keybearer"
)

// importBatch is how many rows one transaction of an import writes.
const importBatch = 1000

// ImportConnections stores many connections as they are, with their versions, at far less cost for
// each than PutConnection. It is for moving a store, and for filling one to measure it. A row whose
// ref or id is there already ends the import with a Conflict; what was written before it, in batches
// of 1000, stays, and is counted.
func (db *DB) ImportConnections(ctx context.Context, rows iter.Seq[keybearer.Connection]) (int, error) {
	next, stop := iter.Pull(rows)
	defer stop()
	written := 0
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return written, err
		}
		batch := make([]keybearer.Connection, 0, importBatch) // a transaction may be run again, what next gives may not
		for len(batch) < importBatch && more {
			c, ok := next()
			if more = ok; ok {
				batch = append(batch, c)
			}
		}
		err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
			insert, err := tx.PrepareContext(ctx, connectionInsert)
			if err != nil {
				return err
			}
			defer insert.Close()
			for _, c := range batch {
				inserted, err := affected(insert.ExecContext(ctx, connectionValues(c)...))
				if err != nil {
					return err
				}
				if inserted == 0 {
					return keybearer.Errorf(keybearer.Conflict, "the connection of %s exists already", c.Ref)
				}
			}
			return nil
		})
		if err != nil {
			return written, db.failure("importing connections", err)
		}
		written += len(batch)
	}
	return written, nil
}
