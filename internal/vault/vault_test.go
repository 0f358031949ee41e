package vault_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

const (
	canaryToken  = "canary-token-that-no-file-may-show"
	canarySecret = "canary-client-secret-that-no-file-may-show"
	passphrase   = "canary horse battery staple"
	// Keys of an environment, for tests alone.
	firstKey  = "c2l4IHRpbWVzIHNldmVuIGlzIGZvcnR5IHR3byAhISE="
	secondKey = "YW5kIHRoZSBxdWVzdGlvbiBpcyBub3Qga25vd24gISE="
	callback  = "http://localhost:9/callback"
)

// home is a data folder, and what the person there has and types.
type home struct {
	Dir  string
	Env  map[string]string
	Says []string // to the questions for a passphrase, in turn; the last one again and again
	Keys keychain
	To   vault.Custody // of a rekey
	Kill string        // the step at which it dies
	// Ahead is how far the clock is ahead.
	Ahead time.Duration
}

func newHome(t testing.TB) *home {
	t.Helper()
	return &home{
		Dir: filepath.Join(t.TempDir(), "keybearer"), Env: map[string]string{vault.KeyVariable: firstKey},
		Says: []string{passphrase}, Keys: keychain{Dir: t.TempDir()},
	}
}

func (h *home) config() vault.Config {
	return vault.Config{
		Dir: h.Dir, Keychain: &h.Keys, Callback: callback, Verification: keybearer.Verification{UnsafeSkip: true},
		Env: func(name string) (string, bool) { v, ok := h.Env[name]; return v, ok },
		Ask: func(context.Context, string) (secret.String, error) {
			answer := h.Says[0]
			if len(h.Says) > 1 {
				h.Says = h.Says[1:]
			}
			return secret.New(answer), nil
		},
		Now: func() time.Time { return time.Now().Add(h.Ahead) },
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

// made is a home with a vault in it.
func made(t testing.TB, in vault.Custody) *home {
	t.Helper()
	h := newHome(t)
	v := h.open(t, with(in))
	fill(t, v)
	shut(t, v)
	return h
}

// refused wants the vault not to open.
func (h *home) refused(t *testing.T, kind keybearer.Kind, words ...string) {
	t.Helper()
	before := h.files(t)
	v, err := vault.Open(t.Context(), h.config())
	if err == nil {
		shut(t, v)
	}
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %s", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("%q has a secret in it", err)
	}
	for name, text := range before {
		if now := h.files(t)[name]; now != text {
			t.Errorf("%s was changed", name)
		}
	}
}

// files are those of the folder that say what the vault is.
func (h *home) files(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"vault.json", "vault.key"} {
		if text, err := os.ReadFile(filepath.Join(h.Dir, name)); err == nil {
			all[name] = string(text)
		}
	}
	return all
}

func (h *home) path(name string) string { return filepath.Join(h.Dir, name) }

func with(c vault.Custody) func(*vault.Config) { return func(cfg *vault.Config) { cfg.Custody = c } }

