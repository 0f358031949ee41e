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

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// The root key that the engine makes for itself.
const (
	generatedKeyID   = "generated"
	generatedKeyFile = "root.key"
)

func generatedKeyPath(cfg *config.Config) string { return filepath.Join(cfg.DataDir, generatedKeyFile) }

// rootKeys gathers the operator's root keys, from wherever they are kept, or else the engine's own. There
// is none where the engine has not made one yet.
func rootKeys(ctx context.Context, cfg *config.Config) ([]seal.Key, error) {
	var keys []seal.Key
	for _, k := range cfg.Security.RootKeys {
		text, err := rootKeyText(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("security.root_keys: the root key %q: %w", k.ID, err)
		}
		keys = append(keys, seal.Key{ID: k.ID, Default: k.Default, Secret: text})
	}
	if len(keys) > 0 {
		return keys, nil
	}
	own := seal.Key{ID: generatedKeyID, Default: true}
	if cfg.Storage.InMemory != nil {
		own.Secret = secret.New(rand.Text() + rand.Text())
		return []seal.Key{own}, nil
	}
	text, err := os.ReadFile(generatedKeyPath(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	own.Secret = secret.New(string(text))
	return []seal.Key{own}, nil
}

// generateRootKey makes the engine's own root key, for a database in which nothing is sealed yet.
func generateRootKey(cfg *config.Config) (seal.Key, error) {
	key := seal.Key{ID: generatedKeyID, Default: true, Secret: secret.New(rand.Text() + rand.Text())}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return key, fmt.Errorf("making the data folder: %w", err)
	}
	return key, writeNew(generatedKeyPath(cfg), key.Secret)
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

// noRootKey says what is wrong where no root key is to be had and a database was sealed with some.
func noRootKey(cfg *config.Config, sealers []string) error {
	switch {
	case len(sealers) == 0:
		return nil
	case slices.Contains(sealers, generatedKeyID):
		return lostKey(cfg, generatedKeyID)
	}
	return errors.New("security.root_keys is empty, but this database was sealed with keys from a configuration: " +
		"start with that configuration; nothing was changed")
}

// lostKey says that a root key with which this database was sealed is missing.
func lostKey(cfg *config.Config, id string) error {
	path := generatedKeyPath(cfg)
	switch {
	case id == generatedKeyID && cfg.Storage.Postgres != nil:
		return fmt.Errorf("the root key %q is missing: this database was sealed with a key that an engine made for itself in its own data folder, "+
			"and that is not in %s. If another replica made it, write its file's text as the root key %[1]q into security.root_keys, in the configuration "+
			"of all replicas; if it was here, put the file back from your backup. Nothing was changed", id, path)
	case id == generatedKeyID:
		return fmt.Errorf("the root key %q is missing: this database was sealed with the file %s. "+
			"Put that file back from your backup; nothing was changed", id, path)
	}
	return fmt.Errorf("the root key %q is missing: this database holds values that were sealed with it. "+
		"Add it to security.root_keys; nothing was changed", id)
}

// wrongKey says that a root key is not the one of this id with which this database was sealed.
func wrongKey(cfg *config.Config, id string) error {
	path := generatedKeyPath(cfg)
	switch {
	case id == generatedKeyID && len(cfg.Security.RootKeys) == 0 && cfg.Storage.Postgres != nil:
		return fmt.Errorf("the root key %q is not the one that this database was sealed with: %s was made by this engine for itself, and another replica has made one, too. "+
			"Replicas need the same root keys: write that replica's %s as the root key %[1]q into security.root_keys, in the configuration of all replicas. "+
			"Nothing was changed", id, path, generatedKeyFile)
	case id == generatedKeyID && len(cfg.Security.RootKeys) == 0:
		return fmt.Errorf("the root key %q is not the one that this database was sealed with: the file %s is another one than before. "+
			"Put that one back from your backup; nothing was changed", id, path)
	}
	return fmt.Errorf("the root key %q is not the one that this database was sealed with: its value was changed. "+
		"Restore the former value in security.root_keys, and add a new key under a new id; nothing was changed", id)
}
