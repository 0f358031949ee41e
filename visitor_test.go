package keybearer_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func (h *house) visitor() *keybearer.Visitor {
	return h.broker.Visitor(keybearer.NewBrowserSecret())
}

// status fails the test on an error.
func (h *house) status(id keybearer.AuthorizationID) keybearer.Authorization {
	h.t.Helper()
	a, err := h.app.Status(h.t.Context(), id)
	if err != nil {
		h.t.Fatalf("asking for the status: %v", err)
	}
	return a
}

func wantKind(t *testing.T, err error, kind keybearer.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want kind %s", err, kind)
	}
}

func TestEveryAttemptHasAnS256ChallengeOfItsOwn(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	h.consent(h.visitor(), a.ID)
	h.consent(h.visitor(), a.ID)
	seen := map[string]bool{}
	for _, r := range h.provider.History().At(providertest.Authorize) {
		if got := r.Param("code_challenge_method"); got != "S256" {
			t.Errorf("got method %q, want S256", got)
		}
		if seen[r.Param("code_challenge")] || seen[r.Param("state")] {
			t.Error("two attempts share a challenge or a state")
		}
		seen[r.Param("code_challenge")], seen[r.Param("state")] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("got %d challenges and states, want 4", len(seen))
	}
}

func TestStateWorksOnceHoweverManyCallbacksArrive(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	var landed, refused atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := v.Complete(t.Context(), cb); err == nil {
				landed.Add(1)
			} else if errors.Is(err, keybearer.BadRequest) {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if landed.Load() != 1 || refused.Load() != 49 {
		t.Errorf("got %d landings and %d refusals, want 1 and 49", landed.Load(), refused.Load())
	}
	if got := h.provider.History(); got.Redeemed() != 1 || got.CodeReuses() != 0 {
		t.Errorf("got %d exchanges and %d reuses of the code, want 1 and 0", got.Redeemed(), got.CodeReuses())
	}
}

func TestTwoTabsDoNotRedeemTwice(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	v := h.visitor()
	first, second := h.consent(v, a.ID), h.consent(v, a.ID)
	if _, err := v.Complete(t.Context(), second); err != nil {
		t.Fatalf("the second tab came first: %v", err)
	}
	if _, err := v.Complete(t.Context(), first); err == nil {
		t.Error("the first tab completed what was completed")
	}
	if got := h.provider.History().Redeemed(); got != 1 {
		t.Errorf("got %d exchanges, want 1", got)
	}
}

func TestCallbackIsTakenOnlyFromTheBrowserThatBegan(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	for name, other := range map[string]*keybearer.Visitor{
		"another browser": h.visitor(),
		"no cookie":       h.broker.Visitor(secret.String{}),
		"forged constant": h.broker.Visitor(secret.New("1")),
	} {
		cb := h.consent(h.visitor(), a.ID)
		if _, err := other.Complete(t.Context(), cb); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
	if got := h.provider.History().Redeemed(); got != 0 {
		t.Errorf("got %d exchanges, want none", got)
	}
	if got := h.status(a.ID).Status; got != keybearer.AuthorizationPending {
		t.Errorf("got %q, want the authorization unharmed", got)
	}
	if !h.audit.has(keybearer.ActionCallback, string(keybearer.BadRequest)) {
		t.Error("the audit does not tell of it")
	}
}

func TestStateOfNobodyIsRefused(t *testing.T) {
	h := open(t, change{})
	for name, state := range map[string]string{"missing": "", "unknown": "nobody-made-this"} {
		_, err := h.visitor().Complete(t.Context(), keybearer.Callback{State: secret.New(state), Code: secret.New("code-of-nobody")})
		if !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "nobody-made-this") || strings.Contains(err.Error(), "code-of-nobody")) {
			t.Errorf("%s: the error repeats the callback: %v", name, err)
		}
	}
}

func TestCallbackAfterTheDeadline(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	h.clock.Advance(61 * time.Minute)
	_, err := v.Complete(t.Context(), cb)
	wantKind(t, err, keybearer.AuthorizationEnded)
	got := h.status(a.ID)
	if got.Status != keybearer.AuthorizationFailure || !errors.Is(got.Failure, keybearer.AuthorizationEnded) {
		t.Errorf("got %q, %v; want failed, expired", got.Status, got.Failure)
	}
	if again := h.authorize("read"); again.ID == a.ID {
		t.Error("an expired authorization is given out again")
	}
}

