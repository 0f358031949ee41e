package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// keyStore is what the database keeps about keys.
type keyStore interface {
	DataKeys(ctx context.Context) ([]sqlstore.DataKey, error)
	CreateDataKey(ctx context.Context, k sqlstore.DataKey) (bool, error)
	RewrapDataKey(ctx context.Context, number int64, from, to seal.Value) error
	DeleteDataKey(ctx context.Context, number int64) error
	WaitingUnder(ctx context.Context, key string) (int, error)
	// KeyChecks and DeleteKeyCheck are about root keys that sealed values directly, as all did before
	// there were data keys.
	KeyChecks(ctx context.Context) (map[string][]byte, error)
	DeleteKeyCheck(ctx context.Context, id string) error
}

// keyCheckText was sealed with each root key at its first use, before there were data keys. A key that
// does not open it is another one under the same id.
const keyCheckText = "keybearer root key check"

func keyCheckPlace(id string) []byte { return seal.Place("root_keys", id, "check") }

// dataKeyID is what a data key is called in the values that it seals. No root key's id has a colon.
func dataKeyID(number int64) string { return fmt.Sprintf("data:%d", number) }

func dataKeyPlace(number int64) []byte { return seal.Place("data_keys", dataKeyID(number)) }

// OpenKeys gives what opens the values in a database, by the root keys of a configuration. It changes
// nothing. Its errors name the root key that is missing or wrong.
func OpenKeys(ctx context.Context, cfg *config.Config, db *sqlstore.DB) (keybearer.Sealer, error) {
	roots, err := rootKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	found, err := findKeys(ctx, cfg, db, roots)
	if err != nil {
		return nil, err
	}
	if len(found.direct)+len(found.data) == 0 {
		return nil, errors.New("this database has no keys: no engine has used it yet")
	}
	return found.ring()
}

// keysFound are the keys of a database, and the root keys that belong to them. All have been tried.
type keysFound struct {
	roots  *seal.Keyring // nil where there are none
	direct []seal.Key    // root keys that sealed values directly
	stored []sqlstore.DataKey
	data   []seal.Key // what is in stored
}

// findKeys reads the keys of a database and tries all of them. It changes nothing.
func findKeys(ctx context.Context, cfg *config.Config, s keyStore, roots []seal.Key) (keysFound, error) {
	var found keysFound
	checks, err := s.KeyChecks(ctx)
	if err != nil {
		return found, err
	}
	if found.stored, err = s.DataKeys(ctx); err != nil {
		return found, err
	}
	if len(roots) == 0 {
		return found, noRootKey(cfg, sealers(checks, found.stored))
	}
	if found.roots, err = seal.NewKeyring(roots...); err != nil {
		return found, fmt.Errorf("security.root_keys: %w", err)
	}
	for id, sealed := range checks {
		plain, err := openWithRoot(cfg, found.roots, sealed, keyCheckPlace(id))
		if err == nil && string(plain) != keyCheckText {
			err = wrongKey(cfg, id)
		}
		if err != nil {
			return found, err
		}
	}
	for _, k := range roots {
		if checks[k.ID] != nil {
			found.direct = append(found.direct, seal.Key{ID: k.ID, Secret: k.Secret})
		}
	}
	for i, k := range found.stored {
		plain, err := openWithRoot(cfg, found.roots, k.Sealed, dataKeyPlace(k.Number))
		if err != nil {
			return found, err
		}
		found.data = append(found.data, seal.Key{
			ID: dataKeyID(k.Number), Secret: secret.New(string(plain)), Default: i == len(found.stored)-1,
		})
	}
	return found, nil
}

