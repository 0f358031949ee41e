package datakey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const (
	// reloadPause lies between two looks for keys that are not known here, so that values under ids that
	// nobody knows are no burden for the database.
	reloadPause = time.Second
	// reloadTimeout bounds such a look, with the wait for it.
	reloadTimeout = 5 * time.Second
	// keysLast is how long the newest key that is known is believed to be the newest. Replicas look far
	// more often; one that was frozen looks before it seals anything.
	keysLast = FlowLife / 2
)

// Keyring is a Sealer. It seals with the newest data key, and learns of those that others make: when it
// meets one, and now and then. Keys stay in it until the process ends. It is safe for concurrent use.
type Keyring struct {
	ring  *seal.Keyring // data keys, and root keys that sealed values directly
	roots *seal.Keyring
	cfg   Config
	store Store
	log   *slog.Logger
	now   func() time.Time // for how old keys are
	// news has something in it when there is a new default.
	news chan struct{}

	turn    chan struct{} // held by whoever loads
	loaded  time.Time     // when the last load began; belongs to the turn
	checked atomic.Int64  // when one last succeeded, by the wall clock in seconds: it goes on in a frozen process
}

var _ keybearer.Rotator = (*Keyring)(nil)

// News has something in it when there is a new default.
func (k *Keyring) News() <-chan struct{} { return k.news }

// Seal implements [keybearer.Sealer].
func (k *Keyring) Seal(plain, place []byte) (seal.Value, error) {
	if since := k.now().Unix() - k.checked.Load(); since > int64(k.cfg.Believe.Seconds()) {
		ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
		defer cancel()
		if err := k.Reload(ctx); err != nil { // then storing the value hardly works either
			k.log.Warn("the data keys could not be read again", "error", err)
		}
	}
	return k.ring.Seal(plain, place)
}

// Open implements [keybearer.Sealer].
func (k *Keyring) Open(v seal.Value, place []byte) ([]byte, error) {
	plain, err := k.ring.Open(v, place)
	if err == nil || !errors.Is(err, seal.ErrUnknownKey) {
		return plain, err
	}
	id, _ := v.KeyID()
	if !k.learn(id) {
		return nil, err
	}
	return k.ring.Open(v, place)
}

// learn looks for a key that is not known here. Of many that ask at once, one looks.
func (k *Keyring) learn(id string) bool {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return k.ring.Has(id)
	}
	if k.ring.Has(id) || k.loaded.After(asked) {
		return k.ring.Has(id)
	}
	if !wait(ctx, reloadPause-time.Since(k.loaded)) {
		return false
	}
	if err := k.load(ctx); err != nil {
		k.log.Warn("the data keys could not be read again", "error", err)
	}
	return k.ring.Has(id)
}

// Reload looks for keys that others have made.
func (k *Keyring) Reload(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
		return k.load(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Learn takes a new root key, with which the data keys are sealed now, and reads them.
func (k *Keyring) Learn(ctx context.Context, root seal.Key) error {
	if err := k.roots.Add(root); err != nil {
		return err
	}
	return k.Reload(ctx)
}

// load adds what is new, in its turn.
func (k *Keyring) load(ctx context.Context) error {
	k.loaded = time.Now()
	stored, err := k.store.DataKeys(ctx)
	if err != nil {
		return err
	}
	k.checked.Store(k.now().Unix())
	before := k.ring.Default()
	var errs []error
	for i, s := range stored {
		key := seal.Key{ID: ID(s.Number), Default: i == len(stored)-1}
		if !k.ring.Has(key.ID) {
			plain, err := k.openStored(ctx, s)
			if err != nil {
				errs = append(errs, fmt.Errorf("the data key %s does not open with the root keys of this process: %s: %w", key.ID, k.cfg.Words.Unopened, err))
				continue
			}
			key.Secret = secret.New(string(plain))
		}
		if err := k.ring.Add(key); err != nil {
			errs = append(errs, err)
		}
	}
	if current := k.ring.Default(); current != before {
		k.log.Info("a new data key seals from now on; what is stored is sealed anew in the background", "key", current)
		select {
		case k.news <- struct{}{}:
		default:
		}
	}
	return errors.Join(errs...)
}

// openStored opens a data key. Its root key may be one that was made meanwhile.
func (k *Keyring) openStored(ctx context.Context, s seal.DataKey) ([]byte, error) {
	plain, err := k.roots.Open(s.Sealed, place(s.Number))
	if err == nil || !errors.Is(err, seal.ErrUnknownKey) || k.cfg.Root == nil {
		return plain, err
	}
	id, _ := s.Sealed.KeyID()
	root, err := k.cfg.Root(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := k.roots.Add(root); err != nil {
		return nil, err
	}
	return k.roots.Open(s.Sealed, place(s.Number))
}

// Rotate implements [keybearer.Rotator].
func (k *Keyring) Rotate(ctx context.Context) (keybearer.SealingKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return keybearer.SealingKey{}, ctx.Err()
	}
	stored, err := k.store.DataKeys(ctx)
	if err != nil {
		return keybearer.SealingKey{}, err
	}
	if len(stored) == 0 {
		return keybearer.SealingKey{}, errors.New("the data keys are gone from the database: restore a backup")
	}
	next := stored[len(stored)-1].Number + 1
	// Where somebody else rotates at this moment, the key that he makes is as new as ours.
	if _, err := Create(ctx, k.store, k.roots, next, k.now()); err != nil {
		return keybearer.SealingKey{}, err
	}
	if err := k.load(ctx); err != nil {
		return keybearer.SealingKey{}, err
	}
	keys, err := k.SealingKeys(ctx)
	if err != nil {
		return keybearer.SealingKey{}, err
	}
	return keys[len(keys)-1], nil
}

// SealingKeys implements [keybearer.Rotator]: the root keys by id, then the data keys, the oldest first.
func (k *Keyring) SealingKeys(ctx context.Context) ([]keybearer.SealingKey, error) {
	stored, err := k.store.DataKeys(ctx)
	if err != nil {
		return nil, err
	}
	var keys []keybearer.SealingKey
	index := map[string]int{}
	for _, id := range k.roots.IDs() {
		waiting, err := k.store.WaitingUnder(ctx, id)
		if err != nil {
			return nil, err
		}
		index[id] = len(keys)
		keys = append(keys, keybearer.SealingKey{ID: id, Root: true, Default: id == k.roots.Default(), Values: waiting})
	}
	for i, s := range stored {
		id := ID(s.Number)
		waiting, err := k.store.WaitingUnder(ctx, id)
		if err != nil {
			return nil, err
		}
		root, _ := s.Sealed.KeyID() // "" for a broken one
		if at, ok := index[root]; ok {
			keys[at].Values++
		}
		keys = append(keys, keybearer.SealingKey{ID: id, Default: i == len(stored)-1, SealedWith: root, CreatedAt: s.CreatedAt, Values: waiting})
	}
	return keys, nil
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
