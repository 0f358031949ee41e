package engine

import (
	"context"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// openDatabase opens the database of a configuration for a tool. Where readOnly is set an engine may
// run on it.
func openDatabase(ctx context.Context, cfg *config.Config, readOnly bool) (*sqlstore.DB, error) {
	if cfg.Storage.InMemory != nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "storage.in_memory keeps nothing: set storage.sqlite or storage.postgres")
	}
	if cfg.Storage.Postgres != nil {
		return sqlstore.Open(ctx, sqlstore.Config{Postgres: postgresURL(cfg.Storage.Postgres), ReadOnly: readOnly})
	}
	return sqlstore.Open(ctx, sqlstore.Config{
		Path: cfg.Storage.SQLite.ConnectionString, Exclusive: !readOnly, ReadOnly: readOnly,
	})
}
