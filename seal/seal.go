// Package seal keeps small values (tokens, client secrets, verifiers) unreadable at rest.
//
// It owns the keyring and the envelope: a [Keyring] seals with its default key and opens with
// whichever key the envelope names, so that keys can be rotated while old values are still read. Keys
// may be added while the ring is in use.
// Each value is bound to the place where it is kept (see [Place]): moved to another row or field it
// does not open. Where the keys come from, and where sealed values are kept, is its callers' business.
//
// The cipher is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03; golang.org/x/crypto): its 192-bit
// nonces are drawn at random, so no counter has to survive a crash. Each key is derived from its text
// with HKDF-SHA256 (RFC 5869).
package seal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Value is a sealed value: what stores may keep. Its layout is
//
//	version 0x01 | length of key id (1 byte) | key id | nonce (24 bytes) | ciphertext and tag
type Value []byte

const (
	version     = 0x01
	maxKeyID    = 64
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
	now := r.held.Load()
	aead := now.keys[now.primary]
	v := make(Value, 0, 2+len(now.primary)+aead.NonceSize()+len(plain)+aead.Overhead())
	v = append(v, version, byte(len(now.primary)))
	v = append(v, now.primary...)
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
	id, err := v.keyID()
	if err != nil {
		return nil, err
	}
	aead, ok := r.held.Load().keys[string(id)]
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
	id, err := v.keyID()
	return string(id), err
}

func (v Value) keyID() ([]byte, error) {
	if len(v) < 2 || v[0] != version || len(v) < 2+int(v[1]) || v[1] == 0 || v[1] > maxKeyID {
		return nil, fmt.Errorf("%d bytes: %w", len(v), ErrNotAuthentic)
	}
	return v[2 : 2+int(v[1])], nil
}

// Head is how every value begins that the key of that id has sealed, and no other: by it a store finds
// values by their key. The id has 1 to 64 bytes.
func Head(id string) []byte { return append([]byte{version, byte(len(id))}, id...) }

// bound is the associated data: the envelope's head, so that version and key id cannot be
// exchanged, and the place.
func bound(head, place []byte) []byte {
	return append(slices.Clip(head), place...)
}
