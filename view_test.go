package keybearer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func custom(c *keybearer.Config) {
	c.Verification = keybearer.Verification{VerifierURL: "https://app.example/verify?tenant=7"}
}

func TestCustomVerifierDecidesWhoConsented(t *testing.T) {
	h := open(t, change{config: custom})
	a, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: alice, Scopes: []string{"read"}, NextURI: "https://app.example/next"})
	if err != nil {
		t.Fatal(err)
	}
	v := h.visitor()
	land, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil {
		t.Fatal(err)
	}
	id, ok := strings.CutPrefix(land.Redirect, "https://app.example/verify?flow_id=af_")
	if !ok || !strings.HasSuffix(id, "&tenant=7") {
		t.Fatalf("got %q, want the verifier with flow_id and its own query", land.Redirect)
	}
	flow := keybearer.FlowID("af_" + strings.TrimSuffix(id, "&tenant=7"))
	if strings.Contains(string(a.ID), strings.TrimPrefix(string(flow), "af_")) {
		t.Error("who started the flow can guess the flow_id")
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationPending || got.Token != nil {
		t.Errorf("before the confirmation: got %q", got.Status)
	}

	_, err = h.app.Confirm(t.Context(), flow, "mallory@example.com")
	wantKind(t, err, keybearer.UserMismatch)
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationPending {
		t.Errorf("after the wrong user: got %q", got.Status)
	}
	if _, err := h.app.Token(t.Context(), ref()); err == nil {
		t.Error("a token was stored before the confirmation")
	}
	if !h.audit.has(keybearer.ActionConfirm, string(keybearer.UserMismatch)) {
		t.Error("the audit does not tell of the mismatch")
	}
	_, err = h.app.Confirm(t.Context(), "af_unknown", alice)
	wantKind(t, err, keybearer.NotFound)

	for range 2 { // confirming again is harmless
		done, err := h.app.Confirm(t.Context(), flow, alice)
		if err != nil || done.Authorization != a.ID || done.NextURI != "https://app.example/next" {
			t.Fatalf("got %+v, %v; want the authorization and next_uri", done, err)
		}
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationCompleted || got.Token == nil {
		t.Errorf("after the confirmation: got %q", got.Status)
	}
	_, err = h.app.Confirm(t.Context(), flow, "mallory@example.com")
	wantKind(t, err, keybearer.UserMismatch)
}

func TestBuiltInVerifierWantsTheUserHimself(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) { c.Verification = keybearer.Verification{} }})
	a := h.authorize("read")
	v := h.visitor()
	land, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil || !land.SignIn || land.Flow == "" || land.Redirect != "" {
		t.Fatalf("got %+v, %v; want a sign-in", land, err)
	}
	_, err = v.ConfirmSignedIn(t.Context(), land.Flow, "mallory@example.com")
	wantKind(t, err, keybearer.UserMismatch)
	done, err := v.ConfirmSignedIn(t.Context(), land.Flow, alice)
	if err != nil || done.Redirect != "" || done.User != alice {
		t.Errorf("got %+v, %v; want the success page", done, err)
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q, want completed", got.Status)
	}
}

func TestAbandonedSignInCanBeTakenUpAgain(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) { c.Verification = keybearer.Verification{} }})
	a := h.authorize("read")
	v := h.visitor()
	first, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil {
		t.Fatal(err)
	}
	h.provider.Decline()
	_, err = v.Complete(t.Context(), h.consent(v, a.ID))
	wantKind(t, err, keybearer.AuthorizationFailed)
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationPending {
		t.Fatalf("declining in a second tab made it %q", got.Status)
	}
	h.provider.Approve("")
	second, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil || second.Flow == first.Flow {
		t.Fatalf("got %v; want to consent again, with another flow", err)
	}
	_, err = v.ConfirmSignedIn(t.Context(), first.Flow, alice)
	wantKind(t, err, keybearer.NotFound)
	if _, err := v.ConfirmSignedIn(t.Context(), second.Flow, alice); err != nil {
		t.Fatal(err)
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationCompleted || !h.works(got.Token.Access) {
		t.Errorf("got %q, want completed", got.Status)
	}
}