// sealers are the ids of the root keys that a database needs.
func sealers(checks map[string][]byte, stored []sqlstore.DataKey) []string {
	var ids []string
	for id := range checks {
		ids = append(ids, id)
	}
	for _, k := range stored {
		if id, err := k.Sealed.KeyID(); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// openWithRoot opens what a root key has sealed, or says by its id what is wrong with that key.
func openWithRoot(cfg *config.Config, roots *seal.Keyring, v seal.Value, place []byte) ([]byte, error) {
	plain, err := roots.Open(v, place)
	if err == nil {
		return plain, nil
	}
	id, broken := v.KeyID()
	switch {
	case broken != nil:
		return nil, fmt.Errorf("a key in the database is damaged (%w): restore a backup; nothing was changed", broken)
	case errors.Is(err, seal.ErrUnknownKey):
		return nil, lostKey(cfg, id)
	}
	return nil, wrongKey(cfg, id)
}

// ring opens what values of the database were sealed with.
func (f *keysFound) ring() (*seal.Keyring, error) {
	keys := append(slices.Clone(f.direct), f.data...)
	if len(f.data) == 0 && len(keys) > 0 {
		keys[0].Default = true
	}
	return seal.NewKeyring(keys...)
}

// openKeys makes the keyring of an engine: it tries the root keys, makes the first data key, and seals
// the data keys anew where the default root key is another one than before.
func openKeys(ctx context.Context, cfg *config.Config, s keyStore, log *slog.Logger, now func() time.Time) (*keyring, error) {
	roots, err := rootKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	found, err := findKeys(ctx, cfg, s, roots)
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
	if len(found.stored) == 0 {
		first, err := createFirst(ctx, s, roots, now())
		if err != nil {
			return nil, err
		}
		if found, err = findKeys(ctx, cfg, s, roots); err != nil {
			if made && !first { // another replica was first, and ours has sealed nothing
				err = errors.Join(lostKey(cfg, generatedKeyID), os.Remove(generatedKeyPath(cfg)))
			}
			return nil, err
		}
		if len(found.direct) > 0 {
			log.Info("this database is from before there were data keys: its values are sealed anew in the background")
		}
	}
	k := &keyring{roots: found.roots, store: s, log: log, now: now, turn: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	k.loaded = time.Now()
	k.checked.Store(now().Unix())
	if k.ring, err = found.ring(); err != nil {
		return nil, err
	}
	return k, rewrap(ctx, s, &found, log)
}

// createFirst makes the first data key, and reports whether it is ours: another replica may be faster.
func createFirst(ctx context.Context, s keyStore, roots []seal.Key, now time.Time) (bool, error) {
	ring, err := seal.NewKeyring(roots...)
	if err != nil {
		return false, fmt.Errorf("security.root_keys: %w", err)
	}
	return createDataKey(ctx, s, ring, 1, now)
}

// createDataKey makes a data key of that number, and reports whether there was none yet.
func createDataKey(ctx context.Context, s keyStore, roots *seal.Keyring, number int64, now time.Time) (bool, error) {
	sealed, err := roots.Seal([]byte(rand.Text()+rand.Text()), dataKeyPlace(number))
	if err != nil {
		return false, fmt.Errorf("sealing a data key: %w", err)
	}
	return s.CreateDataKey(ctx, sqlstore.DataKey{Number: number, Sealed: sealed, CreatedAt: now})
}

// rewrap seals the data keys with the default root key, where another one has sealed them.
func rewrap(ctx context.Context, s keyStore, found *keysFound, log *slog.Logger) error {
	var former []string
	for i, k := range found.stored {
		id, err := k.Sealed.KeyID()
		if err != nil || id == found.roots.Default() {
			continue
		}
		sealed, err := found.roots.Seal([]byte(found.data[i].Secret.Reveal()), dataKeyPlace(k.Number))
		if err != nil {
			return fmt.Errorf("sealing data key %s: %w", dataKeyID(k.Number), err)
		}
		if err := s.RewrapDataKey(ctx, k.Number, k.Sealed, sealed); err != nil {
			return err
		}
		former = append(former, id)
	}
	slices.Sort(former)
	for _, id := range slices.Compact(former) {
		if slices.ContainsFunc(found.direct, func(k seal.Key) bool { return k.ID == id }) {
			continue // it goes when the values that it sealed directly are sealed anew
		}
		log.Info("the data keys are sealed with the default root key now, and nothing is with this former one: "+
			"once all replicas run with the new default it can be removed from security.root_keys",
			"key", found.roots.Default(), "former", id)
	}
	return nil
}
