// Package datakey keeps the data keys of a database: the keys that seal what is stored, each sealed itself
// with a root key.
//
// It owns their life: that a first one is made, that everybody who uses the database learns of a new one,
// that what is stored is sealed anew with it, and that a former one goes when nothing needs it. The root keys
// are its callers' business, with what to tell the person who keeps them ([Words]); the engine's come from its
// configuration, those of a vault from its custody.
package datakey

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// Config is what a Keyring is made of.
type Config struct {
	Store Store
	Words Words
	Log   *slog.Logger
	// Now is the clock for how old keys are.
	Now func() time.Time
	// Believe is how long the newest key that is known is believed to be the newest; 0 means an hour,
	// negative that the database is asked before anything is sealed.
	Believe time.Duration
	// Settle is how long a former data key is kept at least; 0 means FlowLife, and it is never less.
	Settle time.Duration
	// Root gets a root key of that id which was made since the start; nil: there is none.
	Root func(ctx context.Context, id string) (seal.Key, error)
}

// New makes a Keyring of the keys that were found, at least one. It seals the data keys anew where the
// default root key is another one than before.
func New(ctx context.Context, cfg Config, found Found) (*Keyring, error) {
	if cfg.Believe == 0 {
		cfg.Believe = keysLast
	}
	cfg.Settle = max(cfg.Settle, FlowLife)
	ring, err := found.Ring()
	if err != nil {
		return nil, err
	}
	k := &Keyring{
		ring: ring, roots: found.Roots, cfg: cfg, store: cfg.Store, log: cfg.Log, now: cfg.Now,
		turn: make(chan struct{}, 1), news: make(chan struct{}, 1), loaded: time.Now(),
	}
	k.checked.Store(cfg.Now().Unix())
	return k, k.rewrap(ctx, found)
}

// CreateFirst makes the first data key, and reports whether it is ours: another process may be faster.
func CreateFirst(ctx context.Context, s Store, roots []seal.Key, now time.Time) (bool, error) {
	ring, err := seal.NewKeyring(roots...)
	if err != nil {
		return false, err
	}
	return Create(ctx, s, ring, 1, now)
}

// Create makes a data key of that number, and reports whether there was none yet.
func Create(ctx context.Context, s Store, roots *seal.Keyring, number int64, now time.Time) (bool, error) {
	key, err := Draw(roots, number, now)
	if err != nil {
		return false, err
	}
	return s.CreateDataKey(ctx, key)
}

// Draw makes a data key of that number, sealed with the default root key, and stores it nowhere.
func Draw(roots *seal.Keyring, number int64, now time.Time) (seal.DataKey, error) {
	sealed, err := roots.Seal([]byte(rand.Text()+rand.Text()), place(number))
	if err != nil {
		return seal.DataKey{}, fmt.Errorf("sealing a data key: %w", err)
	}
	return seal.DataKey{Number: number, Sealed: sealed, CreatedAt: now}, nil
}

// Rewrapped gives the data keys that were found, each sealed with the default key of other roots.
func (f *Found) Rewrapped(roots *seal.Keyring) ([]seal.DataKey, error) {
	wrapped := slices.Clone(f.Stored)
	for i := range wrapped {
		sealed, err := roots.Seal([]byte(f.Data[i].Secret.Reveal()), place(wrapped[i].Number))
		if err != nil {
			return nil, fmt.Errorf("sealing data key %s: %w", ID(wrapped[i].Number), err)
		}
		wrapped[i].Sealed = sealed
	}
	return wrapped, nil
}

// rewrap seals the data keys with the default root key, where another one has sealed them.
func (k *Keyring) rewrap(ctx context.Context, found Found) error {
	var former []string
	for i, s := range found.Stored {
		id, err := s.Sealed.KeyID()
		if err != nil || id == k.roots.Default() {
			continue
		}
		sealed, err := k.roots.Seal([]byte(found.Data[i].Secret.Reveal()), place(s.Number))
		if err != nil {
			return fmt.Errorf("sealing data key %s: %w", ID(s.Number), err)
		}
		if err := k.store.RewrapDataKey(ctx, s.Number, s.Sealed, sealed); err != nil {
			return err
		}
		former = append(former, id)
	}
	slices.Sort(former)
	for _, id := range slices.Compact(former) {
		if slices.ContainsFunc(found.Direct, func(k seal.Key) bool { return k.ID == id }) {
			continue // it goes when the values that it sealed directly are sealed anew
		}
		k.log.Info("the data keys are sealed with the default root key now, and nothing is with this former one: "+
			"once all replicas run with the new default it can be removed from "+k.cfg.Words.Kept,
			"key", k.roots.Default(), "former", id)
	}
	return nil
}
