package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/keybearer/keybearer"
)

const (
	connectionColumns = `project, id, user_id, provider, name, state, reason, scopes, sealed_grant,
		issued_at, expires_at, refreshable, rotation_token, rotation_attempt, rotation_holder, rotation_at,
		family, due_at, created_at, updated_at, version, used_at, kind`

	connectionByRef = `SELECT ` + connectionColumns + ` FROM connections
		WHERE project = $1 AND user_id = $2 AND provider = $3 AND name = $4`

	connectionByID = `SELECT ` + connectionColumns + ` FROM connections WHERE project = $1 AND id = $2`

	connectionInsert = `INSERT INTO connections (` + connectionColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
		ON CONFLICT DO NOTHING`

	// The id is compared, too: a connection that was deleted and made anew has version 1 again.
	connectionUpdate = `UPDATE connections SET state = $6, reason = $7, scopes = $8, sealed_grant = $9,
		issued_at = $10, expires_at = $11, refreshable = $12, rotation_token = $13, rotation_attempt = $14,
		rotation_holder = $15, rotation_at = $16, family = $17, due_at = $18, created_at = $19, updated_at = $20,
		version = $21, used_at = CASE WHEN used_at > $22 THEN used_at ELSE $22 END, kind = $23
		WHERE project = $1 AND id = $2 AND user_id = $3 AND provider = $4 AND name = $5 AND version = $24
		RETURNING used_at`

	connectionDelete = `DELETE FROM connections WHERE project = $1 AND id = $2 AND version = $3`
)

func scanConnection(row scanner) (keybearer.Connection, error) {
	var c keybearer.Connection
	err := row.Scan(&c.Project, &c.ID, &c.User, &c.Provider, &c.Name, &c.State, &c.Reason,
		listOf(&c.Scopes), blobOf(&c.Grant), timeColumn{&c.IssuedAt}, timeColumn{&c.ExpiresAt}, &c.Refreshable,
		blobOf(&c.Rotation.Token), &c.Rotation.Attempt, &c.Rotation.Holder, timeColumn{&c.Rotation.At},
		&c.Family, timeColumn{&c.DueAt}, timeColumn{&c.CreatedAt}, timeColumn{&c.UpdatedAt}, &c.Version, timeColumn{&c.UsedAt}, &c.Kind)
	return c, err
}

func connectionValues(c keybearer.Connection) []any {
	return []any{
		c.Project, c.ID, c.User, c.Provider, c.Name, c.State, c.Reason,
		list(c.Scopes), blob(c.Grant), micros(c.IssuedAt), micros(c.ExpiresAt), c.Refreshable,
		blob(c.Rotation.Token), c.Rotation.Attempt, c.Rotation.Holder, micros(c.Rotation.At),
		c.Family, micros(c.DueAt), micros(c.CreatedAt), micros(c.UpdatedAt), c.Version, micros(c.UsedAt), c.Kind,
	}
}

// Connection implements [keybearer.ConnectionStore].
func (db *DB) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	c, err := db.caches.connection(ref, func() (keybearer.Connection, error) {
		return scanConnection(db.points.row(ctx, connectionByRef, ref.Project, ref.User, ref.Provider, ref.Name))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Connection{}, keybearer.Errorf(keybearer.NotFound, "no connection of %s", ref)
	}
	if err != nil {
		return keybearer.Connection{}, db.failure("reading the connection of "+ref.String(), err)
	}
	return c, nil
}

// ConnectionByID implements [keybearer.ConnectionStore].
func (db *DB) ConnectionByID(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID) (keybearer.Connection, error) {
	c, err := db.caches.connectionByID(project, id, func() (keybearer.Connection, error) {
		return scanConnection(db.points.row(ctx, connectionByID, project, id))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Connection{}, keybearer.Errorf(keybearer.NotFound, "no connection %q", id)
	}
	if err != nil {
		return keybearer.Connection{}, db.failure(fmt.Sprintf("reading connection %q", id), err)
	}
	return c, nil
}

// PutConnection implements [keybearer.ConnectionStore].
func (db *DB) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	defer db.caches.forgetConnection(c.Ref)
	c = storedConnection(c)
	c.Version = ifVersion + 1
	var (
		changed bool
		err     error
	)
	if ifVersion == 0 {
		var inserted int64
		inserted, err = db.write.exec(ctx, connectionInsert, connectionValues(c)...)
		changed = inserted > 0
	} else {
		changed, err = db.write.returning(ctx, connectionUpdate, timeColumn{&c.UsedAt}, append(connectionValues(c), ifVersion)...)
	}
	if err != nil {
		return keybearer.Connection{}, db.failure("storing the connection of "+c.Ref.String(), err)
	}
	if !changed {
		if ifVersion == 0 {
			return keybearer.Connection{}, keybearer.Errorf(keybearer.Conflict, "the connection of %s exists already", c.Ref)
		}
		return keybearer.Connection{}, keybearer.Errorf(keybearer.Conflict, "the connection of %s was changed by somebody else", c.Ref)
	}
	return c, nil
}

// Connections implements [keybearer.ConnectionStore]. Counting all that match costs a walk over an index.
func (db *DB) Connections(ctx context.Context, filter keybearer.ConnectionFilter) ([]keybearer.Connection, int, error) {
	where, args := connectionWhere(filter)
	var total int
	err := db.lists.QueryRowContext(ctx, "SELECT count(*) FROM connections"+where, args...).Scan(&total)
	if err != nil {
		return nil, 0, db.failure("counting connections", err)
	}
	limit, offset := filter.Page()
	if offset >= total {
		return nil, total, nil
	}
	page, err := all(ctx, db.lists, scanConnection, fmt.Sprintf("SELECT %s FROM connections%s ORDER BY created_at, id LIMIT %d OFFSET %d",
		connectionColumns, where, limit, offset), args...)
	if err != nil {
		return nil, 0, db.failure("listing connections", err)
	}
	return page, total, nil
}

func connectionWhere(filter keybearer.ConnectionFilter) (string, []any) {
	var w where
	compare(&w, "project", "=", filter.Project)
	compare(&w, "user_id", "=", filter.User)
	compare(&w, "provider", "=", filter.Provider)
	if len(filter.Providers) > 0 {
		places := make([]string, len(filter.Providers))
		for i, p := range filter.Providers {
			places[i] = w.arg(p)
		}
		w.terms = append(w.terms, "provider IN ("+strings.Join(places, ", ")+")")
	}
	return w.sql()
}

// DeleteConnection implements [keybearer.ConnectionStore].
func (db *DB) DeleteConnection(ctx context.Context, project keybearer.ProjectID, id keybearer.ConnectionID, ifVersion int64) error {
	old, err := db.ConnectionByID(ctx, project, id)
	if err != nil {
		return err
	}
	defer db.caches.forgetConnection(old.Ref)
	deleted, err := db.write.exec(ctx, connectionDelete, project, id, ifVersion)
	if err != nil {
		return db.failure(fmt.Sprintf("deleting connection %q", id), err)
	}
	if deleted == 0 {
		return keybearer.Errorf(keybearer.Conflict, "connection %q was changed by somebody else", id)
	}
	return nil
}

// storedConnection is what a later read will give back.
func storedConnection(c keybearer.Connection) keybearer.Connection {
	c.Scopes, c.Grant = copied(c.Scopes), copied(c.Grant)
	c.IssuedAt, c.ExpiresAt = storedTime(c.IssuedAt), storedTime(c.ExpiresAt)
	c.CreatedAt, c.UpdatedAt = storedTime(c.CreatedAt), storedTime(c.UpdatedAt)
	c.Rotation.Token, c.Rotation.At = copied(c.Rotation.Token), storedTime(c.Rotation.At)
	c.DueAt, c.UsedAt = storedTime(c.DueAt), storedTime(c.UsedAt)
	return c
}