func shut(t testing.TB, v *vault.Vault) {
	t.Helper()
	if err := v.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// keychain is a keyring in a folder.
type keychain struct {
	Dir   string
	Fails string // what every call answers
}

func (k *keychain) file(service, name string) string {
	return filepath.Join(k.Dir, url.PathEscape(service+"/"+name))
}

func (k *keychain) Get(service, name string) (string, error) {
	if k.Fails != "" {
		return "", errors.New(k.Fails)
	}
	text, err := os.ReadFile(k.file(service, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", vault.ErrNotInKeychain
	}
	return string(text), err
}

func (k *keychain) Set(service, name, text string) error {
	if k.Fails != "" {
		return errors.New(k.Fails)
	}
	return os.WriteFile(k.file(service, name), []byte(text), 0o600)
}

func (k *keychain) Delete(service, name string) error {
	if _, err := k.Get(service, name); err != nil {
		return err
	}
	return os.Remove(k.file(service, name))
}

// items are the keys in the keyring.
func (k *keychain) items(t testing.TB) []string {
	t.Helper()
	found, err := os.ReadDir(k.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func custodies() []vault.Custody {
	return []vault.Custody{vault.Keyring, vault.Passphrase, vault.Environment, vault.File}
}

func ref() keybearer.Ref { return keybearer.Ref{User: vault.Me, Provider: "hooli"} }

// fill stores what a vault is for.
func fill(t testing.TB, v *vault.Vault) {
	t.Helper()
	provide(t, v, "https://hooli.example")
	if _, err := v.View().PutConnection(context.Background(), ref(), keybearer.Credential{
		Kind: keybearer.PersonalAccessToken, Secret: secret.New(canaryToken),
	}); err != nil {
		t.Fatal(err)
	}
}

func provide(t testing.TB, v *vault.Vault, at string) {
	t.Helper()
	if _, err := v.View().CreateProvider(context.Background(), keybearer.ProviderDraft{
		ID: "hooli", ClientID: "app", ClientSecret: secret.New(canarySecret),
		Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: at + "/authorize"}, TokenRequest: oauth.Request{Endpoint: at + "/token"},
			RefreshRequest: &oauth.Request{},
		},
	}); err != nil {
		t.Fatal(err)
	}
}

func wantToken(t testing.TB, v *vault.Vault) {
	t.Helper()
	token, err := v.View().Token(context.Background(), ref())
	if err != nil {
		t.Error(err)
	} else if got := token.Access.Reveal(); got != canaryToken {
		t.Error("the token is another one than was stored")
	}
}

// consent logs the person in.
func consent(t testing.TB, v *vault.Vault) {
	t.Helper()
	a, err := v.View().Authorize(context.Background(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: vault.Me, Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	visitor := v.Broker().Visitor(keybearer.NewBrowserSecret())
	to, err := visitor.Begin(context.Background(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("the provider answered %s and sent the browser nowhere", res.Status)
	}
	if _, err := visitor.Complete(context.Background(), keybearer.Callback{
		State: secret.New(back.Query().Get("state")), Code: secret.New(back.Query().Get("code")),
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFirstUseMakesAVaultThatOpensAgain(t *testing.T) {
	for _, custody := range custodies() {
		t.Run(string(custody), func(t *testing.T) {
			h := made(t, custody)
			v := h.open(t)
			wantToken(t, v)
			if got := v.Custody(); got != custody {
				t.Errorf("the custody is %s, want %s", got, custody)
			}
		})
	}
}

func TestFirstUseChoosesACustody(t *testing.T) {
	h := newHome(t)
	if got := h.open(t).Custody(); got != vault.Environment {
		t.Errorf("with a key in the environment it is %s", got)
	}
	h = newHome(t)
	delete(h.Env, vault.KeyVariable)
	if got := h.open(t).Custody(); got != vault.Keyring {
		t.Errorf("with a keyring that works it is %s", got)
	}
	h = newHome(t)
	delete(h.Env, vault.KeyVariable)
	h.Keys.Fails = "there is no session bus"
	if got := h.open(t).Custody(); got != vault.File {
		t.Errorf("with no keyring it is %s", got)
	}
	h.Keys.Fails = ""
	if got := h.open(t).Custody(); got != vault.File {
		t.Errorf("it was chosen once, and is %s now that there is a keyring", got)
	}
}

// What another process has stored is seen, and one's own writes are no news.
func TestChangedTellsOfOtherProcesses(t *testing.T) {
	h := newHome(t)
	mine, others := h.open(t), h.open(t)
	changed := func(want bool) {
		t.Helper()
		if got, err := mine.Changed(t.Context()); err != nil || got != want {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	changed(true) // nobody knows
	changed(false)
	if _, err := mine.View().Token(t.Context(), ref()); !errors.Is(err, keybearer.NotFound) && !errors.Is(err, keybearer.ProviderNotFound) {
		t.Fatalf("got %v, want that there is none", err)
	}
	fill(t, others)
	changed(true)
	changed(false)
	wantToken(t, mine)
	if _, err := mine.View().PutConnection(t.Context(), keybearer.Ref{User: vault.Me, Provider: "hooli", Name: "mine"}, keybearer.Credential{
		Kind: keybearer.PersonalAccessToken, Secret: secret.New(canaryToken),
	}); err != nil {
		t.Fatal(err)
	}
	changed(false)
}

// token asks for a token of an expired grant.
func token(ctx context.Context, h *home) error {
	v, err := vault.Open(ctx, h.config())
	if err != nil {
		return err
	}
	_, err = v.View().Token(ctx, ref())
	return errors.Join(err, v.Close(ctx))
}

func TestProcessesRefreshOnceBetweenThem(t *testing.T) {
	p := providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: "app", Secret: canarySecret, RedirectURIs: []string{callback}}},
	})
	p.Approve("")
	h := newHome(t)
	v := h.open(t, with(vault.File))
	provide(t, v, p.URL)
	consent(t, v)
	shut(t, v)
	h.Ahead = 2 * time.Hour
	var all []*process
	for range 6 {
		all = append(all, start(t, "token", h))
	}
	for _, p := range all {
		p.wait(t)
	}
	if got := p.History(); got.Refreshes() != 1 || got.Reuses() != 0 {
		t.Errorf("got %d refreshes and %d reuses of a refresh token, want one and none", got.Refreshes(), got.Reuses())
	}
}

// A reader is not held up by another process that writes.
func TestReaderDoesNotWaitForAWriter(t *testing.T) {
	h := made(t, vault.File)
	db, err := sql.Open("sqlite", h.path("vault.sqlite3"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	writer, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	v := h.open(t)
	wantToken(t, v)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("opening and reading took %s beside a writer", took)
	}
	if _, err := writer.ExecContext(t.Context(), "ROLLBACK"); err != nil { // or the audit waits
		t.Fatal(err)
	}
}

func BenchmarkOpenTokenClose(b *testing.B) {
	h := made(b, vault.File)
	for b.Loop() {
		v, err := vault.Open(context.Background(), h.config())
		if err != nil {
			b.Fatal(err)
		}
		wantToken(b, v)
		shut(b, v)
	}
}
