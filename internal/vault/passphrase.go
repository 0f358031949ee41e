package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// The cost of a guess (RFC 9106, section 4): the second recommended option with half the lanes. About a
// quarter of a second, and 64 MiB.
const (
	argonMemory  = 64 << 10 // KiB
	argonPasses  = 3
	argonThreads = 2
	saltSize     = 16
)

// The bounds of what a note may ask for: who changes it must not make us spend more than this, and a
// truncated salt must not pass for one.
const (
	minMemory, maxMemory   = 8 << 10, 1 << 20 // KiB
	maxPasses, maxThreads  = 16, 16
	maxSalt, maxSealedText = 64, 1 << 10
)

// minPassphrase is how many bytes a new passphrase has at least.
const minPassphrase = 8

const argon2id = "argon2id"

// sealedKey is a root key that is sealed with a key made of a passphrase, and how that is made.
type sealedKey struct {
	KDF     string     `json:"kdf"`
	Memory  uint32     `json:"memory_kib"`
	Passes  uint32     `json:"passes"`
	Threads uint8      `json:"threads"`
	Salt    []byte     `json:"salt"`
	Key     seal.Value `json:"key"`
}

func (s *sealedKey) check() error {
	if s.KDF != argon2id || s.Memory < minMemory || s.Memory > maxMemory || s.Passes < 1 || s.Passes > maxPasses ||
		s.Threads < 1 || s.Threads > maxThreads || len(s.Salt) < saltSize || len(s.Salt) > maxSalt || len(s.Key) > maxSealedText {
		return fmt.Errorf("the parameters of the passphrase are out of bounds")
	}
	return nil
}

// ring is what seals the root key. The text of the passphrase is used as it is typed.
func (s *sealedKey) ring(passphrase secret.String) (*seal.Keyring, error) {
	derived := argon2.IDKey([]byte(passphrase.Reveal()), s.Salt, s.Passes, s.Memory, s.Threads, keySize)
	return seal.NewKeyring(seal.Key{ID: string(Passphrase), Secret: secret.New(base64.StdEncoding.EncodeToString(derived))})
}

// place binds the sealed key to its id and to the cost: who lowers that does not make it open.
func (s *sealedKey) place(id string) []byte {
	return seal.Place("vault", id, s.KDF, fmt.Sprint(s.Memory, s.Passes, s.Threads))
}

// passphraseKey asks for the passphrase.
func (v *Vault) passphraseKey(ctx context.Context, e entry) (rootKey, error) {
	if v.cfg.Ask == nil {
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied, "the vault in %s opens with a passphrase, and there is no terminal to ask for it: "+
			"run this in one, or keep the key elsewhere with: keybearer rekey", v.dir)
	}
	passphrase, err := v.cfg.Ask(ctx, "passphrase of the vault")
	if err != nil {
		return rootKey{}, err
	}
	ring, err := e.Sealed.ring(passphrase)
	if err != nil {
		return rootKey{}, err
	}
	plain, err := ring.Open(e.Sealed.Key, e.Sealed.place(e.ID))
	if err != nil {
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied, "this is not the passphrase of the vault in %s: try again; nothing was changed", v.dir)
	}
	k, err := parseRootKey(string(plain))
	if err != nil || k.id != e.ID {
		return rootKey{}, keybearer.Errorf(keybearer.BadRequest, "the file %s is damaged: put it back from a backup; nothing was changed", v.path(noteFile))
	}
	return k, nil
}

// sealedByPassphrase asks for a new passphrase and seals a key with it.
func (v *Vault) sealedByPassphrase(ctx context.Context, k rootKey) (*sealedKey, error) {
	if v.cfg.Ask == nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "there is no terminal to ask for a passphrase: run this in one, or choose another custody")
	}
	passphrase, err := v.cfg.Ask(ctx, "new passphrase of the vault")
	if err != nil {
		return nil, err
	}
	if len(passphrase.Reveal()) < minPassphrase {
		return nil, keybearer.Errorf(keybearer.BadRequest, "a passphrase needs %d characters at least: four or five random words are a good one", minPassphrase)
	}
	s := &sealedKey{KDF: argon2id, Memory: argonMemory, Passes: argonPasses, Threads: argonThreads, Salt: make([]byte, saltSize)}
	_, _ = rand.Read(s.Salt) // never fails since Go 1.24
	ring, err := s.ring(passphrase)
	if err != nil {
		return nil, err
	}
	s.Key, err = ring.Seal([]byte(k.text.Reveal()), s.place(k.id))
	return s, err
}