func TestFormerFlowIDIsWorthNothingOnceTheNextConsentCameBack(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) { c.Verification = keybearer.Verification{} }})
	a := h.authorize("read")
	v := h.visitor()
	first, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil {
		t.Fatal(err)
	}
	cb := h.consent(v, a.ID)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	landed := make(chan keybearer.Landing, 1)
	go func() {
		land, err := v.Complete(t.Context(), cb)
		if err != nil {
			t.Errorf("the second consent: %v", err)
		}
		landed <- land
	}()
	if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, 2); err != nil {
		t.Fatal(err)
	}
	_, err = v.ConfirmSignedIn(t.Context(), first.Flow, alice)
	wantKind(t, err, keybearer.NotFound)
	h.provider.Release()
	if _, err := v.ConfirmSignedIn(t.Context(), (<-landed).Flow, alice); err != nil {
		t.Fatalf("confirming the former flow harmed the new consent: %v", err)
	}
}

func TestTokensThatNobodyConfirmsAreForgotten(t *testing.T) {
	h := open(t, change{config: custom})
	a := h.authorize("read")
	v := h.visitor()
	land, err := v.Complete(t.Context(), h.consent(v, a.ID))
	if err != nil {
		t.Fatal(err)
	}
	_, flow, _ := strings.Cut(land.Redirect, "flow_id=")
	flow, _, _ = strings.Cut(flow, "&")
	h.clock.Advance(61 * time.Minute)
	_, err = h.app.Confirm(t.Context(), keybearer.FlowID(flow), alice)
	wantKind(t, err, keybearer.AuthorizationEnded)
}

func TestVerifierCanBeTriedOut(t *testing.T) {
	h := open(t, change{})
	flow, next, err := h.admin.TryVerifier(t.Context(), alice, "https://app.example/verify")
	if err != nil || next != "https://app.example/verify?flow_id="+string(flow) {
		t.Fatalf("got %s, %s, %v", flow, next, err)
	}
	_, err = h.app.Confirm(t.Context(), flow, "mallory@example.com")
	wantKind(t, err, keybearer.UserMismatch)
	done, err := h.app.Confirm(t.Context(), flow, alice)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.status(done.Authorization); got.Status != keybearer.AuthorizationCompleted || got.Token != nil {
		t.Errorf("got %q, want completed without a token", got.Status)
	}
	if _, err := h.app.Token(t.Context(), ref()); err == nil {
		t.Error("trying a verifier made a connection")
	}
}

func TestVerificationSettingObeysTheFile(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) { c.AllowSkip, c.Verification = false, keybearer.Verification{} }})
	if _, err := h.admin.SetVerification(t.Context(), keybearer.Verification{VerifierURL: "https://app.example/v"}); err != nil {
		t.Fatal(err)
	}
	how, skip, err := h.admin.Verification(t.Context())
	if err != nil || how.VerifierURL != "https://app.example/v" || skip {
		t.Errorf("got %+v, %v, %v", how, skip, err)
	}
	_, err = h.admin.SetVerification(t.Context(), keybearer.Verification{UnsafeSkip: true})
	wantKind(t, err, keybearer.PermissionDenied)
	for _, bad := range []string{"http://app.example/v", "ftp://x/", "https://u:p@app.example/", "/relative", "https://app.example/#f"} {
		_, err = h.admin.SetVerification(t.Context(), keybearer.Verification{VerifierURL: bad})
		wantKind(t, err, keybearer.BadRequest)
	}
	fixed := open(t, change{config: func(c *keybearer.Config) { c.VerificationFixed = true }})
	_, err = fixed.admin.SetVerification(t.Context(), keybearer.Verification{VerifierURL: "https://app.example/v"})
	wantKind(t, err, keybearer.PermissionDenied)
}

