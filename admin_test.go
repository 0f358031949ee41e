package keybearer_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

func TestLimitedCallerIsNoAdmin(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	ctx := t.Context()
	list, _, err := h.admin.Connections(ctx, keybearer.ConnectionFilter{})
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	for name, limits := range map[string]keybearer.KeyDraft{
		"users":     {Name: "a", Scope: keybearer.ScopeAdmin, Users: "*@other.example"},
		"providers": {Name: "b", Scope: keybearer.ScopeAdmin, Providers: []keybearer.ProviderID{"other"}},
	} {
		_, _, err := h.admin.CreateKey(ctx, limits)
		wantKind(t, err, keybearer.BadRequest)
		v := h.broker.As(keybearer.Caller{Name: "key:limited", Admin: true, Users: limits.Users, Providers: limits.Providers})
		_, _, created := v.CreateKey(ctx, keybearer.KeyDraft{Name: "free", Scope: keybearer.ScopeAdmin})
		_, _, tried := v.TryVerifier(ctx, alice, "https://app.example/verify")
		for verb, refused := range map[string]error{
			"CreateKey":     created,
			"Keys":          err2(v.Keys(ctx)),
			"RevokeKey":     v.RevokeKey(ctx, "key_x"),
			"Connections":   second(v.Connections(ctx, keybearer.ConnectionFilter{})),
			"Disconnect":    v.Disconnect(ctx, list[0].ID),
			"Providers":     err2(v.Providers(ctx)),
			"Update":        err2(v.UpdateProvider(ctx, hooli, func(*keybearer.ProviderDraft) error { return nil })),
			"PutAccount":    err2(v.PutAccount(ctx, alice, secret.New("long enough"), true)),
			"Set":           err2(v.SetVerification(ctx, keybearer.Verification{})),
			"TryVerifier":   tried,
			"DeleteAccount": v.DeleteAccount(ctx, alice),
		} {
			if keybearer.KindOf(refused) != keybearer.PermissionDenied || refused == nil {
				t.Errorf("%s limited, %s: got %v, want permission_denied", name, verb, refused)
			}
		}
	}
}

func TestKeysAreCheckedWhenTheyAreMade(t *testing.T) {
	h := open(t, change{})
	many := make([]keybearer.ProviderID, 1001)
	for i := range many {
		many[i] = "p"
	}
	for name, d := range map[string]keybearer.KeyDraft{
		"no name":       {},
		"scope":         {Name: "k", Scope: "root"},
		"pattern":       {Name: "k", Users: "[a"},
		"provider id":   {Name: "k", Providers: []keybearer.ProviderID{"Not An Id"}},
		"nothing there": {Name: "k", Providers: []keybearer.ProviderID{""}},
		"too many":      {Name: "k", Providers: many},
	} {
		_, text, err := h.admin.CreateKey(t.Context(), d)
		if keybearer.KindOf(err) != keybearer.BadRequest || err == nil || !text.IsZero() {
			t.Errorf("%s: got %v, and a text: %v; want bad_request and none", name, err, !text.IsZero())
		}
	}
}

// pausedKeys is a store of keys that pauses after it has read one.
type pausedKeys struct {
	keybearer.KeyStore
	mu    sync.Mutex
	pause func()
}

func (p *pausedKeys) KeyByHash(ctx context.Context, hash []byte) (keybearer.Key, error) {
	k, err := p.KeyStore.KeyByHash(ctx, hash)
	p.mu.Lock()
	pause := p.pause
	p.pause = nil
	p.mu.Unlock()
	if pause != nil {
		pause()
	}
	return k, err
}

func TestKeyThatIsRevokedWhileItIsLookedUpIsNotRemembered(t *testing.T) {
	keys := &pausedKeys{KeyStore: keybearer.NewMemory()}
	h := open(t, change{config: func(c *keybearer.Config) { c.Keys, c.KeyLife = keys, time.Hour }})
	k, text, err := h.admin.CreateKey(t.Context(), keybearer.KeyDraft{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	keys.pause = func() {
		if err := h.admin.RevokeKey(t.Context(), k.ID); err != nil {
			t.Error(err)
		}
	}
	_, _ = h.broker.Authenticate(t.Context(), text) // was valid when it was read
	_, err = h.broker.Authenticate(t.Context(), text)
	wantKind(t, err, keybearer.Unauthenticated)
}

// pausedProviders is a store of providers that pauses after it has read them.
type pausedProviders struct {
	keybearer.ProviderStore
	mu    sync.Mutex
	pause func()
}

func (p *pausedProviders) Providers(ctx context.Context, project keybearer.ProjectID) ([]keybearer.Provider, error) {
	all, err := p.ProviderStore.Providers(ctx, project)
	p.mu.Lock()
	pause := p.pause
	p.pause = nil
	p.mu.Unlock()
	if pause != nil {
		pause()
	}
	return all, err
}

func TestProviderThatIsChangedWhileItIsReadIsNotRemembered(t *testing.T) {
	providers := &pausedProviders{ProviderStore: keybearer.NewMemory()}
	h := open(t, change{config: func(c *keybearer.Config) { c.Providers = providers }})
	providers.pause = func() { h.update(func(d *keybearer.ProviderDraft) { d.Status = keybearer.ProviderDisabled }) }
	_, _ = h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: alice})
	_, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: alice})
	wantKind(t, err, keybearer.ProviderInactive)
}

