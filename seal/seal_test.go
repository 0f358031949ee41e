package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func key(id, text string, primary bool) seal.Key {
	return seal.Key{ID: id, Secret: secret.New(text), Default: primary}
}

func ring(t *testing.T, keys ...seal.Key) *seal.Keyring {
	t.Helper()
	r, err := seal.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedValueOpensOnlyWhereItWasSealed(t *testing.T) {
	r := ring(t, key("k1", "first root key", true))
	alice := seal.Place("connection", "default", "alice", "hooli", "grant")
	v, err := r.Seal([]byte("plain text"), alice)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(v, []byte("plain")) {
		t.Error("the sealed bytes contain the plain text")
	}
	got, err := r.Open(v, alice)
	if err != nil || string(got) != "plain text" {
		t.Fatalf("got %q, %v; want the plain text", got, err)
	}
	for _, other := range [][]byte{
		nil,
		seal.Place("connection", "default", "mallory", "hooli", "grant"),
		seal.Place("connection", "default", "alice", "hooli", "user_info"),
		seal.Place("connection", "default", "alicehooli", "", "grant"),
	} {
		if _, err := r.Open(v, other); !errors.Is(err, seal.ErrNotAuthentic) {
			t.Errorf("opened at another place: got error %v, want ErrNotAuthentic", err)
		}
	}
}

func TestEveryByteOfAValueIsProtected(t *testing.T) {
	r := ring(t, key("k1", "first root key", true), key("k2", "second root key", false))
	place := seal.Place("row")
	v, _ := r.Seal([]byte("plain"), place)
	for i := range v {
		broken := bytes.Clone(v)
		broken[i] ^= 1
		if _, err := r.Open(broken, place); err == nil {
			t.Errorf("byte %d changed and the value still opened", i)
		}
		if _, err := r.Open(v[:i], place); err == nil {
			t.Errorf("cut to %d bytes and the value still opened", i)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	place := seal.Place("row")
	old, _ := ring(t, key("k1", "first root key", true)).Seal([]byte("plain"), place)
	both := ring(t, key("k1", "first root key", false), key("k2", "second root key", true))
	if got, err := both.Open(old, place); err != nil || string(got) != "plain" {
		t.Fatalf("old value under the new default: got %q, %v", got, err)
	}
	fresh, _ := both.Seal([]byte("plain"), place)
	if id, _ := fresh.KeyID(); id != "k2" {
		t.Errorf("new value sealed with %q, want k2", id)
	}
	_, err := ring(t, key("k2", "second root key", true)).Open(old, place)
	if !errors.Is(err, seal.ErrUnknownKey) || !strings.Contains(err.Error(), "k1") {
		t.Errorf("got %v, want ErrUnknownKey that names k1", err)
	}
	if _, err := ring(t, key("k1", "another text", true)).Open(old, place); !errors.Is(err, seal.ErrNotAuthentic) {
		t.Errorf("another key under the same id: got %v, want ErrNotAuthentic", err)
	}
}

func TestKeyringRefusesBadKeys(t *testing.T) {
	for name, keys := range map[string][]seal.Key{
		"none":         nil,
		"no default":   {key("a", "x", false), key("b", "y", false)},
		"two defaults": {key("a", "x", true), key("b", "y", true)},
		"same id":      {key("a", "x", true), key("a", "y", false)},
		"empty":        {key("a", " \n", true)},
		"no id":        {key("", "x", true)},
		"long id":      {key(strings.Repeat("i", 65), "x", true)},
	} {
		if _, err := seal.NewKeyring(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, err := seal.NewKeyring(key("k1", "first root key", true))
	if err != nil {
		f.Fatal(err)
	}
	v, _ := r.Seal([]byte("plain"), nil)
	f.Add([]byte(v))
	f.Add([]byte{1, 2, 'k', '1'})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Only what this key sealed opens, and that was one text.
		if got, err := r.Open(b, nil); err == nil && string(got) != "plain" {
			t.Errorf("a forged value opened as %d bytes", len(got))
		}
	})
}
