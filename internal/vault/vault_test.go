package vault_test

import (
	"context"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

const (
	canaryToken  = "canary-token-that-no-file-may-show"
	canarySecret = "canary-client-secret-that-no-file-may-show"
)

// home is a data folder, and what the person there has and types.
type home struct {
	dir  string
	env  map[string]string
	says []string // to the questions for a passphrase, in turn; the last one again and again
	asks []string
	keychain
}

func newHome(t testing.TB) *home {
	return &home{dir: t.TempDir() + "/keybearer", env: map[string]string{}}
}

func (h *home) config() vault.Config {
	return vault.Config{
		Dir: h.dir, Keychain: &h.keychain,
		Env: func(name string) (string, bool) { v, ok := h.env[name]; return v, ok },
		Ask: func(_ context.Context, prompt string) (secret.String, error) {
			h.asks = append(h.asks, prompt)
			answer := h.says[0]
			if len(h.says) > 1 {
				h.says = h.says[1:]
			}
			return secret.New(answer), nil
		},
	}
}

func (h *home) open(t testing.TB, options ...func(*vault.Config)) *vault.Vault {
	t.Helper()
	cfg := h.config()
	for _, o := range options {
		o(&cfg)
	}
	v, err := vault.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, v) })
	return v
}

func in(c vault.Custody) func(*vault.Config) { return func(cfg *vault.Config) { cfg.Custody = c } }

func shut(t testing.TB, v *vault.Vault) {
	t.Helper()
	if err := v.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// keychain is a keyring in memory.
type keychain struct {
	items map[string]string
	err   error // of every call
}

func (k *keychain) Get(service, name string) (string, error) {
	if k.err != nil {
		return "", k.err
	}
	text, ok := k.items[service+"/"+name]
	if !ok {
		return "", vault.ErrNotInKeychain
	}
	return text, nil
}

func (k *keychain) Set(service, name, text string) error {
	if k.err != nil {
		return k.err
	}
	if k.items == nil {
		k.items = map[string]string{}
	}
	k.items[service+"/"+name] = text
	return nil
}

func (k *keychain) Delete(service, name string) error {
	if _, err := k.Get(service, name); err != nil {
		return err
	}
	delete(k.items, service+"/"+name)
	return nil
}

func ref() keybearer.Ref { return keybearer.Ref{User: vault.Me, Provider: "hooli"} }

// fill stores what a vault is for.
func fill(t testing.TB, v *vault.Vault) {
	t.Helper()
	_, err := v.View().CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: "hooli", ClientID: "app", ClientSecret: secret.New(canarySecret),
		Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: "https://hooli.example/authorize"},
			TokenRequest:     oauth.Request{Endpoint: "https://hooli.example/token"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.View().PutConnection(t.Context(), ref(), keybearer.Credential{Kind: keybearer.PersonalAccessToken, Secret: secret.New(canaryToken)})
	if err != nil {
		t.Fatal(err)
	}
}

func wantToken(t testing.TB, v *vault.Vault) {
	t.Helper()
	token, err := v.View().Token(context.Background(), ref())
	if err != nil {
		t.Error(err)
	} else if got := token.Access.Reveal(); got != canaryToken {
		t.Errorf("the token is %q, want the one that was stored", got)
	}
}

func TestFirstUseMakesAVaultThatOpensAgain(t *testing.T) {
	for _, custody := range []vault.Custody{vault.Keyring, vault.Passphrase, vault.Environment, vault.File} {
		t.Run(string(custody), func(t *testing.T) {
			h := newHome(t)
			h.says = []string{"correct horse battery"}
			h.env[vault.KeyVariable] = "c2l4IHRpbWVzIHNldmVuIGlzIGZvcnR5IHR3byAhISE="
			v := h.open(t, in(custody))
			fill(t, v)
			wantToken(t, v)
			shut(t, v)
			v = h.open(t)
			wantToken(t, v)
			if got := v.Custody(); got != custody {
				t.Errorf("the custody is %s, want %s", got, custody)
			}
		})
	}
}

func BenchmarkOpenTokenClose(b *testing.B) {
	h := newHome(b)
	v := h.open(b, in(vault.File))
	fill(b, v)
	shut(b, v)
	for b.Loop() {
		v, err := vault.Open(context.Background(), h.config())
		if err != nil {
			b.Fatal(err)
		}
		wantToken(b, v)
		shut(b, v)
	}
}