func TestNextURILeadsOnlyWhereItMay(t *testing.T) {
	ask := func(h *house, next string) error {
		_, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: alice, NextURI: next})
		return err
	}
	free := open(t, change{})
	listed := open(t, change{config: func(c *keybearer.Config) { c.NextURIOrigins = []string{"https://app.example"} }})
	for next, want := range map[string][2]bool{ // without a list, with it
		"":                               {true, true},
		"https://app.example/done?x=1":   {true, true},
		"HTTPS://APP.example/done":       {true, true},
		"https://app.example:444/":       {true, false},
		"https://app.example.evil.com/":  {true, false},
		"https://evil.com/app.example":   {true, false},
		"http://localhost:3000/done":     {true, false},
		"http://app.example/":            {false, false},
		"//evil.com/":                    {false, false},
		`\\evil.com/`:                    {false, false},
		`https:\\evil.com`:               {false, false},
		`https://app.example\@evil.com/`: {false, false},
		"https://app.example@evil.com/":  {false, false},
		"https://user:pw@app.example/":   {false, false},
		"javascript:alert(1)":            {false, false},
		"https:evil.com":                 {false, false},
		"/done":                          {false, false},
		"https://app.example/\tx":        {false, false},
		" https://app.example/":          {false, false},
		"https://" + strings.Repeat("a", 3000) + ".example/": {false, false},
	} {
		for i, h := range []*house{free, listed} {
			if err := ask(h, next); (err == nil) != want[i] {
				t.Errorf("%q, with a list %v: got %v", next, i == 1, err)
			}
		}
	}
}

func TestProviderIsFoundAsTheContractSays(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) {
		c.Catalog = func(kind string) (oauth.Definition, bool) {
			return oauth.Definition{
				PKCE:             oauth.PKCE{Enabled: on(true)},
				AuthorizeRequest: oauth.Request{Endpoint: "https://" + kind + ".example/authorize"},
				TokenRequest:     oauth.Request{Endpoint: "https://" + kind + ".example/token"},
			}, kind == "atlassian" || kind == "github" || kind == "squareup"
		}
	}})
	for _, p := range []struct {
		id, kind string
		status   keybearer.ProviderStatus
	}{
		{"my-atlassian", "atlassian", ""},
		{"old-atlassian", "atlassian", keybearer.ProviderDisabled},
		{"hub-one", "github", ""},
		{"hub-two", "github", ""},
		{"my-square", "squareup", ""},
		{"off", "", keybearer.ProviderDisabled},
	} {
		d := keybearer.ProviderDraft{ID: keybearer.ProviderID(p.id), Type: p.kind, Status: p.status, ClientID: "c", ClientSecret: secret.New("s")}
		if p.kind == "" {
			d.Settings = oauth.Definition{
				PKCE:             oauth.PKCE{Enabled: on(true)},
				AuthorizeRequest: oauth.Request{Endpoint: "https://x.example/a"}, TokenRequest: oauth.Request{Endpoint: "https://x.example/t"},
			}
		}
		if _, err := h.admin.CreateProvider(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	narrow := h.broker.As(keybearer.Caller{Name: "key:narrow", Providers: []keybearer.ProviderID{"hub-two"}})
	for _, c := range []struct {
		name string
		view *keybearer.View
		ask  keybearer.AuthorizeRequest
		want keybearer.ProviderID
		kind keybearer.Kind
	}{
		{"by id", h.app, keybearer.AuthorizeRequest{ID: "hooli"}, "hooli", ""},
		{"custom id as provider_id", h.app, keybearer.AuthorizeRequest{ProviderID: "hooli"}, "hooli", ""},
		{"type", h.app, keybearer.AuthorizeRequest{ProviderID: "atlassian"}, "my-atlassian", ""},
		{"id with its type", h.app, keybearer.AuthorizeRequest{ID: "my-atlassian", ProviderID: "atlassian"}, "my-atlassian", ""},
		{"id with another type", h.app, keybearer.AuthorizeRequest{ID: "my-atlassian", ProviderID: "github"}, "", keybearer.BadRequest},
		{"ambiguous", h.app, keybearer.AuthorizeRequest{ProviderID: "github"}, "", keybearer.AmbiguousProvider},
		{"not ambiguous for a narrow key", narrow, keybearer.AuthorizeRequest{ProviderID: "github"}, "hub-two", ""},
		{"out of reach", narrow, keybearer.AuthorizeRequest{ID: "hooli"}, "", keybearer.ProviderNotFound},
		{"inactive", h.app, keybearer.AuthorizeRequest{ID: "off"}, "", keybearer.ProviderInactive},
		{"unknown", h.app, keybearer.AuthorizeRequest{ProviderID: "nowhere"}, "", keybearer.ProviderNotFound},
		{"vendor default", h.app, keybearer.AuthorizeRequest{ProviderID: "arcade-atlassian"}, "my-atlassian", ""},
		{"alias", h.app, keybearer.AuthorizeRequest{ProviderID: "square"}, "my-square", ""},
		{"no name", h.app, keybearer.AuthorizeRequest{}, "", keybearer.BadRequest},
		{"other type of auth", h.app, keybearer.AuthorizeRequest{ProviderID: "hooli", ProviderType: "saml"}, "", keybearer.BadRequest},
	} {
		c.ask.User = alice
		got, err := c.view.Authorize(t.Context(), c.ask)
		if c.kind != "" {
			if keybearer.KindOf(err) != c.kind || err == nil {
				t.Errorf("%s: got %v, want %s", c.name, err, c.kind)
			}
			continue
		}
		if err != nil || got.Provider != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got.Provider, err, c.want)
		}
	}
	_, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "github", User: alice})
	if err == nil || !strings.Contains(err.Error(), "hub-one, hub-two") {
		t.Errorf("got %v, want the candidates listed", err)
	}
}