func TestUserDeclines(t *testing.T) {
	h := open(t, change{})
	h.provider.Decline()
	a := h.authorize("read")
	v := h.visitor()
	_, err := v.Complete(t.Context(), h.consent(v, a.ID))
	wantKind(t, err, keybearer.AuthorizationFailed)
	got := h.status(a.ID)
	if got.Status != keybearer.AuthorizationFailure || !strings.Contains(got.Failure.Error(), "access_denied") {
		t.Errorf("got %q, %v; want failed with the provider's word", got.Status, got.Failure)
	}
	if _, err := h.visitor().Begin(t.Context(), a.ID); err == nil {
		t.Error("a failed authorization can be begun again")
	}
}

func TestMixedUpServersAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		issuer   string // configured
		callback func(*keybearer.Callback, *house)
		good     bool
	}{
		"no iss":                   {good: true, callback: func(*keybearer.Callback, *house) {}},
		"iss of the endpoints":     {good: true, callback: func(cb *keybearer.Callback, h *house) { cb.HasIssuer, cb.Issuer = true, h.provider.URL }},
		"iss of another server":    {callback: func(cb *keybearer.Callback, _ *house) { cb.HasIssuer, cb.Issuer = true, "https://evil.example" }},
		"empty iss":                {callback: func(cb *keybearer.Callback, _ *house) { cb.HasIssuer = true }},
		"configured, same origin":  {issuer: "https://issuer.example/a", callback: func(cb *keybearer.Callback, h *house) { cb.HasIssuer, cb.Issuer = true, h.provider.URL }},
		"configured, equal":        {good: true, issuer: "https://issuer.example/a", callback: func(cb *keybearer.Callback, _ *house) { cb.HasIssuer, cb.Issuer = true, "https://issuer.example/a" }},
		"configured, slash at end": {issuer: "https://issuer.example/a", callback: func(cb *keybearer.Callback, _ *house) { cb.HasIssuer, cb.Issuer = true, "https://issuer.example/a/" }},
		"redirect of another one":  {callback: func(cb *keybearer.Callback, _ *house) { cb.RedirectID = "another" }},
		"shared redirect":          {good: true, callback: func(cb *keybearer.Callback, _ *house) { cb.RedirectID = "" }},
		"error with iss of a stranger": {callback: func(cb *keybearer.Callback, _ *house) {
			cb.HasIssuer, cb.Issuer, cb.Error, cb.Code = true, "https://evil.example", "access_denied", secret.String{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, change{settings: func(d *oauth.Definition) { d.Issuer = c.issuer }})
			a := h.authorize("read")
			v := h.visitor()
			cb := h.consent(v, a.ID)
			c.callback(&cb, h)
			_, err := v.Complete(t.Context(), cb)
			if c.good && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !c.good {
				wantKind(t, err, keybearer.BadRequest)
				if h.provider.History().Redeemed() != 0 || h.status(a.ID).Status != keybearer.AuthorizationPending {
					t.Error("the code was redeemed, or the authorization harmed")
				}
			}
		})
	}
}

func TestStateOfOneProviderIsNotTakenForAnother(t *testing.T) {
	h := open(t, change{})
	other := providertest.Start(t, providertest.Config{Clients: []providertest.Client{{
		ID: "client", Secret: "fixture-secret", RedirectURIs: []string{publicURL + "/api/v1/oauth/other/callback"},
	}}})
	other.Approve("")
	if _, err := h.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: "other", ClientID: "client", ClientSecret: secret.New("fixture-secret"), Settings: oauth.Definition{
			PKCE:             oauth.PKCE{Enabled: on(true)},
			AuthorizeRequest: oauth.Request{Endpoint: other.URL + "/authorize"}, TokenRequest: oauth.Request{Endpoint: other.URL + "/token"},
		},
	}); err != nil {
		t.Fatal(err)
	}
	v := h.visitor()
	mine := h.consent(v, h.authorize("read").ID)
	b, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "other", User: alice})
	if err != nil {
		t.Fatal(err)
	}
	theirs := h.consent(v, b.ID)
	theirs.State = mine.State // an answer of server B with a state of A
	_, err = v.Complete(t.Context(), theirs)
	wantKind(t, err, keybearer.BadRequest)
	if h.provider.History().Redeemed()+other.History().Redeemed() != 0 {
		t.Error("a code was redeemed")
	}
}

