package engine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
)

// OpenKeys gives what opens the values in a database, by the root keys of a configuration. It changes
// nothing. Its errors name the root key that is missing or wrong.
func OpenKeys(ctx context.Context, cfg *config.Config, db *sqlstore.DB) (keybearer.Sealer, error) {
	roots, err := rootKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	found, err := datakey.Find(ctx, db, roots, keyWords(cfg))
	if err != nil {
		return nil, err
	}
	if found.Empty() {
		return nil, errors.New("this database has no keys: no engine has used it yet")
	}
	return found.Ring()
}

// keyWords tells an operator of his root keys.
func keyWords(cfg *config.Config) datakey.Words {
	return datakey.Words{
		None:     func(sealers []string) error { return noRootKey(cfg, sealers) },
		Lost:     func(id string) error { return lostKey(cfg, id) },
		Wrong:    func(id string) error { return wrongKey(cfg, id) },
		Unopened: "give all replicas the same security.root_keys, and start this one anew",
		Kept:     "security.root_keys",
	}
}

// openKeys makes the keyring of an engine: it tries the root keys, makes the first data key, and seals
// the data keys anew where the default root key is another one than before.
func openKeys(ctx context.Context, cfg *config.Config, s datakey.Store, log *slog.Logger, now func() time.Time) (*datakey.Keyring, error) {
	roots, err := rootKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	found, err := datakey.Find(ctx, s, roots, keyWords(cfg))
	if err != nil {
		return nil, err
	}
	made := len(roots) == 0
	if made {
		own, err := generateRootKey(cfg)
		if err != nil {
			return nil, err
		}
		roots = []seal.Key{own}
	}
	if len(found.Stored) == 0 {
		first, err := datakey.CreateFirst(ctx, s, roots, now())
		if err != nil {
			return nil, err
		}
		if found, err = datakey.Find(ctx, s, roots, keyWords(cfg)); err != nil {
			if made && !first { // another replica was first, and ours has sealed nothing
				err = errors.Join(lostKey(cfg, generatedKeyID), os.Remove(generatedKeyPath(cfg)))
			}
			return nil, err
		}
		if len(found.Direct) > 0 {
			log.Info("this database is from before there were data keys: its values are sealed anew in the background")
		}
	}
	return datakey.New(ctx, datakey.Config{Store: s, Words: keyWords(cfg), Log: log, Now: now}, found)
}
