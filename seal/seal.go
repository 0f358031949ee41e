// Package seal keeps small values (tokens, client secrets, verifiers) unreadable at rest.
//
// It owns the keyring and the envelope: a [Keyring] seals with its default key and opens with
// whichever key the envelope names, so that keys can be rotated while old values are still read.
// Each value is bound to the place where it is kept (see [Place]): moved to another row or field it
// does not open. Where the keys come from, and where sealed values are kept, is its callers' business.
//
// The cipher is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03; golang.org/x/crypto): its 192-bit
// nonces are drawn at random, so no counter has to survive a crash. A key is derived from the
// operator's root key text with HKDF-SHA256 (RFC 5869).
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keybearer/keybearer/secret"
)

// Value is a sealed value: what stores may keep. Its layout is
//
//	version 0x01 | length of key id (1 byte) | key id | nonce (24 bytes) | ciphertext and tag
type Value []byte

const (
	version     = 0x01
	maxKeyID    = 64
	keyPurpose  = "keybearer seal v1"
	maxPlainLen = 1 << 20
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrUnknownKey means that the value was sealed with a key that this keyring does not hold.
	ErrUnknownKey = errors.New("sealed with a key that is not in the keyring")
	// ErrNotAuthentic means that the value was changed, belongs to another place, or was sealed by
	// another key under the same id.
	ErrNotAuthentic = errors.New("sealed value is not authentic")
)

// Key is one root key of an operator.
type Key struct {
	// ID names the key in every value that it seals: 1 to 64 bytes, not a secret.
	ID string
	// Default marks the key that seals new values. Exactly one key of a keyring has it,
	// or the keyring holds one key only.
	Default bool
	// Secret is the root key's text, of any length; at least 32 random characters are advised.
	Secret secret.String
}

// Keyring seals and opens values. It is safe for concurrent use.
type Keyring struct {
	primary string
	keys    map[string]cipher.AEAD
}

// NewKeyring builds a keyring. Errors name the key by its id and never contain its text.
func NewKeyring(keys ...Key) (*Keyring, error) {
	ring := &Keyring{keys: make(map[string]cipher.AEAD, len(keys))}
	for _, k := range keys {
		if k.ID == "" || len(k.ID) > maxKeyID {
			return nil, fmt.Errorf("root key id %q: must have 1 to %d bytes", k.ID, maxKeyID)
		}
		if strings.TrimSpace(k.Secret.Reveal()) == "" {
			return nil, fmt.Errorf("root key %q is empty", k.ID)
		}
		if _, twice := ring.keys[k.ID]; twice {
			return nil, fmt.Errorf("root key id %q is used twice", k.ID)
		}
		derived, err := hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, keyPurpose, chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("deriving root key %q: %w", k.ID, err)
		}
		if ring.keys[k.ID], err = chacha20poly1305.NewX(derived); err != nil {
			return nil, fmt.Errorf("using root key %q: %w", k.ID, err)
		}
		if k.Default || len(keys) == 1 {
			if ring.primary != "" {
				return nil, fmt.Errorf("root keys %q and %q are both marked as default", ring.primary, k.ID)
			}
			ring.primary = k.ID
		}
	}
	if ring.primary == "" {
		return nil, errors.New("no root key is marked as default")
	}
	return ring, nil
}

// Place says where a value is kept, outermost first: kind of row, tenant, the row's own keys, field.
// A value opens only with the Place that it was sealed with.
func Place(parts ...string) []byte {
	var place []byte
	for _, p := range parts { // the lengths keep ("ab", "c") and ("a", "bc") apart
		place = binary.AppendUvarint(place, uint64(len(p)))
		place = append(place, p...)
	}
	return place
}

// Seal encrypts up to 1 MiB with the default key and binds it to a place.
func (r *Keyring) Seal(plain, place []byte) (Value, error) {
	if len(plain) > maxPlainLen {
		return nil, fmt.Errorf("sealing %d bytes: the limit is %d", len(plain), maxPlainLen)
	}
	aead := r.keys[r.primary]
	v := make(Value, 0, 2+len(r.primary)+aead.NonceSize()+len(plain)+aead.Overhead())
	v = append(v, version, byte(len(r.primary)))
	v = append(v, r.primary...)
	head := len(v)
	v = v[:head+aead.NonceSize()]
	if _, err := rand.Read(v[head:]); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return aead.Seal(v, v[head:], plain, bound(v[:head], place)), nil
}

// Open gives back what was sealed at that place. Its errors are [ErrUnknownKey], which names the
// key's id, and [ErrNotAuthentic].
func (r *Keyring) Open(v Value, place []byte) ([]byte, error) {
	id, err := v.KeyID()
	if err != nil {
		return nil, err
	}
	aead, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("key %q: %w", id, ErrUnknownKey)
	}
	head := 2 + len(id)
	if len(v) < head+aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("%d bytes: %w", len(v), ErrNotAuthentic)
	}
	body := v[head+aead.NonceSize():]
	plain, err := aead.Open(nil, v[head:head+aead.NonceSize()], body, bound(v[:head], place))
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", id, ErrNotAuthentic)
	}
	return plain, nil
}

// KeyID names the key that sealed a value, without opening it.
func (v Value) KeyID() (string, error) {
	if len(v) < 2 || v[0] != version || len(v) < 2+int(v[1]) || v[1] == 0 || v[1] > maxKeyID {
		return "", fmt.Errorf("%d bytes: %w", len(v), ErrNotAuthentic)
	}
	return string(v[2 : 2+int(v[1])]), nil
}

// Default is the id of the key that seals new values.
func (r *Keyring) Default() string { return r.primary }

// IDs lists the keys that this keyring can open, sorted.
func (r *Keyring) IDs() []string {
	ids := make([]string, 0, len(r.keys))
	for id := range r.keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// bound is the associated data: the envelope's head, so that version and key id cannot be
// exchanged, and the place.
func bound(head, place []byte) []byte {
	return append(slices.Clip(head), place...)
}
