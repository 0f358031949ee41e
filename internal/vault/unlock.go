package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/seal"
)

// unlock opens the data keys with the root key that they are sealed with, or makes both for a new vault.
func (v *Vault) unlock(ctx context.Context) error {
	found, e, err := v.openKeys(ctx)
	if err != nil {
		return err
	}
	if found.Empty() {
		if err := v.alone(ctx, func() error { return v.create(ctx) }); err != nil {
			return err
		}
		if found, e, err = v.openKeys(ctx); err != nil {
			return err
		}
	}
	v.custody.Store(e.Custody)
	v.keys, err = datakey.New(ctx, datakey.Config{
		Store: v.db, Words: v.words(), Log: v.cfg.Log, Now: v.cfg.Now, Believe: -1, Root: v.rootMadeSince,
	}, found)
	return err
}

// openKeys opens the data keys that are there. While somebody replaces the root key, what was read of it may be
// out of date: then it is read again.
func (v *Vault) openKeys(ctx context.Context) (datakey.Found, entry, error) {
	var failed error
	for last := ""; ; {
		id, err := v.usedRoot(ctx)
		switch {
		case err != nil || id == "":
			return datakey.Found{}, entry{}, err
		case id == last: // nobody has replaced it since
			return datakey.Found{}, entry{}, failed
		}
		var (
			found datakey.Found
			e     entry
		)
		if found, e, failed = v.openWith(ctx, id); failed == nil {
			return found, e, nil
		}
		last = id
	}
}

// openWith opens the data keys with the root key of that id. A rekey notes a key before the database names it,
// so that it is found here.
func (v *Vault) openWith(ctx context.Context, id string) (found datakey.Found, e entry, err error) {
	n, err := v.readNote()
	if err != nil {
		return found, e, err
	}
	e, known := n.find(id)
	if !known {
		return found, e, v.unknownRoot(n, id)
	}
	key, err := v.fetch(ctx, e)
	if err != nil {
		return found, e, err
	}
	found, err = datakey.Find(ctx, v.db, []seal.Key{key.seal()}, v.words())
	return found, e, err
}

// usedRoot is the id of the root key that the data keys are sealed with, or "" where there are none.
func (v *Vault) usedRoot(ctx context.Context) (string, error) {
	stored, err := v.db.DataKeys(ctx)
	if err != nil || len(stored) == 0 {
		return "", err
	}
	id, err := stored[len(stored)-1].Sealed.KeyID()
	if err != nil {
		return "", keybearer.Errorf(keybearer.BadRequest, "the vault %s is damaged: a key in it is not whole (%w). Put it back from a backup; nothing was changed", v.path(databaseFile), err)
	}
	return id, nil
}

func (v *Vault) unknownRoot(n note, id string) error {
	if len(n.Keys) == 0 {
		return keybearer.Errorf(keybearer.NotFound, "the file %s is missing, which says where the key of the vault is kept: put it back from a backup; nothing was changed", v.path(noteFile))
	}
	return keybearer.Errorf(keybearer.NotFound, "the files %s and %s do not belong together: the vault was sealed with a key %q that the other does not know. "+
		"Put both back from the same backup; nothing was changed", v.path(databaseFile), v.path(noteFile), id)
}

// words are what to tell of keys that do not fit together. That the root key is the right one is known from its
// fingerprint before.
func (v *Vault) words() datakey.Words {
	broken := func(id string) error {
		return keybearer.Errorf(keybearer.BadRequest, "a key in the vault %s does not open with its root key %q: it is damaged. Put the vault back from a backup; nothing was changed",
			v.path(databaseFile), id)
	}
	return datakey.Words{
		None: func([]string) error { return nil }, Lost: broken, Wrong: broken,
		Unopened: "the vault was given another key meanwhile: start this command again", Kept: "the vault",
	}
}

// rootMadeSince gets the root key that a rekey in another process has made. Nobody is asked for it.
func (v *Vault) rootMadeSince(ctx context.Context, id string) (seal.Key, error) {
	n, err := v.readNote()
	if err != nil {
		return seal.Key{}, err
	}
	e, known := n.find(id)
	switch {
	case !known:
		return seal.Key{}, v.unknownRoot(n, id)
	case e.Custody == Passphrase:
		return seal.Key{}, keybearer.Errorf(keybearer.PermissionDenied, "it opens with a new passphrase")
	}
	key, err := v.fetch(ctx, e)
	return key.seal(), err
}

// create makes the root key and the first data key, in its turn. What was left by somebody who was killed
// here is used.
func (v *Vault) create(ctx context.Context) error {
	if id, err := v.usedRoot(ctx); err != nil || id != "" {
		return err // somebody was faster
	}
	n, err := v.readNote()
	if err != nil {
		return err
	}
	key, err := v.leftKey(ctx, n)
	if errors.Is(err, keybearer.NotFound) { // and nothing is sealed with it
		key, err = v.firstKey(ctx)
	}
	if err != nil {
		return err
	}
	_, err = datakey.CreateFirst(ctx, v.db, []seal.Key{key.seal()}, v.cfg.Now())
	return err
}

// leftKey is a root key that was made before, and has sealed nothing yet: by somebody who was killed, or for
// a database that was removed. NotFound: there is none, or another custody is wanted.
func (v *Vault) leftKey(ctx context.Context, n note) (rootKey, error) {
	if len(n.Keys) == 0 || v.cfg.Custody != "" && n.Keys[0].Custody != v.cfg.Custody {
		return rootKey{}, keybearer.Errorf(keybearer.NotFound, "there is no key yet")
	}
	return v.fetch(ctx, n.Keys[0])
}

// firstKey makes the root key of a new vault and puts it into its custody.
func (v *Vault) firstKey(ctx context.Context) (rootKey, error) {
	in := v.cfg.Custody
	if in == "" {
		in = Keyring
		if text, _ := v.cfg.Env(KeyVariable); text != "" {
			in = Environment
		}
	}
	key, err := v.firstKeyIn(ctx, in)
	if err != nil && v.cfg.Custody == "" && in == Keyring && ctx.Err() == nil {
		v.cfg.Log.Info("the keyring of this system cannot be used: the key of the vault is kept in a file", "file", v.path(keyFile), "error", err)
		return v.firstKeyIn(ctx, File)
	}
	return key, err
}

func (v *Vault) firstKeyIn(ctx context.Context, in Custody) (rootKey, error) {
	key, err := newRootKey(), error(nil)
	switch in {
	case Environment:
		key, err = v.givenKey(KeyVariable)
	case File:
		key, err = v.keyBefore()
	}
	if err != nil {
		return rootKey{}, err
	}
	return key, v.keep(ctx, note{}, key, in)
}

// keyBefore is the key in the file, if somebody who was killed has left one there, or a new one.
func (v *Vault) keyBefore() (rootKey, error) {
	key, err := v.readKeyFile(keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newRootKey(), nil
	case err != nil:
		return rootKey{}, fmt.Errorf("a file %s is there and no vault beside it: move it away. %w", v.path(keyFile), err)
	}
	return key, nil
}
