package interop_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// TestARevokedAtlassianGrantBecomesANewLink: while the grant lives, an expired token
// is replaced without anybody noticing; when the user takes it back at Atlassian, the
// app gets a link again instead of an error, and the new consent works.
func TestARevokedAtlassianGrantBecomesANewLink(t *testing.T) {
	t.Parallel()
	c := clients()[0]
	s := startSandbox(t, "--token-life", shortLife.String())
	e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{s.definition()}})
	start := func() *appRun { return c.start(t, e.URL, e.Key, "atlassian", appUser, "read:me") }

	app := start()
	newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)
	first := app.next(t, "completed").Token
	waitUntilExpired(t, s.URL+"/me", first)

	second := start().next(t, "completed").Token
	if second == first {
		t.Error("got the expired token")
	}
	whoHolds(t, s.URL+"/me", second)

	s.control(t, "/control/revoke", map[string]string{"account": "alice"})
	waitUntilExpired(t, s.URL+"/me", second)
	app = start()
	newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)
	whoHolds(t, s.URL+"/me", app.next(t, "completed").Token)
}

// TestAGrantThatGlewlwydForgotBecomesANewLink: its refusal of a dead refresh token
// has a status and no body, so nothing in it says invalid_grant.
func TestAGrantThatGlewlwydForgotBecomesANewLink(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	g := startGlewlwyd(t, glewlwydOptions{redirectURI: callback(port, "boards"), accessTTL: shortLife})
	e := startEngine(t, engineOptions{port: port, providers: []providerConfig{g.definition()}})
	c := clients()[2]
	start := func() *appRun { return c.start(t, e.URL, e.Key, "boards", appUser, glewlwydScope) }

	app := start()
	g.person(t).opens(t, app.next(t, "please_complete").URL)
	token := app.next(t, "completed").Token

	g.forget(t)
	waitUntilExpired(t, g.URL+"/api/oidc/userinfo", token)
	app = start()
	g.person(t).opens(t, app.next(t, "please_complete").URL)
	whoHolds(t, g.URL+"/api/oidc/userinfo", app.next(t, "completed").Token)
}

// forget disables the user's refresh tokens, as the user can on the server's own page.
func (g *glewlwyd) forget(t *testing.T) {
	t.Helper()
	nina := g.person(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/api/oidc/token", nil)
	if err != nil {
		t.Fatalf("listing glewlwyd's refresh tokens: %v", err)
	}
	resp, err := nina.client.Do(req)
	if err != nil {
		t.Fatalf("listing glewlwyd's refresh tokens: %v", err)
	}
	defer resp.Body.Close()
	var tokens []struct {
		Hash string `json:"token_hash"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || len(tokens) == 0 {
		t.Fatalf("glewlwyd lists %d refresh tokens: %v", len(tokens), err)
	}
	for _, token := range tokens {
		g.call(t, nina, http.MethodDelete, "/api/oidc/token/"+url.PathEscape(token.Hash), nil)
	}
}
