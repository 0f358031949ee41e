package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/keybearer/keybearer"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "schema_version"
	// latestSchema is the number of the last file in migrations.
	latestSchema = 7
)

// migrate brings the schema to latestSchema. Migrations only go forward; each is one transaction.
func migrate(ctx context.Context, db *sql.DB, d *dialect, name string) error {
	version, err := schemaVersion(ctx, db, d, name)
	if err != nil || version == latestSchema {
		return err
	}
	if version > latestSchema {
		return newerSchema(name, version)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect, options, err := d.migrations()
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	options = append(options, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema from version %d to %d: %w", version, latestSchema, err)
	}
	return nil
}

func newerSchema(path string, version int64) error {
	return keybearer.Errorf(keybearer.BadRequest,
		"the database %s was written by a newer Keybearer (its schema is version %d, this program knows %d): "+
			"run that version or a later one, or restore a backup from before the upgrade", path, version, latestSchema)
}

// schemaVersion asks without goose, so that an ordinary start does not pay for it. A database that
// has tables but no version is somebody else's.
func schemaVersion(ctx context.Context, db *sql.DB, d *dialect, name string) (int64, error) {
	var tables, ours int
	if err := db.QueryRowContext(ctx, d.tables, versionTable).Scan(&tables, &ours); err != nil {
		return 0, err
	}
	switch {
	case tables == 0:
		return 0, nil
	case ours == 0:
		return 0, keybearer.Errorf(keybearer.BadRequest,
			"%s is a database of another program: %s", name, d.notOurs)
	}
	var version int64
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the version of the schema: %w", err)
	}
	return version, nil
}
