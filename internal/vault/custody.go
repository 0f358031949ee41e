package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Custody is a way to keep the root key of a vault.
type Custody string

// The custodies.
const (
	// Keyring is the operating system's keyring, which opens with the person's session.
	Keyring Custody = "keyring"
	// Passphrase keeps the key in vault.json, sealed with what the person types each time.
	Passphrase Custody = "passphrase"
	// Environment is the variable KEYBEARER_VAULT_KEY: somebody else keeps the key.
	Environment Custody = "environment"
	// File is the file vault.key beside the database, for its owner only.
	File Custody = "file"
)

// ParseCustody reads the name of a custody. Kind: BadRequest.
func ParseCustody(name string) (Custody, error) {
	if c := Custody(name); c.known() {
		return c, nil
	}
	return "", keybearer.Errorf(keybearer.BadRequest, "a vault's key cannot be kept in %q: use %s, %s, %s or %s", name, Keyring, Passphrase, Environment, File)
}

func (c Custody) known() bool {
	return c == Keyring || c == Passphrase || c == Environment || c == File
}

const (
	// KeyVariable holds the root key where the custody is [Environment].
	KeyVariable = "KEYBEARER_VAULT_KEY"
	// NewKeyVariable holds the one that a rekey to the [Environment] puts in its place.
	NewKeyVariable = "KEYBEARER_VAULT_NEW_KEY"

	keySize = 32
	// fingerprintOf keeps the fingerprint apart from whatever else is made of the key.
	fingerprintOf = "keybearer vault root key v1\x00"
)

// rootKey is a vault's root key: 32 random bytes.
type rootKey struct {
	// id is the key's fingerprint: by it a wrong key is known before anything is tried with it.
	id string
	// text is the key in base64.
	text secret.String
}

func (k rootKey) seal() seal.Key { return seal.Key{ID: k.id, Secret: k.text, Default: true} }

func newRootKey() rootKey {
	raw := make([]byte, keySize)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	return rootKeyOf(raw)
}

func rootKeyOf(raw []byte) rootKey {
	sum := sha256.Sum256(append([]byte(fingerprintOf), raw...))
	return rootKey{id: "vault-" + hex.EncodeToString(sum[:8]), text: secret.New(base64.StdEncoding.EncodeToString(raw))}
}

func validID(id string) bool {
	return regexp.MustCompile(`^vault-[0-9a-f]{16}$`).MatchString(id)
}

// errNoKey is of a text that is no root key.
var errNoKey = errors.New("it is not 32 random bytes in base64 or hexadecimal, as `openssl rand -base64 32` prints them")

// parseRootKey reads 32 bytes in base64, of either alphabet, or in hexadecimal.
func parseRootKey(text string) (rootKey, error) {
	text = strings.TrimSpace(text)
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == keySize {
		return rootKeyOf(raw), nil
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) != keySize {
		return rootKey{}, errNoKey
	}
	return rootKeyOf(raw), nil
}

// fetch gets a root key from where it is kept. What it gives is that key and no other.
func (v *Vault) fetch(ctx context.Context, e entry) (rootKey, error) {
	switch e.Custody {
	case Keyring:
		return v.keychainKey(ctx, e.ID)
	case Passphrase:
		return v.passphraseKey(ctx, e)
	case Environment:
		return v.environmentKey(e.ID)
	}
	return v.fileKey(e.ID)
}

// keep puts a root key where it is to be kept, and notes that beside what is in the note. The note comes first: a key that
// nobody knows of would stay in a keyring for ever.
func (v *Vault) keep(ctx context.Context, n note, k rootKey, in Custody) error {
	e := entry{ID: k.id, Custody: in}
	if in == Passphrase {
		var err error
		if e.Sealed, err = v.sealedByPassphrase(ctx, k); err != nil {
			return err
		}
	}
	if err := v.writeNote(append(slices.Clip(n.Keys), e)); err != nil {
		return err
	}
	v.cfg.step(stepNoted)
	if err := v.put(ctx, k, in); err != nil {
		return errors.Join(err, v.takeBack(n))
	}
	v.cfg.step(stepStored)
	return nil
}

func (v *Vault) put(ctx context.Context, k rootKey, in Custody) error {
	switch in {
	case Keyring:
		return v.putKeychainKey(ctx, k)
	case File:
		return v.putFileKey(k)
	}
	return nil // it is in the note, or with the person
}

// takeBack makes the note what it was.
func (v *Vault) takeBack(n note) error {
	if len(n.Keys) > 0 {
		return v.writeNote(n.Keys)
	}
	return os.Remove(v.path(noteFile))
}

// forget removes a root key from where it was kept. One that is gone is forgotten.
func (v *Vault) forget(ctx context.Context, e entry) error {
	switch e.Custody {
	case Keyring:
		return v.removeKeychainKey(ctx, e.ID)
	case File:
		return v.removeFileKey(e.ID)
	case Environment:
		v.cfg.Log.Info("the former key of the vault is not needed any more: take it out of "+KeyVariable, "key", e.ID)
	}
	return nil
}

// environmentKey is the key of the environment. In the middle of a rekey there are two.
func (v *Vault) environmentKey(id string) (rootKey, error) {
	found := false
	for _, name := range []string{KeyVariable, NewKeyVariable} {
		text, _ := v.cfg.Env(name)
		if text == "" {
			continue
		}
		k, err := parseRootKey(text)
		if err != nil {
			return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied, "%s is no key of a vault: %w. Nothing was changed", name, err)
		}
		if k.id == id {
			return k, nil
		}
		found = true
	}
	if found {
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied,
			"the key in %s is another one than the vault in %s was sealed with: set the former one; nothing was changed", KeyVariable, v.dir)
	}
	return rootKey{}, keybearer.Errorf(keybearer.NotFound,
		"the vault in %s was sealed with a key from the environment, and %s is not set: set it; nothing was changed", v.dir, KeyVariable)
}

// givenKey is the key that a variable holds.
func (v *Vault) givenKey(name string) (rootKey, error) {
	text, _ := v.cfg.Env(name)
	if text == "" {
		return rootKey{}, keybearer.Errorf(keybearer.BadRequest, "%s is not set: put 32 random bytes in base64 there, as `openssl rand -base64 32` prints them", name)
	}
	k, err := parseRootKey(text)
	if err != nil {
		return rootKey{}, keybearer.Errorf(keybearer.BadRequest, "%s is no key of a vault: %w", name, err)
	}
	return k, nil
}
