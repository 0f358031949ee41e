package providertest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// lifetime is that of the default configuration's access tokens.
func (b *bench) lifetime() time.Duration { return time.Hour }

func TestUserinfo(t *testing.T) {
	b := start(t, providertest.Config{UserinfoScope: "read"})
	access, _ := b.login()
	if got := b.bearer("/userinfo", access).text(t, "email"); got != "alice@example.com" {
		t.Errorf("got %q, want alice@example.com", got)
	}
	for name, r := range map[string]reply{
		"no token":      b.get(b.server.URL + "/userinfo"),
		"unknown token": b.bearer("/userinfo", "guess"),
	} {
		if r.status != http.StatusUnauthorized || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: got %d %q", name, r.status, r.header.Get("WWW-Authenticate"))
		}
	}
	b.server.Advance(b.lifetime())
	if r := b.bearer("/userinfo", access); r.status != http.StatusUnauthorized {
		t.Errorf("expired: got %d, want 401", r.status)
	}

	q := b.request()
	q.Set("scope", "write")
	code := b.get(b.authorizeURL(q)).location.Query().Get("code")
	access = b.post("/token", b.codeForm(code)).text(t, "access_token")
	want(t, "without the scope", b.bearer("/userinfo", access), 403, "insufficient_scope")
}

func TestIntrospectAndRevoke(t *testing.T) {
	b := start(t, providertest.Config{})
	active := func(token string) bool {
		t.Helper()
		got, _ := b.post("/introspect", b.authenticated(url.Values{"token": {token}})).members(t)["active"].(bool)
		return got
	}
	revoke := func(token string) {
		t.Helper()
		if r := b.post("/revoke", b.authenticated(url.Values{"token": {token}})); r.status != http.StatusOK {
			t.Errorf("revoke: got %d, want 200", r.status)
		}
	}
	want(t, "introspection by a stranger", b.post("/introspect", url.Values{"token": {"x"}}), 401, "invalid_client")

	access, refresh := b.login()
	if !active(access) || !active(refresh) || active("guess") {
		t.Errorf("got active %t, %t, %t, want true, true, false", active(access), active(refresh), active("guess"))
	}
	revoke("guess")
	revoke(access)
	if active(access) || !active(refresh) {
		t.Error("revoking the access token must end it and nothing else")
	}
	next := b.refresh(refresh)
	access, refresh = next.text(t, "access_token"), next.text(t, "refresh_token")
	revoke(refresh)
	if active(access) || active(refresh) {
		t.Error("revoking the refresh token must end the family and its access tokens")
	}
}

func TestBehindTheClientsBack(t *testing.T) {
	b := start(t, providertest.Config{})
	access, refresh := b.login()
	if got := b.server.DropAccessTokens(); got != 1 {
		t.Errorf("dropped: got %d, want 1", got)
	}
	if r := b.bearer("/userinfo", access); r.status != http.StatusUnauthorized {
		t.Errorf("dropped token: got %d, want 401", r.status)
	}
	next := b.refresh(refresh)
	if next.status != http.StatusOK {
		t.Fatalf("refresh after dropping: got %d, want 200", next.status)
	}
	b.server.RevokeUser("alice")
	want(t, "revoked by the user", b.refresh(next.text(t, "refresh_token")), 400, "invalid_grant")
}

func TestDiscovery(t *testing.T) {
	b := start(t, providertest.Config{SendIss: true})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		doc := b.get(b.server.URL + path).members(t)
		if doc["issuer"] != b.server.URL || doc["token_endpoint"] != b.server.URL+"/token" ||
			doc["authorization_response_iss_parameter_supported"] != true {
			t.Errorf("%s: got %v", path, doc)
		}
	}
	if got := b.get(b.authorizeURL(b.request())).location.Query().Get("iss"); got != b.server.URL {
		t.Errorf("iss: got %q, want %q", got, b.server.URL)
	}
}

func TestIDTokenIsSignedWithTheSecret(t *testing.T) {
	b := start(t, providertest.Config{})
	q := b.request()
	q.Set("scope", "openid")
	q.Set("nonce", "the-nonce")
	code := b.get(b.authorizeURL(q)).location.Query().Get("code")
	parts := strings.Split(b.post("/token", b.codeForm(code)).text(t, "id_token"), ".")
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want 3", len(parts))
	}
	mac := hmac.New(sha256.New, []byte(b.client.Secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if got := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); got != parts[2] {
		t.Error("the signature does not verify")
	}
	var claims map[string]any
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &claims); err != nil {
		t.Fatal(err)
	}
	if claims["nonce"] != "the-nonce" || claims["sub"] != "alice" || claims["aud"] != "app" || claims["iss"] != b.server.URL {
		t.Errorf("claims: got %v", claims)
	}
}
