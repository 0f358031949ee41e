package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keybearer/keybearer/secret"
)

// keyPurpose keeps what is derived here apart from other uses of the same text.
const keyPurpose = "keybearer seal v1"

// Key is one key of a keyring: an operator's root key, or a data key that a root key has sealed.
type Key struct {
	// ID names the key in every value that it seals: 1 to 64 bytes, not a secret.
	ID string
	// Default marks the key that seals new values. Exactly one key of a new keyring has it,
	// or the keyring holds one key only.
	Default bool
	// Secret is the key's text, of any length; at least 32 random characters are advised.
	Secret secret.String
}

// DataKey is a key that seals values, as a database keeps it: itself sealed with a root key.
type DataKey struct {
	// Number counts up from 1. The key with the highest is the default.
	Number    int64
	Sealed    Value
	CreatedAt time.Time
}

// Keyring seals and opens values. It is safe for concurrent use, also while keys are added.
type Keyring struct {
	adding sync.Mutex
	// held is never changed, only replaced: sealing and opening wait for nobody.
	held atomic.Pointer[held]
}

type held struct {
	primary string
	keys    map[string]cipher.AEAD
}

// NewKeyring builds a keyring. Errors name the key by its id and never contain its text.
func NewKeyring(keys ...Key) (*Keyring, error) {
	next := &held{keys: make(map[string]cipher.AEAD, len(keys))}
	for _, k := range keys {
		if _, twice := next.keys[k.ID]; twice {
			return nil, fmt.Errorf("key id %q is used twice", k.ID)
		}
		var err error
		if next.keys[k.ID], err = derive(k); err != nil {
			return nil, err
		}
		if k.Default || len(keys) == 1 {
			if next.primary != "" {
				return nil, fmt.Errorf("keys %q and %q are both marked as default", next.primary, k.ID)
			}
			next.primary = k.ID
		}
	}
	if next.primary == "" {
		return nil, errors.New("no key is marked as default")
	}
	r := &Keyring{}
	r.held.Store(next)
	return r, nil
}

// Add puts a key into a ring that is in use. A key that is marked as default seals from now on, in
// place of the former one. Under an id that the ring knows, the key that it has stays.
func (r *Keyring) Add(k Key) error {
	r.adding.Lock()
	defer r.adding.Unlock()
	before := r.held.Load()
	next := &held{primary: before.primary, keys: before.keys}
	if before.keys[k.ID] == nil {
		aead, err := derive(k)
		if err != nil {
			return err
		}
		next.keys = maps.Clone(before.keys)
		next.keys[k.ID] = aead
	}
	if k.Default {
		next.primary = k.ID
	}
	r.held.Store(next)
	return nil
}

func derive(k Key) (cipher.AEAD, error) {
	if k.ID == "" || len(k.ID) > maxKeyID {
		return nil, fmt.Errorf("key id %q: must have 1 to %d bytes", k.ID, maxKeyID)
	}
	if strings.TrimSpace(k.Secret.Reveal()) == "" {
		return nil, fmt.Errorf("key %q is empty", k.ID)
	}
	derived, err := hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, keyPurpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving key %q: %w", k.ID, err)
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, fmt.Errorf("using key %q: %w", k.ID, err)
	}
	return aead, nil
}

// Default is the id of the key that seals new values.
func (r *Keyring) Default() string { return r.held.Load().primary }

// Has reports whether the ring holds a key of that id.
func (r *Keyring) Has(id string) bool { return r.held.Load().keys[id] != nil }

// IDs lists the keys that this keyring can open, sorted.
func (r *Keyring) IDs() []string { return slices.Sorted(maps.Keys(r.held.Load().keys)) }
