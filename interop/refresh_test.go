package interop_test

import (
	"encoding/json"
	"testing"
	"time"
)

// shortLife is the life of an access token in the tests that wait for its end. It
// leaves the callers of one test time to meet, even on a busy machine.
const shortLife = 5 * time.Second

// TestAnExpiredTokenIsRefreshedOnceHoweverManyAsk: of many callers who meet an
// expired token, one refresh serves all, and the server accepts what they get.
func TestAnExpiredTokenIsRefreshedOnceHoweverManyAsk(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{accessTTL: shortLife}, engineOptions{})
	var drivers []*driverRun
	for _, c := range append(clients(), clients()...) {
		d := c.drive(t, h.engine.URL, h.engine.Key)
		d.succeeds(t, call{Method: "health.check"}, nil) // it is up: from now on a call takes no time
		drivers = append(drivers, d)
	}

	app := clients()[0].start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1")
	newPerson(t, "gavin").consents(t, app.next(t, "please_complete").URL)
	first := app.next(t, "completed")
	waitUntilExpired(t, h.oidc.UserinfoEndpoint, first.Token)
	before := h.oidc.refreshes(t)

	for _, d := range drivers {
		d.begin(t, d.with("auth.status", map[string]any{"id": first.ID}))
	}
	second := ""
	for _, d := range drivers {
		got := d.authorization(t)
		h.engine.guards(got.Context.Token)
		if got.Status != "completed" || got.Context.Token == first.Token {
			t.Errorf("got status %q, the expired token: %t; want completed with a new token", got.Status, got.Context.Token == first.Token)
		}
		if second != "" && got.Context.Token != second {
			t.Error("two callers got two different new tokens")
		}
		second = got.Context.Token
	}
	if got := h.oidc.refreshes(t) - before; got != 1 {
		t.Errorf("%d refreshes for %d callers, want 1", got, len(drivers))
	}
	if got := whoHolds(t, h.oidc.UserinfoEndpoint, second)["sub"]; got != "gavin" {
		t.Errorf("the server says that the new token belongs to %v, want gavin", got)
	}
}

// TestRotatedRefreshTokensLastThroughCrashes: each refresh spends the token before
// it, so one that is not on disk in time would be the end of the grant.
func TestRotatedRefreshTokensLastThroughCrashes(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{accessTTL: shortLife}, engineOptions{})
	c := clients()[2]

	app := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1")
	newPerson(t, "gavin").consents(t, app.next(t, "please_complete").URL)
	token := app.next(t, "completed").Token

	for range 2 {
		waitUntilExpired(t, h.oidc.UserinfoEndpoint, token)
		h.engine.crash(t)
		next := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1").next(t, "completed").Token
		if next == token {
			t.Fatal("got the expired token")
		}
		token = next
	}
	if got := whoHolds(t, h.oidc.UserinfoEndpoint, token)["sub"]; got != "gavin" {
		t.Errorf("the server says that the last token belongs to %v, want gavin", got)
	}
	for _, r := range h.oidc.tokenRequests(t, "refresh_token") {
		if r.Status != 200 {
			t.Errorf("the server refused a refresh: %d %s", r.Status, r.Error)
		}
	}
}

// authorization is an AuthorizationResponse on the wire.
type authorization struct {
	ID         string   `json:"id"`
	Status     string   `json:"status"`
	URL        string   `json:"url"`
	UserID     string   `json:"user_id"`
	ProviderID string   `json:"provider_id"`
	Scopes     []string `json:"scopes"`
	Context    struct {
		Token    string         `json:"token"`
		UserInfo map[string]any `json:"user_info"`
	} `json:"context"`
}

// authorization waits for the answer to a call that gives one.
func (d *driverRun) authorization(t *testing.T) authorization {
	t.Helper()
	answer := d.end(t)
	if e := answer.Exception; e != nil {
		t.Fatalf("%s %d: %s", e.Class, e.Status, e.Text)
	}
	var a authorization
	if err := json.Unmarshal(answer.Result, &a); err != nil {
		t.Fatalf("reading %s: %v", answer.Result, err)
	}
	return a
}