func TestKeysReachOnlyWhatTheyMay(t *testing.T) {
	h := open(t, change{})
	a := h.connect("read")
	list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{})
	if err != nil {
		t.Fatal(err)
	}
	caller := func(d keybearer.KeyDraft) *keybearer.View {
		t.Helper()
		_, text, err := h.admin.CreateKey(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.broker.Authenticate(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		return h.broker.As(who)
	}
	for name, v := range map[string]*keybearer.View{
		"other users":    caller(keybearer.KeyDraft{Name: "a", Users: "*@other.example"}),
		"other provider": caller(keybearer.KeyDraft{Name: "b", Providers: []keybearer.ProviderID{"other"}}),
	} {
		_, err := v.Token(t.Context(), ref())
		wantKind(t, err, keybearer.PermissionDenied)
		_, foreign := v.Status(t.Context(), a.ID)
		_, unknown := v.Status(t.Context(), "ac_"+"UNKNOWN")
		wantKind(t, foreign, keybearer.NotFound)
		if foreign == nil || unknown == nil || strings.ReplaceAll(foreign.Error(), string(a.ID), "ID") != strings.ReplaceAll(unknown.Error(), "ac_UNKNOWN", "ID") {
			t.Errorf("%s: foreign and unknown ids are answered differently: %v; %v", name, foreign, unknown)
		}
		_, foreign = v.Status(t.Context(), keybearer.AuthorizationID("ac_"+string(list[0].ID)))
		wantKind(t, foreign, keybearer.NotFound)
	}
	fits := caller(keybearer.KeyDraft{Name: "c", Users: "*@example.com", Providers: []keybearer.ProviderID{hooli}})
	if _, err := fits.Token(t.Context(), ref()); err != nil {
		t.Errorf("a key that fits is refused: %v", err)
	}
	ctx := t.Context()
	for name, refused := range map[string]error{
		"Connections":   second(fits.Connections(ctx, keybearer.ConnectionFilter{})),
		"Disconnect":    fits.Disconnect(ctx, list[0].ID),
		"Providers":     err2(fits.Providers(ctx)),
		"Provider":      err2(fits.Provider(ctx, hooli)),
		"Create":        err2(fits.CreateProvider(ctx, keybearer.ProviderDraft{})),
		"Update":        err2(fits.UpdateProvider(ctx, hooli, func(*keybearer.ProviderDraft) error { return nil })),
		"Delete":        err2(fits.DeleteProvider(ctx, hooli)),
		"Keys":          err2(fits.Keys(ctx)),
		"RevokeKey":     fits.RevokeKey(ctx, "key_x"),
		"Accounts":      err2(fits.Accounts(ctx)),
		"PutAccount":    err2(fits.PutAccount(ctx, alice, secret.New("long enough"), true)),
		"DeleteAccount": fits.DeleteAccount(ctx, alice),
		"Set":           err2(fits.SetVerification(ctx, keybearer.Verification{})),
	} {
		if keybearer.KindOf(refused) != keybearer.PermissionDenied || refused == nil {
			t.Errorf("%s by an app key: got %v, want permission_denied", name, refused)
		}
	}
}

func err2[T any](_ T, err error) error { return err }

func second[A, B any](_ A, _ B, err error) error { return err }

func TestRevokedKeyEndsAtOnce(t *testing.T) {
	h := open(t, change{})
	k, text, err := h.admin.CreateKey(t.Context(), keybearer.KeyDraft{Name: "ci"})
	if err != nil || !strings.HasPrefix(text.Reveal(), "arc_") || strings.Contains(string(k.Hash), text.Reveal()) {
		t.Fatalf("got %v, want a key that begins with arc_", err)
	}
	if who, err := h.broker.Authenticate(t.Context(), text); err != nil || who.Admin || who.Name != "key:ci" {
		t.Fatalf("got %+v, %v; want the app key ci", who, err)
	}
	if err := h.admin.RevokeKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.broker.Authenticate(t.Context(), text)
	wantKind(t, err, keybearer.Unauthenticated)
	_, err = h.broker.Authenticate(t.Context(), secret.New("arc_nobody-made-this-key"))
	wantKind(t, err, keybearer.Unauthenticated)
	wantKind(t, h.admin.RevokeKey(t.Context(), "key_unknown"), keybearer.NotFound)
}

func TestOnlyTheRightPasswordSignsIn(t *testing.T) {
	h := open(t, change{})
	ctx := t.Context()
	if _, err := h.admin.PutAccount(ctx, alice, secret.New("correct horse"), false); err != nil {
		t.Fatal(err)
	}
	for user, pass := range map[keybearer.UserID]string{alice: "wrong horse", "bob@example.com": "correct horse"} {
		_, err := h.broker.SignIn(ctx, user, secret.New(pass))
		wantKind(t, err, keybearer.Unauthenticated)
	}
	session, err := h.broker.SignIn(ctx, alice, secret.New("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if who, err := h.broker.SignedIn(ctx, session); err != nil || who.User != alice {
		t.Errorf("got %v, %v; want alice", who.User, err)
	}
	_, err = h.broker.SignedIn(ctx, secret.New("forged"))
	wantKind(t, err, keybearer.NotFound)
	h.clock.Advance(13 * time.Hour)
	_, err = h.broker.SignedIn(ctx, session)
	wantKind(t, err, keybearer.NotFound)
}

func TestProvidersAreCheckedWhenTheyAreSet(t *testing.T) {
	h := open(t, change{})
	ctx := t.Context()
	good := keybearer.ProviderDraft{ID: "good", ClientID: "c", ClientSecret: secret.New("s"), Settings: oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: "https://x.example/a"}, TokenRequest: oauth.Request{Endpoint: "https://x.example/t"},
	}}
	for name, spoil := range map[string]func(*keybearer.ProviderDraft){
		"id":            func(d *keybearer.ProviderDraft) { d.ID = "Not/Good" },
		"no client id":  func(d *keybearer.ProviderDraft) { d.ClientID = "" },
		"no endpoint":   func(d *keybearer.ProviderDraft) { d.Settings.TokenRequest.Endpoint = "" },
		"plain http":    func(d *keybearer.ProviderDraft) { d.Settings.TokenRequest.Endpoint = "http://x.example/t" },
		"public client": func(d *keybearer.ProviderDraft) { d.ClientSecret = secret.String{} },
		"status":        func(d *keybearer.ProviderDraft) { d.Status = "sleeping" },
		"type":          func(d *keybearer.ProviderDraft) { d.Type = "nobody-knows" },
		"placeholder": func(d *keybearer.ProviderDraft) {
			d.Settings.TokenRequest.Params = map[string]string{"x": "{{password}}"}
		},
	} {
		d := good
		spoil(&d)
		_, err := h.admin.CreateProvider(ctx, d)
		if keybearer.KindOf(err) != keybearer.BadRequest || err == nil {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
	taken := good
	taken.ID = hooli
	_, err := h.admin.CreateProvider(ctx, taken)
	wantKind(t, err, keybearer.Conflict)
	taken.ID, taken.ExternalID = "good", "hooli"
	_, err = h.admin.CreateProvider(ctx, taken)
	wantKind(t, err, keybearer.Conflict)

	p, err := h.admin.CreateProvider(ctx, good)
	if err != nil || strings.Contains(string(p.ClientSecret), "s\x00") || h.broker.RedirectURI(&p) != publicURL+"/api/v1/oauth/good/callback" {
		t.Fatalf("got %v, %v", h.broker.RedirectURI(&p), err)
	}
	renamed, err := h.admin.UpdateProvider(ctx, "good", func(d *keybearer.ProviderDraft) error { d.ID = "better"; return nil })
	if err != nil || h.broker.RedirectURI(&renamed) != publicURL+"/api/v1/oauth/good/callback" {
		t.Errorf("renamed: got %v, %v; want the registered redirect URI kept", h.broker.RedirectURI(&renamed), err)
	}
	if _, err := h.admin.DeleteProvider(ctx, "better"); err != nil {
		t.Error(err)
	}
	_, err = h.admin.Provider(ctx, "good")
	wantKind(t, err, keybearer.NotFound)
}

func TestRenamedProviderKeepsItsSecretAndConnectionsForbidIt(t *testing.T) {
	h := open(t, change{})
	if _, err := h.admin.UpdateProvider(t.Context(), hooli, func(d *keybearer.ProviderDraft) error { d.ID = "renamed"; return nil }); err != nil {
		t.Fatal(err)
	}
	a, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "renamed", User: alice})
	if err != nil {
		t.Fatal(err)
	}
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatalf("the secret does not open under the new id: %v", err)
	}
	_, err = h.admin.UpdateProvider(t.Context(), "renamed", func(d *keybearer.ProviderDraft) error { d.ID = "again"; return nil })
	wantKind(t, err, keybearer.Conflict)
}

