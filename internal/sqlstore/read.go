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
	if err := db.openReaders(cfg, reading); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, db.lists.DB, cfg.Path)
	if err != nil {
		return err
	}
	if version != latestSchema {
		return keybearer.Errorf(keybearer.BadRequest, "the schema of the database %s is version %d, and this program is for version %d: "+
			"use the program that the engine runs with, or start the engine with this one first", cfg.Path, version, latestSchema)
	}
	return db.unmarked(ctx)
}

func (db *DB) openReaders(cfg Config, as use) error {
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
