package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/audit"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// store is all that the engine keeps in one database.
type store interface {
	keybearer.ConnectionStore
	keybearer.FlowStore
	keybearer.AttemptStore
	keybearer.ProviderStore
	keybearer.KeyStore
	keybearer.AccountStore
	keybearer.SessionStore
	keybearer.SettingStore
	keybearer.WorkerStore
	keybearer.ToolSecretStore
	keybearer.RunStore
	keybearer.RegisteredClientStore
	keybearer.ClientGrantStore
	keybearer.Leaser
	keybearer.EventStore
	audit.Sink
	datakey.Store
	Prune(ctx context.Context, now time.Time, keep sqlstore.Retention) (sqlstore.Pruned, error)
	Ping(ctx context.Context) error
	Clock(ctx context.Context) (time.Time, error)
	InTheClear() bool
	Listen(ctx context.Context, tell func(sqlstore.News)) error
	Close() error
}

var _ store = (*sqlstore.DB)(nil)

// openStore opens what the configuration names. In memory means a database in a folder that goes
// with the process: the same code, and nothing stays.
func openStore(ctx context.Context, cfg *config.Config) (store, error) {
	switch {
	case cfg.Storage.Postgres != nil:
		db, err := sqlstore.Open(ctx, sqlstore.Config{Postgres: postgresURL(cfg.Storage.Postgres)})
		if err != nil {
			return nil, err
		}
		return db, nil
	case cfg.Storage.InMemory != nil:
		dir, err := os.MkdirTemp("", "keybearer-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for the database: %w", err)
		}
		db, err := sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(dir, "keybearer.sqlite3"), Exclusive: true})
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		return &passing{DB: db, dir: dir}, nil
	}
	return openFile(ctx, cfg.Storage.SQLite.ConnectionString)
}

func openFile(ctx context.Context, path string) (store, error) {
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// passing is a database that is removed when it is closed.
type passing struct {
	*sqlstore.DB
	dir string
}

func (p *passing) Close() error { return errors.Join(p.DB.Close(), os.RemoveAll(p.dir)) }
