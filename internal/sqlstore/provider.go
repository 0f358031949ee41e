package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/keybearer/keybearer"
)

const (
	providerColumns = `project, id, type, description, status, origin, external_id, client_id, sealed_secret, settings,
		created_at, updated_at, version`

	providersOf = `SELECT ` + providerColumns + ` FROM providers WHERE project = $1 ORDER BY id`

	providerInsert = `INSERT INTO providers (` + providerColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

	providerUpdate = `UPDATE providers SET type = $3, description = $4, status = $5, origin = $6, external_id = $7,
		client_id = $8, sealed_secret = $9, settings = $10, created_at = $11, updated_at = $12, version = $13
		WHERE project = $1 AND id = $2 AND version = $14`

	providerDelete = `DELETE FROM providers WHERE project = $1 AND id = $2`
)

// providerRow is a provider whose settings are still JSON.
type providerRow struct {
	keybearer.Provider
	settings string
}

func scanProvider(row scanner) (providerRow, error) {
	var p providerRow
	err := row.Scan(&p.Project, &p.ID, &p.Type, &p.Description, &p.Status, &p.Origin, &p.ExternalID, &p.ClientID,
		blobOf(&p.ClientSecret), &p.settings, timeColumn{&p.CreatedAt}, timeColumn{&p.UpdatedAt}, &p.Version)
	return p, err
}

// open gives the caller a provider of its own.
func (p providerRow) open() (keybearer.Provider, error) {
	out := p.Provider
	out.ClientSecret = copied(out.ClientSecret)
	if err := json.Unmarshal([]byte(p.settings), &out.Settings); err != nil {
		return keybearer.Provider{}, fmt.Errorf("reading the settings of provider %q: %w", p.ID, err)
	}
	return out, nil
}

// Providers implements [keybearer.ProviderStore], ordered by id.
func (db *DB) Providers(ctx context.Context, project keybearer.ProjectID) ([]keybearer.Provider, error) {
	rows, err := all(ctx, db.lists, scanProvider, providersOf, project)
	if err != nil {
		return nil, db.failure("listing providers", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	out := make([]keybearer.Provider, len(rows))
	for i, row := range rows {
		if out[i], err = row.open(); err != nil {
			return nil, db.failure("listing providers", err)
		}
	}
	return out, nil
}

// PutProvider implements [keybearer.ProviderStore].
func (db *DB) PutProvider(ctx context.Context, p keybearer.Provider, ifVersion int64) (keybearer.Provider, error) {
	settings, err := json.Marshal(p.Settings)
	if err != nil {
		return keybearer.Provider{}, fmt.Errorf("writing the settings of provider %q: %w", p.ID, err)
	}
	row := providerRow{settings: string(settings), Provider: keybearer.Provider{
		Project: p.Project, ID: p.ID, Type: p.Type, Description: p.Description, Status: p.Status, Origin: p.Origin,
		ExternalID: p.ExternalID, ClientID: p.ClientID, ClientSecret: p.ClientSecret,
		CreatedAt: storedTime(p.CreatedAt), UpdatedAt: storedTime(p.UpdatedAt), Version: ifVersion + 1,
	}}
	values := []any{
		row.Project, row.ID, row.Type, row.Description, row.Status, row.Origin, row.ExternalID, row.ClientID,
		blob(row.ClientSecret), row.settings, micros(row.CreatedAt), micros(row.UpdatedAt), row.Version,
	}
	var changed int64
	if ifVersion == 0 {
		changed, err = db.write.exec(ctx, db.dialect.telling(providerInsert, rulesChanged, "id"), values...)
	} else {
		changed, err = db.write.exec(ctx, db.dialect.telling(providerUpdate, rulesChanged, "id"), append(values, ifVersion)...)
	}
	if err != nil {
		return keybearer.Provider{}, db.failure(fmt.Sprintf("storing provider %q", p.ID), err)
	}
	if changed == 0 {
		if ifVersion == 0 {
			return keybearer.Provider{}, keybearer.Errorf(keybearer.Conflict, "provider %q exists already", p.ID)
		}
		return keybearer.Provider{}, keybearer.Errorf(keybearer.Conflict, "provider %q was changed by somebody else", p.ID)
	}
	return row.open()
}

// DeleteProvider implements [keybearer.ProviderStore].
func (db *DB) DeleteProvider(ctx context.Context, project keybearer.ProjectID, id keybearer.ProviderID) error {
	deleted, err := db.write.exec(ctx, db.dialect.telling(providerDelete, rulesChanged, "id"), project, id)
	if err != nil {
		return db.failure(fmt.Sprintf("deleting provider %q", id), err)
	}
	if deleted == 0 {
		return keybearer.Errorf(keybearer.NotFound, "no provider %q", id)
	}
	return nil
}
