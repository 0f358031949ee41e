package interop_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// These tests drive the peers without the engine. When one of them fails, so will
// the others of this package, and the engine is not to blame.

func TestOIDCProviderGrantsACodeAndRotatesRefreshTokens(t *testing.T) {
	t.Parallel()
	app := callbackServer(t)
	p := startOIDCProvider(t, oidcOptions{redirectURI: app.URL})
	peer := peerClient{
		authorize: p.AuthorizationEndpoint, token: p.TokenEndpoint, redirectURI: app.URL,
		id: p.clientID, secret: p.clientSecret,
		extra: url.Values{"scope": {"openid offline_access scope1"}, "prompt": {"consent"}},
	}

	verifier, link := peer.link()
	arrived := newPerson(t, "gavin").consents(t, link)
	if got, want := arrived.url.Query().Get("iss"), p.Issuer; got != want {
		t.Errorf("iss in the callback: got %q, want %q", got, want)
	}
	first := peer.exchange(t, arrived.url.Query().Get("code"), verifier)
	if got, want := first["scope"], "openid offline_access scope1"; got != want {
		t.Errorf("scope: got %v, want %q", got, want)
	}
	second := peer.refresh(t, first["refresh_token"].(string), http.StatusOK)
	if second["refresh_token"] == first["refresh_token"] {
		t.Error("the refresh token was not rotated")
	}
	if got := peer.refresh(t, first["refresh_token"].(string), http.StatusBadRequest)["error"]; got != "invalid_grant" {
		t.Errorf("refresh with a used token: got %v, want invalid_grant", got)
	}
	if got, want := len(p.tokenRequests(t, "refresh_token")), 2; got != want {
		t.Errorf("refreshes seen: got %d, want %d", got, want)
	}
	if got, want := p.refreshes(t), 1; got != want {
		t.Errorf("refreshes granted: got %d, want %d", got, want)
	}
}

func TestOIDCProviderLetsAPersonDecline(t *testing.T) {
	t.Parallel()
	app := callbackServer(t)
	p := startOIDCProvider(t, oidcOptions{redirectURI: app.URL})
	peer := peerClient{
		authorize: p.AuthorizationEndpoint, redirectURI: app.URL, id: p.clientID,
		extra: url.Values{"scope": {"openid"}, "prompt": {"consent"}},
	}
	_, link := peer.link()

	arrived := newPerson(t, "gavin").declines(t, link)
	if got := arrived.url.Query().Get("error"); got != "access_denied" {
		t.Errorf("got %q on %s, want access_denied", got, arrived.url)
	}
}

func TestGlewlwydGrantsACodeAndRotatesRefreshTokens(t *testing.T) {
	t.Parallel()
	app := callbackServer(t)
	g := startGlewlwyd(t, glewlwydOptions{redirectURI: app.URL})
	peer := peerClient{
		authorize: g.URL + "/api/oidc/auth", token: g.URL + "/api/oidc/token", redirectURI: app.URL,
		id: g.clientID, secret: g.clientSecret, basic: true,
		extra: url.Values{"scope": {"openid " + glewlwydScope}, "nonce": {rand.Text()}, "g_continue": {"yes"}},
	}

	verifier, link := peer.link()
	arrived := g.person(t).opens(t, link)
	first := peer.exchange(t, arrived.url.Query().Get("code"), verifier)
	second := peer.refresh(t, first["refresh_token"].(string), http.StatusOK)
	if second["refresh_token"] == first["refresh_token"] {
		t.Error("the refresh token was not rotated")
	}
	peer.refresh(t, first["refresh_token"].(string), http.StatusBadRequest)
}

// peerClient is the least that an OAuth client is.
type peerClient struct {
	authorize, token, redirectURI, id, secret string
	basic                                     bool
	extra                                     url.Values
}

func (c peerClient) link() (verifier, link string) {
	verifier = rand.Text() + rand.Text()
	digest := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirectURI}, "state": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range c.extra {
		query[name] = values
	}
	return verifier, c.authorize + "?" + query.Encode()
}

func (c peerClient) exchange(t *testing.T, code, verifier string) map[string]any {
	t.Helper()
	return c.post(t, http.StatusOK, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirectURI}, "code_verifier": {verifier},
	})
}

func (c peerClient) refresh(t *testing.T, token string, wantStatus int) map[string]any {
	t.Helper()
	return c.post(t, wantStatus, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (c peerClient) post(t *testing.T, wantStatus int, values url.Values) map[string]any {
	t.Helper()
	if !c.basic {
		values.Set("client_id", c.id)
		values.Set("client_secret", c.secret)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.token, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatalf("asking %s: %v", c.token, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.basic {
		req.SetBasicAuth(c.id, c.secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("asking %s: %v", c.token, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer of %s: %v", c.token, err)
	}
	if resp.StatusCode != wantStatus {
		t.Fatalf("%s %s: got %d, want %d: %s", values.Get("grant_type"), c.token, resp.StatusCode, wantStatus, body)
	}
	answer := map[string]any{}
	if len(body) > 0 && json.Unmarshal(body, &answer) != nil {
		t.Fatalf("%s %s: not JSON: %s", values.Get("grant_type"), c.token, body)
	}
	return answer
}

// callbackServer is a page of an app that takes every request and shows nothing.
func callbackServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	}))
	t.Cleanup(server.Close)
	return server
}
