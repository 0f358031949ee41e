//go:build unix

package vault_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/secret"
)

func TestKeyThatCannotBeHadIsToldAndNeverMadeAgain(t *testing.T) {
	for name, c := range map[string]struct {
		in   vault.Custody
		do   func(*testing.T, *home)
		kind keybearer.Kind
		says string
	}{
		"the keyring is locked": {vault.Keyring, func(_ *testing.T, h *home) { h.Keys.Fails = "the collection is locked" }, keybearer.Unavailable, "unlock it"},
		"the keyring has lost it": {vault.Keyring, func(t *testing.T, h *home) {
			for _, name := range h.Keys.items(t) {
				remove(t, filepath.Join(h.Keys.Dir, name))
			}
		}, keybearer.NotFound, "not in the keyring any more"},
		"the keyring has another": {vault.Keyring, func(t *testing.T, h *home) {
			for _, name := range h.Keys.items(t) {
				write(t, filepath.Join(h.Keys.Dir, name), secondKey)
			}
		}, keybearer.PermissionDenied, "put that one back"},
		"another passphrase":          {vault.Passphrase, func(_ *testing.T, h *home) { h.Says = []string{"canary of a guess"} }, keybearer.PermissionDenied, "not the passphrase"},
		"no key in the environment":   {vault.Environment, func(_ *testing.T, h *home) { delete(h.Env, vault.KeyVariable) }, keybearer.NotFound, vault.KeyVariable + " is not set"},
		"another in the environment":  {vault.Environment, func(_ *testing.T, h *home) { h.Env[vault.KeyVariable] = secondKey }, keybearer.PermissionDenied, "another one"},
		"no key in the environment's": {vault.Environment, func(_ *testing.T, h *home) { h.Env[vault.KeyVariable] = "canary" }, keybearer.PermissionDenied, "openssl rand"},
		"no file":                     {vault.File, func(t *testing.T, h *home) { remove(t, h.path("vault.key")) }, keybearer.NotFound, "vault.key is missing"},
		"another file":                {vault.File, func(t *testing.T, h *home) { write(t, h.path("vault.key"), secondKey) }, keybearer.PermissionDenied, "another one"},
		"a bad file":                  {vault.File, func(t *testing.T, h *home) { write(t, h.path("vault.key"), "canary") }, keybearer.PermissionDenied, "damaged"},
		"no note":                     {vault.File, func(t *testing.T, h *home) { remove(t, h.path("vault.json")) }, keybearer.NotFound, "vault.json is missing"},
		"a foreign note": {vault.File, func(t *testing.T, h *home) {
			write(t, h.path("vault.json"), made(t, vault.Environment).files(t)["vault.json"])
		}, keybearer.NotFound, "do not belong together"},
		"a newer note": {vault.File, func(t *testing.T, h *home) {
			write(t, h.path("vault.json"), `{"version": 2, "secrets": []}`)
		}, keybearer.BadRequest, "newer Keybearer"},
		"a damaged note": {vault.File, func(t *testing.T, h *home) { write(t, h.path("vault.json"), `{"version": 1, "ke`) }, keybearer.BadRequest, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			h := made(t, c.in)
			before, keys := h.files(t), len(h.Keys.items(t))
			c.do(t, h)
			h.refused(t, c.kind, c.says)
			// Nor does an explicit custody make one.
			cfg := h.config()
			cfg.Custody = vault.File
			if v, err := vault.Open(t.Context(), cfg); err == nil {
				shut(t, v)
				t.Error("it opened with a new key")
			}
			if after := len(h.Keys.items(t)); after > keys {
				t.Errorf("the keyring has %d keys, and had %d", after, keys)
			}
			// What was there opens it again.
			for name, text := range before {
				write(t, h.path(name), text)
			}
			if c.in != vault.Keyring || h.Keys.Fails != "" {
				h.Keys.Fails = ""
				h.former()
				wantToken(t, h.open(t))
			}
		})
	}
}

func TestPassphraseIsAskedForNoMoreThanNeeded(t *testing.T) {
	h := newHome(t)
	count := func(want int) func(*vault.Config) {
		asked, ask := 0, h.config().Ask
		t.Cleanup(func() {
			if asked != want {
				t.Errorf("the person was asked %d times, want %d", asked, want)
			}
		})
		return func(cfg *vault.Config) {
			cfg.Ask = func(ctx context.Context, prompt string) (secret.String, error) {
				asked++
				return ask(ctx, prompt)
			}
		}
	}
	shut(t, h.open(t, with(vault.Passphrase), count(1)))
	shut(t, h.open(t, count(1)))
}

