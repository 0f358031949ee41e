package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/keybearer/keybearer"
)

// openToRead opens a database as it is. One of another schema than this program's is refused: only
// the program that it belongs to knows what is in it.
func (db *DB) openToRead(ctx context.Context, cfg Config) error {
	if err := db.openReaders(ctx, cfg, reading); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, db.lists.DB, db.dialect, db.name)
	if err != nil {
		return err
	}
	if version != latestSchema {
		return keybearer.Errorf(keybearer.BadRequest, "the schema of the database %s is version %d, and this program is for version %d: "+
			"use the program that the engine runs with, or start the engine with this one first", db.name, version, latestSchema)
	}
	return nil
}

func (db *DB) openReaders(ctx context.Context, cfg Config, as use) error {
	if !cfg.Postgres.IsZero() {
		return db.connectPostgres(ctx, cfg.Postgres, as)
	}
	if err := isDatabase(cfg.Path); err != nil {
		return err
	}
	var err error
	if db.lists, err = openSQLite(cfg.Path, cfg.busy(), listReaders, as); err != nil {
		return err
	}
	connector, err := connectSQLite(cfg.Path, cfg.busy(), as)
	if err != nil {
		return err
	}
	db.points = newPoints(connector, 1)
	db.write = db.lists // which writes nothing
	return nil
}

func isDatabase(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keybearer.Errorf(keybearer.NotFound, "there is no database %s", path)
	}
	if err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	defer file.Close()
	return checkHeader(file, path)
}

// snapshot begins a transaction that sees the database as it is at its beginning, whatever others
// write meanwhile.
func (db *DB) snapshot(ctx context.Context) (*sql.Tx, error) {
	return db.lists.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}
