package vault

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/keybearer/keybearer"
)

const (
	keyFile = "vault.key"
	// nextKeyFile holds the new key while a rekey is under way. It takes the place of the other at its end.
	nextKeyFile = "vault.key.next"
	// maxKeyFile bounds the file, in bytes.
	maxKeyFile = 1 << 10
)

// readKeyFile gives the key in a file; the error is fs.ErrNotExist where there is none.
func (v *Vault) readKeyFile(name string) (rootKey, error) {
	f, err := os.Open(v.path(name))
	if err != nil {
		return rootKey{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return rootKey{}, err
	}
	return parseRootKey(string(text))
}

// fileKey is the key of that id, in either file.
func (v *Vault) fileKey(id string) (rootKey, error) {
	k, err := v.readKeyFile(keyFile)
	if err == nil && k.id == id {
		return k, nil
	}
	if next, err := v.readKeyFile(nextKeyFile); err == nil && next.id == id {
		return next, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rootKey{}, keybearer.Errorf(keybearer.NotFound,
			"the file %s is missing, with which the vault beside it was sealed: put it back from a backup; nothing was changed", v.path(keyFile))
	case err == nil:
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied,
			"the file %s is another one than the vault beside it was sealed with: put the former one back from a backup; nothing was changed", v.path(keyFile))
	case errors.Is(err, errNoKey):
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied,
			"the file %s is damaged, with which the vault beside it was sealed: put it back from a backup; nothing was changed", v.path(keyFile))
	}
	return rootKey{}, away("reading the key of the vault", err)
}

// putFileKey writes the key beside one that may be there.
func (v *Vault) putFileKey(k rootKey) error {
	name := keyFile
	if there, err := v.readKeyFile(keyFile); err == nil && there.id == k.id {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		name = nextKeyFile
	}
	return v.replace(name, []byte(k.text.Reveal()+"\n"))
}

// removeFileKey removes the key of that id, in whichever file it is.
func (v *Vault) removeFileKey(id string) error {
	for _, name := range []string{keyFile, nextKeyFile} {
		if k, err := v.readKeyFile(name); err != nil || k.id != id {
			continue
		}
		if err := errors.Join(os.Remove(v.path(name)), v.syncFolder()); err != nil {
			return away("removing the former key of the vault", err)
		}
	}
	return nil
}

// placeFileKey gives the key of that id, if it is in the file of the next one, the place that is free by now.
// Another one there is left from a rekey that was broken off, and in use nowhere.
func (v *Vault) placeFileKey(id string) error {
	next, err := v.readKeyFile(nextKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && next.id == id:
		err = os.Rename(v.path(nextKeyFile), v.path(keyFile))
	default:
		err = os.Remove(v.path(nextKeyFile))
	}
	if err = errors.Join(err, v.syncFolder()); err != nil {
		return away("putting the key of the vault into its place", err)
	}
	return nil
}
