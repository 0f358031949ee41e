package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/keybearer/keybearer"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "schema_version"
	// latestSchema is the number of the last file in migrations.
	latestSchema = 9
	// migrateWait is how long one waits for another that migrates, and migratePause how often one looks.
	migrateWait  = 30 * time.Second
	migratePause = 5 * time.Millisecond
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

// migrateAmongOthers is for a file that other processes may open at this moment, too: one of them makes or
// migrates it, and the others wait. Where there is nothing to do nobody waits.
func (db *DB) migrateAmongOthers(ctx context.Context, cfg Config) (err error) {
	info, err := os.Stat(cfg.Path)
	if err != nil {
		return fmt.Errorf("looking at the file: %w", err)
	}
	if info.Size() > 0 { // else not even the first look is for two: it makes a database of the file
		if version, err := schemaVersion(ctx, db.lists.DB, db.dialect, cfg.Path); err != nil || version == latestSchema {
			return err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	lock := lockOf(cfg.Path)
	if _, err := lock.TryLockContext(waiting, migratePause); err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return keybearer.Errorf(keybearer.Conflict, "another program has made or migrated the database %s for %v: end that one first", cfg.Path, migrateWait)
		}
		return fmt.Errorf("locking the database: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return migrate(ctx, db.write.DB, db.dialect, cfg.Path)
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
