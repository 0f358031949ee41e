package datakey

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Store is what a database keeps about keys.
type Store interface {
	// DataKeys lists the data keys by number, the default last.
	DataKeys(ctx context.Context) ([]seal.DataKey, error)
	// CreateDataKey stores one, and reports whether it did: of two that have the same number the first stays.
	CreateDataKey(ctx context.Context, k seal.DataKey) (bool, error)
	// RewrapDataKey stores one as sealed with another root key, unless it is not stored as from any more.
	RewrapDataKey(ctx context.Context, number int64, from, to seal.Value) error
	DeleteDataKey(ctx context.Context, number int64) error
	// WaitingUnder counts what flows and attempts hold that is sealed with the key of that id.
	WaitingUnder(ctx context.Context, key string) (int, error)
	// KeyChecks and DeleteKeyCheck are about root keys that sealed values directly, as all did before
	// there were data keys.
	KeyChecks(ctx context.Context) (map[string][]byte, error)
	DeleteKeyCheck(ctx context.Context, id string) error
}

// Words are what to tell the person who keeps the root keys.
type Words struct {
	// None is about a database that was sealed with these root keys, where there is none at all. It is nil
	// where nothing is sealed yet.
	None func(sealers []string) error
	// Lost is about a root key that is missing, and Wrong about one that is another than before.
	Lost, Wrong func(id string) error
	// Unopened is what to do about a data key that does not open with the root keys of a running process.
	Unopened string
	// Kept is where the root keys are named.
	Kept string
}

// checkText was sealed with each root key at its first use, before there were data keys. A key that
// does not open it is another one under the same id.
const checkText = "keybearer root key check"

func checkPlace(id string) []byte { return seal.Place("root_keys", id, "check") }

// SealCheck gives what was stored of a root key at its first use, before there were data keys.
func SealCheck(root interface {
	Seal(plain, place []byte) (seal.Value, error)
}, id string,
) (seal.Value, error) {
	return root.Seal([]byte(checkText), checkPlace(id))
}

// ID is what a data key is called in the values that it seals. No root key's id has a colon.
func ID(number int64) string { return fmt.Sprintf("data:%d", number) }

func place(number int64) []byte { return seal.Place("data_keys", ID(number)) }

// Found are the keys of a database, and the root keys that belong to them. All have been tried.
type Found struct {
	Roots  *seal.Keyring // nil where there are none
	Direct []seal.Key    // root keys that sealed values directly
	Stored []seal.DataKey
	Data   []seal.Key // what is in Stored
}

// Empty reports that nothing was sealed in that database yet.
func (f *Found) Empty() bool { return len(f.Direct)+len(f.Data) == 0 }

// Find reads the keys of a database and tries all of them. It changes nothing.
func Find(ctx context.Context, s Store, roots []seal.Key, w Words) (Found, error) {
	var found Found
	checks, err := s.KeyChecks(ctx)
	if err != nil {
		return found, err
	}
	if found.Stored, err = s.DataKeys(ctx); err != nil {
		return found, err
	}
	if len(roots) == 0 {
		return found, w.None(sealers(checks, found.Stored))
	}
	if found.Roots, err = seal.NewKeyring(roots...); err != nil {
		return found, fmt.Errorf("%s: %w", w.Kept, err)
	}
	for id, sealed := range checks {
		plain, err := openWithRoot(w, found.Roots, sealed, checkPlace(id))
		if err == nil && string(plain) != checkText {
			err = w.Wrong(id)
		}
		if err != nil {
			return found, err
		}
	}
	for _, k := range roots {
		if checks[k.ID] != nil {
			found.Direct = append(found.Direct, seal.Key{ID: k.ID, Secret: k.Secret})
		}
	}
	for i, k := range found.Stored {
		plain, err := openWithRoot(w, found.Roots, k.Sealed, place(k.Number))
		if err != nil {
			return found, err
		}
		found.Data = append(found.Data, seal.Key{
			ID: ID(k.Number), Secret: secret.New(string(plain)), Default: i == len(found.Stored)-1,
		})
	}
	return found, nil
}

// sealers are the ids of the root keys that a database needs.
func sealers(checks map[string][]byte, stored []seal.DataKey) []string {
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
func openWithRoot(w Words, roots *seal.Keyring, v seal.Value, place []byte) ([]byte, error) {
	plain, err := roots.Open(v, place)
	if err == nil {
		return plain, nil
	}
	id, broken := v.KeyID()
	switch {
	case broken != nil:
		return nil, fmt.Errorf("a key in the database is damaged (%w): restore a backup; nothing was changed", broken)
	case errors.Is(err, seal.ErrUnknownKey):
		return nil, w.Lost(id)
	}
	return nil, w.Wrong(id)
}

// Ring opens what values of the database were sealed with.
func (f *Found) Ring() (*seal.Keyring, error) {
	keys := append(slices.Clone(f.Direct), f.Data...)
	if len(f.Data) == 0 && len(keys) > 0 {
		keys[0].Default = true
	}
	return seal.NewKeyring(keys...)
}
