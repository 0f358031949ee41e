package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/audit"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
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
	audit.Sink
	KeyChecks(ctx context.Context) (map[string][]byte, error)
	PutKeyCheck(ctx context.Context, id string, sealed []byte) error
	DeleteKeyCheck(ctx context.Context, id string) error
	Prune(ctx context.Context, now time.Time, keep sqlstore.Retention) (sqlstore.Pruned, error)
	Ping(ctx context.Context) error
	Close() error
}

var _ store = (*sqlstore.DB)(nil)

// openStore opens what the configuration names. In memory means a database in a folder that goes
// with the process: the same code, and nothing stays.
func openStore(ctx context.Context, cfg *config.Config) (store, error) {
	switch {
	case cfg.Storage.Postgres != nil:
		return nil, errors.New("storage.postgres is not supported yet: use storage.sqlite, or leave storage out")
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

// The root key that the engine makes for itself.
const (
	generatedKeyID   = "generated"
	generatedKeyFile = "root.key"
)

// keyCheckText is sealed with each root key at its first use. A key that does not open it later is
// another one under the same id.
const keyCheckText = "keybearer root key check"

// rootKeys builds the keyring and compares it with the keys that the database was written with. It
// tells which of those were the default formerly.
func rootKeys(ctx context.Context, cfg *config.Config, s store) (ring *seal.Keyring, former []string, err error) {
	checks, err := s.KeyChecks(ctx)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]seal.Key, 0, len(cfg.Security.RootKeys))
	for _, k := range cfg.Security.RootKeys {
		keys = append(keys, seal.Key{ID: k.ID, Default: k.Default, Secret: k.Value})
	}
	if len(keys) == 0 {
		_, known := checks[generatedKeyID]
		key, err := generatedKey(cfg, known, len(checks) > 0)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	if ring, err = seal.NewKeyring(keys...); err != nil {
		return nil, nil, fmt.Errorf("security.root_keys: %w", err)
	}
	former = slices.DeleteFunc(ring.IDs(), func(id string) bool { return id == ring.Default() || checks[id] == nil })
	return ring, former, checkKeys(ctx, s, ring, checks)
}

// generatedKey reads the engine's own key, or makes it for a new database.
func generatedKey(cfg *config.Config, known, used bool) (seal.Key, error) {
	key := seal.Key{ID: generatedKeyID, Default: true}
	if cfg.Storage.InMemory != nil {
		key.Secret = secret.New(rand.Text() + rand.Text())
		return key, nil
	}
	path := filepath.Join(cfg.DataDir, generatedKeyFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		key.Secret = secret.New(string(text))
		return key, nil
	case !errors.Is(err, fs.ErrNotExist):
		return key, fmt.Errorf("reading the root key: %w", err)
	case known:
		return key, fmt.Errorf("the root key %q is missing: this database was sealed with the file %s. "+
			"Put that file back from your backup; nothing was changed", generatedKeyID, path)
	case used:
		return key, errors.New("security.root_keys is empty, but this database was sealed with keys from a configuration: " +
			"start with that configuration; nothing was changed")
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return key, fmt.Errorf("making the data folder: %w", err)
	}
	key.Secret = secret.New(rand.Text() + rand.Text())
	return key, writeNew(path, key.Secret)
}

// writeNew writes a file that nobody else may read, and makes sure that it is on the disk before
// anything is sealed with it.
func writeNew(path string, text secret.String) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the root key: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(fmt.Errorf("writing the root key: %w", err), os.Remove(path))
		}
	}()
	if _, err := f.WriteString(text.Reveal()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func checkKeys(ctx context.Context, s store, ring *seal.Keyring, checks map[string][]byte) error {
	for id, sealed := range checks {
		plain, err := ring.Open(sealed, keyCheckPlace(id))
		switch {
		case errors.Is(err, seal.ErrUnknownKey):
			return fmt.Errorf("the root key %q is missing: this database holds values that were sealed with it. "+
				"Add it to security.root_keys; nothing was changed", id)
		case err != nil || string(plain) != keyCheckText:
			return fmt.Errorf("the root key %q is not the one that this database was sealed with: its value was changed. "+
				"Restore the former value in security.root_keys, and add a new key under a new id; nothing was changed", id)
		}
	}
	id := ring.Default()
	if _, known := checks[id]; known {
		return nil
	}
	sealed, err := ring.Seal([]byte(keyCheckText), keyCheckPlace(id))
	if err != nil {
		return fmt.Errorf("checking the root key %q: %w", id, err)
	}
	return s.PutKeyCheck(ctx, id, sealed)
}

func keyCheckPlace(id string) []byte { return seal.Place("root_keys", id, "check") }
