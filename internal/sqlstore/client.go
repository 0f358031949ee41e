package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/keybearer/keybearer"
)

const (
	clientByID = `SELECT project, id, name, redirect_uris, created_at FROM registered_clients WHERE project = $1 AND id = $2`

	clientInsert = `INSERT INTO registered_clients (project, id, name, redirect_uris, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`

	clientGrantColumns = `project, id, client, user_id, resource, redirect_uri, challenge, code_hash, code_expires, access_hash,
		access_expires, refresh_hash, previous_hash, rotated_at, created_at, expires_at, version`

	clientGrantByID = `SELECT ` + clientGrantColumns + ` FROM client_grants WHERE project = $1 AND id = $2`

	clientGrantInsert = `INSERT INTO client_grants (` + clientGrantColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`

	clientGrantUpdate = `UPDATE client_grants SET client = $3, user_id = $4, resource = $5, redirect_uri = $6, challenge = $7, code_hash = $8,
		code_expires = $9, access_hash = $10, access_expires = $11, refresh_hash = $12, previous_hash = $13, rotated_at = $14, created_at = $15,
		expires_at = $16, version = $17 WHERE project = $1 AND id = $2 AND version = $18`

	clientGrantDelete = `DELETE FROM client_grants WHERE project = $1 AND id = $2`
)

// RegisteredClient implements [keybearer.RegisteredClientStore].
func (db *DB) RegisteredClient(ctx context.Context, project keybearer.ProjectID, id string) (keybearer.RegisteredClient, error) {
	var c keybearer.RegisteredClient
	err := db.points.row(ctx, clientByID, project, id).Scan(&c.Project, &c.ID, &c.Name, listOf(&c.RedirectURIs), timeColumn{&c.CreatedAt})
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.RegisteredClient{}, keybearer.Errorf(keybearer.NotFound, "no client %q", id)
	}
	return c, db.failure("reading a client", err)
}

// PutRegisteredClient implements [keybearer.RegisteredClientStore].
func (db *DB) PutRegisteredClient(ctx context.Context, c keybearer.RegisteredClient) error {
	inserted, err := db.write.exec(ctx, clientInsert, c.Project, c.ID, c.Name, list(c.RedirectURIs), micros(c.CreatedAt))
	if err == nil && inserted == 0 {
		return keybearer.Errorf(keybearer.Conflict, "there is a client %q already", c.ID)
	}
	return db.failure("registering a client", err)
}

// ClientGrant implements [keybearer.ClientGrantStore]. Those that are over are returned until [DB.Prune] removes them.
func (db *DB) ClientGrant(ctx context.Context, project keybearer.ProjectID, id string) (keybearer.ClientGrant, error) {
	var g keybearer.ClientGrant
	err := db.points.row(ctx, clientGrantByID, project, id).Scan(&g.Project, &g.ID, &g.Client, &g.User, &g.Resource, &g.RedirectURI, &g.Challenge,
		blobOf(&g.CodeHash), timeColumn{&g.CodeExpires}, blobOf(&g.AccessHash), timeColumn{&g.AccessExpires}, blobOf(&g.RefreshHash), blobOf(&g.PreviousHash),
		timeColumn{&g.RotatedAt}, timeColumn{&g.CreatedAt}, timeColumn{&g.ExpiresAt}, &g.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.ClientGrant{}, keybearer.Errorf(keybearer.NotFound, "there is no such grant")
	}
	return g, db.failure("reading a client's grant", err)
}

// PutClientGrant implements [keybearer.ClientGrantStore].
func (db *DB) PutClientGrant(ctx context.Context, g keybearer.ClientGrant, ifVersion int64) (keybearer.ClientGrant, error) {
	g.Version = ifVersion + 1
	for _, hash := range []*[]byte{&g.CodeHash, &g.AccessHash, &g.RefreshHash, &g.PreviousHash} {
		*hash = copied(*hash)
	}
	g.CodeExpires, g.AccessExpires, g.RotatedAt = storedTime(g.CodeExpires), storedTime(g.AccessExpires), storedTime(g.RotatedAt)
	g.CreatedAt, g.ExpiresAt = storedTime(g.CreatedAt), storedTime(g.ExpiresAt)
	values := []any{
		g.Project, g.ID, g.Client, g.User, g.Resource, g.RedirectURI, g.Challenge, blob(g.CodeHash), micros(g.CodeExpires), blob(g.AccessHash),
		micros(g.AccessExpires), blob(g.RefreshHash), blob(g.PreviousHash), micros(g.RotatedAt), micros(g.CreatedAt), micros(g.ExpiresAt), g.Version,
	}
	var (
		changed int64
		err     error
	)
	if ifVersion == 0 {
		changed, err = db.write.exec(ctx, clientGrantInsert, values...)
	} else {
		changed, err = db.write.exec(ctx, clientGrantUpdate, append(values, ifVersion)...)
	}
	if err != nil {
		return keybearer.ClientGrant{}, db.failure("storing a client's grant", err)
	}
	if changed == 0 {
		return keybearer.ClientGrant{}, keybearer.Errorf(keybearer.Conflict, "the grant was changed by somebody else")
	}
	return g, nil
}

// DeleteClientGrant implements [keybearer.ClientGrantStore].
func (db *DB) DeleteClientGrant(ctx context.Context, project keybearer.ProjectID, id string) error {
	deleted, err := db.write.exec(ctx, clientGrantDelete, project, id)
	if err == nil && deleted == 0 {
		return keybearer.Errorf(keybearer.NotFound, "there is no such grant")
	}
	return db.failure("ending a client's grant", err)
}
