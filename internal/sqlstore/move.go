package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/keybearer/keybearer"
)

const eventThere = `SELECT count(*) FROM events WHERE id = $1`

// OpenToMove opens a database exclusively, as [Open] does, for [DB.Move] or [DB.TakeBack]: it may
// have been moved before.
func OpenToMove(ctx context.Context, cfg Config) (*DB, error) {
	cfg.Exclusive, cfg.ReadOnly = true, false
	db := newDB(cfg)
	err := isDatabase(cfg.Path)
	if err == nil {
		err = db.openToWrite(ctx, cfg)
	}
	if err == nil {
		err = db.noBackup(ctx)
	}
	if err != nil {
		return nil, errors.Join(db.failure("opening the database "+cfg.Path, err), db.Close())
	}
	return db, nil
}

func (db *DB) noBackup(ctx context.Context) error {
	m, err := readMark(ctx, db.lists)
	if err == nil && m != nil && m.State == markBackup {
		return m.refusal(db.name)
	}
	return err
}

// Move carries everything but leases from a database that [OpenToMove] gave into another, and marks
// the first, so that no engine runs on it any more. It says what it carried.
//
// The other is committed as a whole, with event in its audit. If the process dies before that, both are
// as before. The mark is made in two steps around that commit, so that never two engines can run, one
// on each; whenever the process dies, calling Move again brings it to its end. A database that was moved
// before, and one to move to that is not empty, are Conflicts.
func (db *DB) Move(ctx context.Context, source *DB, to string, event keybearer.Event) (Contents, error) {
	m, err := readMark(ctx, source.lists)
	if err == nil && m != nil {
		m, err = db.brokenOff(ctx, m, source)
	}
	if err == nil && m == nil {
		m = &mark{State: markMoving, At: event.Time, To: to}
		err = db.fill(ctx, source, true, func(tx *sql.Tx, contents Contents) (err error) {
			m.Contents = contents
			if m.Line, err = insertEvent(ctx, tx, event); err != nil {
				return err
			}
			return m.put(ctx, source.write)
		})
	}
	if err != nil {
		return nil, db.failure("moving "+source.name, err)
	}
	m.State = markMoved
	return m.Contents, source.failure("marking "+source.name+" as moved", m.put(ctx, source.write))
}

// brokenOff tells whether a former move had come to its commit: then its mark is given. Otherwise the
// copying is to be done again.
func (db *DB) brokenOff(ctx context.Context, m *mark, source *DB) (*mark, error) {
	if m.State != markMoving {
		return nil, m.refusal(source.name)
	}
	var lines int
	err := db.lists.QueryRowContext(ctx, eventThere, m.Line).Scan(&lines)
	if err != nil || lines == 0 {
		return nil, err
	}
	return m, nil
}

// TakeBack makes a database that was moved one that engines run on, as it was then, and says how many
// of its connections hold a refresh token that may have been spent since; see [DB.Restore]. One that
// was not moved is BadRequest.
func (db *DB) TakeBack(ctx context.Context, event keybearer.Event) (doubtful int64, err error) {
	m, err := readMark(ctx, db.lists)
	if err == nil && m == nil {
		err = keybearer.Errorf(keybearer.BadRequest, "the database %s was not moved: there is nothing to undo", db.name)
	}
	if err == nil {
		err = db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
			if doubtful, err = affected(tx.ExecContext(ctx, connectionsDoubt, micros(m.At))); err != nil {
				return err
			}
			if _, err := insertEvent(ctx, tx, event); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, markDelete)
			return err
		})
	}
	return doubtful, db.failure("taking "+db.name+" back", err)
}