func TestFileProvidersAreNotChangedOverTheAPI(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) {
		c.Static = []keybearer.Provider{{ID: "from-file", Status: keybearer.ProviderActive, Origin: keybearer.FromFile, ClientID: "c", Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: "https://x.example/a"},
		}}}
	}})
	_, err := h.admin.UpdateProvider(t.Context(), "from-file", func(d *keybearer.ProviderDraft) error { d.Description = "x"; return nil })
	wantKind(t, err, keybearer.PermissionDenied)
	_, err = h.admin.DeleteProvider(t.Context(), "from-file")
	wantKind(t, err, keybearer.PermissionDenied)
	a, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "from-file", User: alice})
	if err != nil || a.Status != keybearer.AuthorizationPending {
		t.Errorf("got %v, want it to be usable", err)
	}
}

func TestBadRequestsOfAppsAreRefused(t *testing.T) {
	h := open(t, change{})
	for name, r := range map[string]keybearer.AuthorizeRequest{
		"no user":         {ProviderID: "hooli"},
		"long user":       {ProviderID: "hooli", User: keybearer.UserID(strings.Repeat("u", 257))},
		"control in user": {ProviderID: "hooli", User: "a\nb"},
		"quote in scope":  {ProviderID: "hooli", User: alice, Scopes: []string{`a"b`}},
		"space in scope":  {ProviderID: "hooli", User: alice, Scopes: []string{"a b"}},
		"many scopes":     {ProviderID: "hooli", User: alice, Scopes: make([]string, 501)},
	} {
		_, err := h.app.Authorize(t.Context(), r)
		if keybearer.KindOf(err) != keybearer.BadRequest || err == nil {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
}

func TestUserInfoThatFailsCostsNoGrant(t *testing.T) {
	h := open(t, change{})
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Userinfo, Name: "server_error", Times: 1})
	a := h.connect("read")
	if a.Token == nil || len(a.Token.UserInfo) != 0 || !h.works(a.Token.Access) {
		t.Errorf("got user info %s, want a token without it", a.Token.UserInfo)
	}
}

func TestBrowserThatHangsUpDoesNotCostTheCode(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := v.Complete(ctx, cb)
		gone <- err
	}()
	if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, 1); err != nil {
		t.Fatal(err)
	}
	hangUp()
	if err := <-gone; err == nil {
		t.Fatal("the browser did not hang up")
	}
	h.provider.Release()
	got, err := h.app.Wait(t.Context(), a.ID, 30*time.Second)
	if err != nil || got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q, %v; want the authorization completed without the browser", got.Status, err)
	}
}
