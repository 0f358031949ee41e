package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/keybearer/keybearer"
)

const (
	sessionByHash = `SELECT hash, project, user_id, expires_at FROM sessions WHERE hash = $1`

	sessionPut = `INSERT INTO sessions (hash, project, user_id, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (hash) DO UPDATE SET project = excluded.project, user_id = excluded.user_id, expires_at = excluded.expires_at`

	sessionDelete = `DELETE FROM sessions WHERE hash = $1`
)

// PutSession implements [keybearer.SessionStore].
func (db *DB) PutSession(ctx context.Context, s keybearer.Session) error {
	_, err := db.write.exec(ctx, sessionPut, s.Hash, s.Project, s.User, micros(s.Expires))
	return db.failure("storing a session", err)
}

// Session implements [keybearer.SessionStore]. Sessions that are over are returned until [DB.Prune]
// removes them.
func (db *DB) Session(ctx context.Context, hash []byte) (keybearer.Session, error) {
	var s keybearer.Session
	err := db.points.row(ctx, sessionByHash, hash).Scan(blobOf(&s.Hash), &s.Project, &s.User, timeColumn{&s.Expires})
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Session{}, keybearer.Errorf(keybearer.NotFound, "no such session")
	}
	if err != nil {
		return keybearer.Session{}, db.failure("reading a session", err)
	}
	return s, nil
}

// DeleteSession implements [keybearer.SessionStore].
func (db *DB) DeleteSession(ctx context.Context, hash []byte) error {
	deleted, err := db.write.exec(ctx, sessionDelete, hash)
	if err != nil {
		return db.failure("deleting a session", err)
	}
	if deleted == 0 {
		return keybearer.Errorf(keybearer.NotFound, "no such session")
	}
	return nil
}
