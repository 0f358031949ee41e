//go:build unix

package vault_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/secret"
)

const newPassphrase = "canary of another battery"

// newKeys makes the person give new keys from the next question on, after the present passphrase.
func (h *home) newKeys(from, to vault.Custody) {
	h.Env[vault.NewKeyVariable] = secondKey
	switch {
	case from == vault.Passphrase && to == vault.Passphrase:
		h.Says = []string{passphrase, newPassphrase}
	case to == vault.Passphrase:
		h.Says = []string{newPassphrase}
	}
}

// former gives the keys from before a rekey.
func (h *home) former() {
	delete(h.Env, vault.NewKeyVariable)
	h.Env[vault.KeyVariable], h.Says = firstKey, []string{passphrase}
}

// after is what the person has and types after a rekey to that custody.
func (h *home) after(to vault.Custody) {
	h.former()
	if to == vault.Environment {
		h.Env[vault.KeyVariable] = secondKey
	}
	if to == vault.Passphrase {
		h.Says = []string{newPassphrase}
	}
}

func TestRekeyToEachCustody(t *testing.T) {
	for _, from := range custodies() {
		for _, to := range custodies() {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				h := made(t, from)
				before := h.files(t)
				h.Says = []string{passphrase}
				v := h.open(t)
				h.newKeys(from, to)
				if err := v.Rekey(t.Context(), to); err != nil {
					t.Fatal(err)
				}
				wantToken(t, v)
				if got := v.Custody(); got != to {
					t.Errorf("the custody is %s, want %s", got, to)
				}
				wantSealed(t, v, "data:2")
				shut(t, v)

				h.after(to)
				v = h.open(t)
				wantToken(t, v)
				shut(t, v)
				h.wantOneKey(t, to)
				if before["vault.key"] != "" && h.files(t)["vault.key"] == before["vault.key"] {
					t.Error("the former key is still in its file")
				}
				h.wantNoPlainText(t, firstKey, secondKey, newPassphrase, strings.TrimSpace(before["vault.key"]))
			})
		}
	}
}

// wantSealed wants every value to be sealed with a data key.
func wantSealed(t *testing.T, v *vault.Vault, key string) {
	t.Helper()
	values := 0
	for value, err := range v.Store().Sealed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if value.Table == "data_keys" {
			continue
		}
		values++
		if id, err := value.Value.KeyID(); err != nil || id != key {
			t.Errorf("%s %s is sealed with %s, %v; want %s", value.Table, value.Row, id, err, key)
		}
	}
	if values < 2 {
		t.Errorf("%d values were looked at, want the grant and the client secret", values)
	}
}

// wantOneKey wants no key anywhere but the one of that custody.
func (h *home) wantOneKey(t *testing.T, in vault.Custody) {
	t.Helper()
	if got := strings.Count(h.files(t)["vault.json"], `"id"`); got != 1 {
		t.Errorf("vault.json names %d keys, want one", got)
	}
	if got, want := len(h.Keys.items(t)), map[bool]int{true: 1}[in == vault.Keyring]; got != want {
		t.Errorf("the keyring has %d keys, want %d", got, want)
	}
	if _, err := os.Stat(h.path("vault.key")); (err == nil) != (in == vault.File) {
		t.Errorf("looking for the key's file: %v", err)
	}
	if _, err := os.Stat(h.path("vault.key.next")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking for a file of the next key: %v", err)
	}
}

// rekey is done by a process that may be killed at a step.
func rekey(ctx context.Context, h *home) error {
	cfg := h.config()
	vault.AtStep(&cfg, func(step string) {
		if step == h.Kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		return err
	}
	h.newKeys("", h.To)
	return errors.Join(v.Rekey(ctx, h.To), v.Close(ctx))
}

func TestRekeyIsKilledAtEachStep(t *testing.T) {
	ways := []struct{ from, to vault.Custody }{
		{vault.File, vault.File},
		{vault.File, vault.Keyring},
		{vault.Keyring, vault.File},
		{vault.Keyring, vault.Keyring},
		{vault.Environment, vault.Environment},
		{vault.File, vault.Passphrase},
	}
	for _, way := range ways {
		for _, step := range vault.Steps() {
			t.Run(string(way.from)+" to "+string(way.to)+" at "+step, func(t *testing.T) {
				h := made(t, way.from)
				h.To, h.Kill = way.to, step
				p := start(t, "rekey", h)
				if err := p.Wait(); p.ProcessState.Success() || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("the process ended with %v, want it killed: %s", err, p.words.String())
				}
				// Either of the two keys opens, and the other one does not matter.
				reached := slices.Index(vault.Steps(), step)
				if reached < slices.Index(vault.Steps(), "switched") {
					h.former()
				} else {
					h.after(way.to)
				}
				v := h.open(t)
				wantToken(t, v)
				fillMore(t, v)
				shut(t, v)
				h.wantNoPlainText(t, firstKey, secondKey, newPassphrase)

				// And it can be run again.
				v = h.open(t)
				h.Env[vault.NewKeyVariable] = map[bool]string{true: secondKey, false: firstKey}[h.Env[vault.KeyVariable] == firstKey]
				if err := v.Rekey(t.Context(), vault.File); err != nil {
					t.Fatal(err)
				}
				wantToken(t, v)
				shut(t, v)
				v = h.open(t)
				wantToken(t, v)
				h.wantOneKey(t, vault.File)
			})
		}
	}
}

