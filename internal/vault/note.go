package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/keybearer/keybearer"
)

const (
	noteFile = "vault.json"
	// noteVersion is of the form of the note. Programs refuse those of a higher one.
	noteVersion = 1
	// maxNote bounds the note, in bytes, and maxEntries its entries: one, or two while a rekey is under way.
	maxNote    = 64 << 10
	maxEntries = 16
)

// note is what vault.json says: where the root keys are kept. It has no secret in it. Which of the keys is
// in use the database knows: its data keys name the root key that they are sealed with.
type note struct {
	Version int     `json:"version"`
	Keys    []entry `json:"keys"`
}

// entry is about one root key.
type entry struct {
	// ID is the key's fingerprint.
	ID      string  `json:"id"`
	Custody Custody `json:"custody"`
	// Sealed is the key under a passphrase, where it is kept so.
	Sealed *sealedKey `json:"sealed,omitempty"`
}

// readNote gives what vault.json says; nothing where there is none yet.
func (v *Vault) readNote() (note, error) {
	f, err := os.Open(v.path(noteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	if err != nil {
		return note{}, away("reading "+v.path(noteFile), err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err != nil {
		return note{}, away("reading "+v.path(noteFile), err)
	}
	n, err := parseNote(text)
	if err != nil {
		return note{}, keybearer.Errorf(keybearer.BadRequest, "the file %s %w", v.path(noteFile), err)
	}
	return n, nil
}

// parseNote reads a note. Its errors go on where the name of the file ended.
func parseNote(text []byte) (note, error) {
	var n note
	if len(text) > maxNote {
		return note{}, errors.New("is not the vault's any more: it is too large. Put it back from a backup; nothing was changed")
	}
	// The version first: a newer note may have other fields.
	var head struct {
		Version int `json:"version"`
	}
	err := json.Unmarshal(text, &head)
	if err == nil && head.Version > noteVersion {
		return note{}, keybearer.Errorf(keybearer.BadRequest, "was written by a newer Keybearer (its version is %d, this program knows %d): "+
			"run that version or a later one; nothing was changed", head.Version, noteVersion)
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&n)
	}
	if err == nil && !n.valid() {
		err = errors.New("something is missing in it")
	}
	if err != nil {
		return note{}, keybearer.Errorf(keybearer.BadRequest, "is damaged (%w): put it back from a backup; it says where the key of the vault is kept. Nothing was changed", err)
	}
	return n, nil
}

func (n note) valid() bool {
	if n.Version != noteVersion || len(n.Keys) == 0 || len(n.Keys) > maxEntries {
		return false
	}
	for _, e := range n.Keys {
		if !validID(e.ID) || !e.Custody.known() || (e.Custody == Passphrase) != (e.Sealed != nil) {
			return false
		}
		if e.Sealed != nil && e.Sealed.check() != nil {
			return false
		}
	}
	return true
}

// writeNote stores the note with these entries.
func (v *Vault) writeNote(keys []entry) error {
	text, err := json.MarshalIndent(note{Version: noteVersion, Keys: keys}, "", "  ")
	if err != nil {
		return err
	}
	return v.replace(noteFile, append(text, '\n'))
}

// find gives what the note says of a key.
func (n note) find(id string) (entry, bool) {
	i := slices.IndexFunc(n.Keys, func(e entry) bool { return e.ID == id })
	if i < 0 {
		return entry{}, false
	}
	return n.Keys[i], true
}