func TestNewPasswordEndsSessions(t *testing.T) {
	h := open(t, change{})
	ctx := t.Context()
	put := func(pass string) {
		t.Helper()
		if _, err := h.admin.PutAccount(ctx, alice, secret.New(pass), false); err != nil {
			t.Fatal(err)
		}
	}
	put("correct horse")
	session, err := h.broker.SignIn(ctx, alice, secret.New("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.broker.SignedIn(ctx, session); err != nil {
		t.Errorf("right after signing in: %v", err)
	}
	h.clock.Advance(time.Minute)
	put("another horse")
	_, err = h.broker.SignedIn(ctx, session)
	wantKind(t, err, keybearer.NotFound)
	session, err = h.broker.SignIn(ctx, alice, secret.New("another horse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.broker.SignedIn(ctx, session); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

func TestSkippingThatIsNoLongerAllowedIsNotDone(t *testing.T) {
	settings := keybearer.NewMemory()
	dev := open(t, change{config: func(c *keybearer.Config) { c.Settings, c.Verification = settings, keybearer.Verification{} }})
	if _, err := dev.admin.SetVerification(t.Context(), keybearer.Verification{UnsafeSkip: true}); err != nil {
		t.Fatal(err)
	}
	h := open(t, change{config: func(c *keybearer.Config) {
		c.Settings, c.AllowSkip, c.Verification = settings, false, keybearer.Verification{}
	}})
	v := h.visitor()
	land, err := v.Complete(t.Context(), h.consent(v, h.authorize("read").ID))
	if err != nil || !land.SignIn {
		t.Errorf("got %+v, %v; want the user to be verified", land, err)
	}
	if how, allowed, err := h.admin.Verification(t.Context()); err != nil || how.UnsafeSkip || allowed {
		t.Errorf("got %+v, %v, %v; want what is in force", how, allowed, err)
	}
}

func TestProviderThatIsSwitchedOffHidesNoOther(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) {
		c.Catalog = func(kind string) (oauth.Definition, bool) {
			return oauth.Definition{
				PKCE:             oauth.PKCE{Enabled: on(true)},
				AuthorizeRequest: oauth.Request{Endpoint: "https://" + kind + ".example/authorize"},
				TokenRequest:     oauth.Request{Endpoint: "https://" + kind + ".example/token"},
			}, kind == "atlassian" || kind == "squareup"
		}
	}})
	for id, kind := range map[keybearer.ProviderID]string{"atlassian": "atlassian", "mine": "atlassian", "my-square": "squareup"} {
		d := keybearer.ProviderDraft{ID: id, Type: kind, ClientID: "c", ClientSecret: secret.New("s")}
		if id == "atlassian" {
			d.Status = keybearer.ProviderDisabled
		}
		if _, err := h.admin.CreateProvider(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		ask  keybearer.AuthorizeRequest
		want keybearer.ProviderID
		kind keybearer.Kind
	}{
		"by type":                 {keybearer.AuthorizeRequest{ProviderID: "atlassian"}, "mine", ""},
		"by vendor's default":     {keybearer.AuthorizeRequest{ProviderID: "arcade-atlassian"}, "mine", ""},
		"by id":                   {keybearer.AuthorizeRequest{ID: "atlassian"}, "", keybearer.ProviderInactive},
		"by id, alias beside":     {keybearer.AuthorizeRequest{ID: "my-square", ProviderID: "square"}, "my-square", ""},
		"by id, default beside":   {keybearer.AuthorizeRequest{ID: "mine", ProviderID: "arcade-atlassian"}, "mine", ""},
		"by id, another beside":   {keybearer.AuthorizeRequest{ID: "mine", ProviderID: "square"}, "", keybearer.BadRequest},
		"by id, only one of type": {keybearer.AuthorizeRequest{ID: "nobody"}, "", keybearer.ProviderNotFound},
	} {
		c.ask.User = alice
		got, err := h.app.Authorize(t.Context(), c.ask)
		if got.Provider != c.want || c.kind != "" && keybearer.KindOf(err) != c.kind || c.kind == "" && err != nil {
			t.Errorf("%s: got %q, %v; want %q, %s", name, got.Provider, err, c.want, c.kind)
		}
	}
	for _, kind := range []keybearer.Kind{keybearer.ProviderInactive, keybearer.ProviderNotFound, keybearer.BadRequest} {
		if !h.audit.has(keybearer.ActionAuthorize, string(kind)) {
			t.Errorf("the audit does not tell of a request that was refused as %s", kind)
		}
	}
}

func TestBrokerDoesNotWriteIntoItsConfig(t *testing.T) {
	static := []keybearer.Provider{{ID: "one", Status: keybearer.ProviderActive, Settings: oauth.Definition{DisplayName: "One"}}}
	b, err := keybearer.New(keybearer.Config{PublicURL: publicURL, Static: static})
	if err != nil {
		t.Fatal(err)
	}
	if static[0].Definition.DisplayName != "" {
		t.Error("the caller's provider was written to")
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProvidersThatShareAnIDAreRefused(t *testing.T) {
	p := keybearer.Provider{ID: "one", Status: keybearer.ProviderActive}
	_, err := keybearer.New(keybearer.Config{PublicURL: publicURL, Static: []keybearer.Provider{p, p}})
	if keybearer.KindOf(err) != keybearer.BadRequest || err == nil || !strings.Contains(err.Error(), "one") {
		t.Errorf("got %v, want bad_request that names it", err)
	}
}