func fillMore(t *testing.T, v *vault.Vault) {
	t.Helper()
	if _, err := v.View().PutConnection(t.Context(), keybearer.Ref{User: vault.Me, Provider: "hooli", Name: "second"}, keybearer.Credential{
		Kind: keybearer.PersonalAccessToken, Secret: secret.New(canaryToken),
	}); err != nil {
		t.Error(err)
	}
}

// A process that has the vault open goes on, and what it stores is not lost.
func TestRekeyBesideAnotherProcess(t *testing.T) {
	h := made(t, vault.File)
	running, v := h.open(t), h.open(t)
	wantToken(t, running)
	for range 2 {
		if err := v.Rekey(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		wantToken(t, running)
		fillMore(t, running)
	}
	wantSealed(t, v, "data:3")
	shut(t, running)
	shut(t, v)

	// Former data keys go when nobody can need them any more.
	h.Ahead = 8 * 24 * time.Hour
	v = h.open(t)
	if err := v.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := v.View().SealingKeys(t.Context())
	if err != nil || len(keys) != 2 || keys[1].ID != "data:3" {
		t.Errorf("got %+v, %v; want a root key and data:3", keys, err)
	}
	wantToken(t, v)
}

// The new key may be one that a running process cannot get. It is told, and what it stores is not lost.
func TestRekeyToAPassphraseBesideAnotherProcess(t *testing.T) {
	h := made(t, vault.File)
	running, v := h.open(t), h.open(t)
	if err := v.Rekey(t.Context(), vault.Passphrase); err != nil {
		t.Fatal(err)
	}
	if _, err := running.Changed(t.Context()); err == nil || !strings.Contains(err.Error(), "start this command again") {
		t.Errorf("got %v, want it to say what to do", err)
	}
	if _, err := running.View().Token(t.Context(), ref()); err == nil || !strings.Contains(err.Error(), "start this command again") {
		t.Errorf("got %v, want it to say what to do", err)
	}
	register := func(id keybearer.ProviderID) error {
		_, err := running.View().CreateProvider(t.Context(), keybearer.ProviderDraft{
			ID: id, Type: "atlassian", ClientID: "app", ClientSecret: secret.New(canarySecret),
		})
		return err
	}
	if err := register("first"); err != nil {
		t.Fatal(err)
	}
	if err := v.Tidy(t.Context()); err != nil { // what was sealed with the former data key is sealed anew
		t.Fatal(err)
	}
	wantSealed(t, v, "data:2")
	shut(t, v)
	h.Ahead, h.Says = 8*24*time.Hour, []string{passphrase}
	v = h.open(t)
	if err := v.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := register("second"); err == nil || !strings.Contains(err.Error(), "start this command again") {
		t.Errorf("got %v, want nothing to be sealed with a key that is gone", err)
	}
	wantToken(t, v)
}

func TestFormerKeyThatCannotBeRemovedIsRemovedLater(t *testing.T) {
	h := made(t, vault.Keyring)
	cfg := h.config()
	vault.AtStep(&cfg, func(step string) {
		if step == "switched" {
			h.Keys.Fails = "the keyring is locked"
		}
	})
	v, err := vault.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, v)
	if err := v.Rekey(t.Context(), vault.File); !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "unlock it") {
		t.Errorf("got %v, want it to say that the former key is still there", err)
	}
	h.Keys.Fails = ""
	if err := v.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.wantOneKey(t, vault.File)
}

func TestRekeyThatCannotBeginChangesNothing(t *testing.T) {
	h := made(t, vault.File)
	for name, c := range map[string]struct {
		to   vault.Custody
		do   func()
		says string
	}{
		"unknown custody":  {"cloud", func() {}, "keyring, passphrase, environment or file"},
		"no new key":       {vault.Environment, func() {}, vault.NewKeyVariable + " is not set"},
		"a bad new key":    {vault.Environment, func() { h.Env[vault.NewKeyVariable] = "canary" }, "32 random bytes"},
		"short passphrase": {vault.Passphrase, func() { h.Says = []string{"canary"} }, "8 characters"},
		"no keyring":       {vault.Keyring, func() { h.Keys.Fails = "it is locked" }, "unlock it"},
	} {
		before := h.files(t)
		v := h.open(t)
		delete(h.Env, vault.NewKeyVariable)
		c.do()
		err := v.Rekey(t.Context(), c.to)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
		shut(t, v)
		if now := h.files(t); now["vault.json"] != before["vault.json"] || now["vault.key"] != before["vault.key"] {
			t.Errorf("%s: the files were changed", name)
		}
		h.Keys.Fails = ""
	}
}