func TestExchangeThatFailsEndsTheAuthorizationWithTheReason(t *testing.T) {
	for _, fault := range []string{
		"html", "truncated", "huge", "empty", "no_access_token", "server_error", "closed", "redirect_307", "error_in_200", "invalid_client", "type_mac", "type_dpop",
	} {
		t.Run(fault, func(t *testing.T) {
			h := open(t, change{})
			h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
			a := h.authorize("read")
			v := h.visitor()
			_, err := v.Complete(t.Context(), h.consent(v, a.ID))
			if err == nil {
				t.Fatal("the exchange succeeded")
			}
			got := h.status(a.ID)
			if got.Status != keybearer.AuthorizationFailure || got.Failure == nil || len(got.Failure.Error()) < 20 {
				t.Errorf("got %q, %v; want failed with a reason", got.Status, got.Failure)
			}
			if strings.Contains(err.Error(), "fixture-secret") {
				t.Errorf("the error holds the secret: %v", err)
			}
			if n := h.provider.History().Calls(providertest.Token); n != 1 {
				t.Errorf("got %d token requests: a code is redeemed once, with one client authentication", n)
			}
			if !h.audit.has(keybearer.ActionCallback, string(keybearer.KindOf(err))) {
				t.Error("the audit does not tell of it")
			}
			h.provider.Heal()
			if again := h.authorize("read"); again.ID == a.ID || again.Status != keybearer.AuthorizationPending {
				t.Error("a failed authorization cannot be started anew")
			}
		})
	}
}

func TestScriptInTheProvidersWordsStaysText(t *testing.T) {
	h := open(t, change{})
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Callback, Name: "error_denied_script"})
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	if !strings.Contains(cb.ErrorDescription, "<script") {
		t.Fatalf("the fault sent %q: it tests nothing", cb.ErrorDescription)
	}
	_, err := v.Complete(t.Context(), cb)
	if err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("got %v, want one bounded line", err)
	}
}

func TestStartPageSaysWhoAsksForWhat(t *testing.T) {
	for _, c := range []struct {
		name string
		how  keybearer.Verification
		page keybearer.ConfirmPage
		asks bool
	}{
		{"auto, nobody verifies", keybearer.Verification{UnsafeSkip: true}, keybearer.ConfirmAuto, true},
		{"auto, built in", keybearer.Verification{}, keybearer.ConfirmAuto, false},
		{"auto, custom", keybearer.Verification{VerifierURL: "https://app.example/verify"}, keybearer.ConfirmAuto, false},
		{"always", keybearer.Verification{}, keybearer.ConfirmAlways, true},
		{"never", keybearer.Verification{UnsafeSkip: true}, keybearer.ConfirmNever, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, change{config: func(k *keybearer.Config) { k.Verification, k.Confirm = c.how, c.page }})
			page, err := h.visitor().Start(t.Context(), h.authorize("read", "write").ID)
			if err != nil {
				t.Fatal(err)
			}
			if page.NeedsConfirmation != c.asks || page.User != alice || page.App != "key:app" || strings.Join(page.Scopes, " ") != "read write" {
				t.Errorf("got %+v, want confirmation %v by key:app for alice of read write", page, c.asks)
			}
		})
	}
}

func TestPictureOfTheStatesShowsEveryMove(t *testing.T) {
	picture, err := os.ReadFile("docs/state-machine.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]bool{}
	for line := range strings.Lines(string(picture)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			drawn[strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2])] = true
		}
	}
	states := []keybearer.FlowState{
		keybearer.FlowPending, keybearer.FlowExchanging, keybearer.FlowVerifying, keybearer.FlowCompleted, keybearer.FlowFailed, keybearer.FlowExpired,
	}
	for _, from := range states {
		for _, to := range states {
			if arrow := string(from) + " " + string(to); from.MayBecome(to) != drawn[arrow] {
				t.Errorf("%s: permitted %v, drawn %v", arrow, from.MayBecome(to), drawn[arrow])
			}
		}
	}
}