func TestPassphraseNeedsSomebodyToAsk(t *testing.T) {
	h := made(t, vault.Passphrase)
	cfg := h.config()
	cfg.Ask = nil
	if _, err := vault.Open(t.Context(), cfg); !errors.Is(err, keybearer.PermissionDenied) || !strings.Contains(err.Error(), "no terminal") {
		t.Errorf("got %v, want it to say that there is no terminal", err)
	}
}

// hanging is a keyring that waits for the person.
type hanging struct {
	vault.Keychain
	until chan struct{}
}

func (h hanging) Get(service, name string) (string, error) {
	<-h.until
	return "", errors.New("nobody came")
}

func TestKeyringThatHangsIsNotWaitedForLong(t *testing.T) {
	h := made(t, vault.Keyring)
	cfg := h.config()
	until := make(chan struct{})
	defer close(until)
	cfg.Keychain, cfg.KeychainTime = hanging{&h.Keys, until}, time.Millisecond
	_, err := vault.Open(t.Context(), cfg)
	if !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "waiting for you to unlock it") {
		t.Errorf("got %v, want it to say that the keyring did not answer", err)
	}
}

// A first use that was killed has sealed nothing: the key that it left is used.
func TestFirstUseIsKilled(t *testing.T) {
	for _, step := range vault.Steps()[:2] {
		for _, in := range []vault.Custody{vault.Keyring, vault.File, vault.Environment} {
			h := newHome(t)
			ctx, cancel := context.WithCancel(t.Context())
			cfg := h.config()
			cfg.Custody = in
			vault.AtStep(&cfg, func(s string) {
				if s == step {
					cancel() // nothing is stored in the database from here on
				}
			})
			if _, err := vault.Open(ctx, cfg); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s, %s: got %v, want it broken off", in, step, err)
			}
			v := h.open(t, with(in))
			fill(t, v)
			wantToken(t, v)
			shut(t, v)
			wantToken(t, h.open(t))
		}
	}
}

func TestKeysOfManySpellingsAreOne(t *testing.T) {
	raw := []byte("ab\xff\xfe--__ is thirty-two bytes long!")[:32]
	want, err := vault.ParseKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		base64.URLEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)), "  " + base64.StdEncoding.EncodeToString(raw) + "\r\n",
	} {
		if got, err := vault.ParseKey(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "a passphrase of thirty-two bytes", base64.StdEncoding.EncodeToString(raw[:31]), hex.EncodeToString(append(raw, 1))} {
		if got, err := vault.ParseKey(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func FuzzNote(f *testing.F) {
	h := made(f, vault.Passphrase)
	f.Add([]byte(h.files(f)["vault.json"]))
	f.Add([]byte(made(f, vault.File).files(f)["vault.json"]))
	f.Add([]byte(`{"version":1,"keys":[{"id":"vault-0123456789abcdef","custody":"passphrase","sealed":{"kdf":"argon2id","memory_kib":4294967295,"passes":3,"threads":2,"salt":"","key":""}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := vault.CheckNote(text)
		if err == nil {
			return
		}
		if !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("got %v, want bad_request", err)
		}
	})
}

func TestNoteIsBounded(t *testing.T) {
	good := made(t, vault.Passphrase).files(t)["vault.json"]
	if err := vault.CheckNote([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"much memory":     {`"memory_kib": 65536`, `"memory_kib": 4194304`},
		"little memory":   {`"memory_kib": 65536`, `"memory_kib": 8`},
		"many passes":     {`"passes": 3`, `"passes": 300`},
		"no passes":       {`"passes": 3`, `"passes": 0`},
		"no threads":      {`"threads": 2`, `"threads": 0`},
		"another kdf":     {`argon2id`, `md5`},
		"another custody": {`"custody": "passphrase"`, `"custody": "file"`},
		"a short salt":    {`"salt": "`, `"salt": "", "salt2": "`},
		"a path as id":    {`"id": "vault-`, `"id": "../vault-`},
		"unknown field":   {`"version": 1`, `"version": 1, "more": true`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: %q is not in the note", name, change[0])
		}
		if err := vault.CheckNote([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}
