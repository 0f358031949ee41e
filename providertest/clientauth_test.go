package providertest_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"

	"github.com/keybearer/keybearer/providertest"
)

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	}
}

func without(form url.Values, names ...string) url.Values {
	for _, name := range names {
		form.Del(name)
	}
	return form
}

func TestBasicCredentialsAreFormDecoded(t *testing.T) {
	const id, secret = "app:with colon", "a:b%41+c é&="
	b := start(t, providertest.Config{Clients: []providertest.Client{{ID: id, Secret: secret, RedirectURIs: []string{callback}}}})
	form := func() url.Values { return without(b.codeForm(b.code()), "client_id", "client_secret") }
	if r := b.post("/token", form(), basic(url.QueryEscape(id), url.QueryEscape(secret))); r.status != http.StatusOK {
		t.Errorf("encoded: got %d %s, want 200", r.status, r.body)
	}
	r := b.post("/token", form(), basic(id, secret))
	want(t, "not encoded", r, 401, "invalid_client")
	if r.header.Get("WWW-Authenticate") == "" {
		t.Error("the refusal of an Authorization header lacks WWW-Authenticate")
	}
}

func TestServersThatDoNotDecodeBasic(t *testing.T) {
	const secret = "a%41b+c"
	b := start(t, providertest.Config{RawBasic: true, Clients: []providertest.Client{{ID: "app", Secret: secret, RedirectURIs: []string{callback}}}})
	form := func() url.Values { return without(b.codeForm(b.code()), "client_id", "client_secret") }
	if r := b.post("/token", form(), basic("app", secret)); r.status != http.StatusOK {
		t.Errorf("raw: got %d, want 200", r.status)
	}
	want(t, "encoded", b.post("/token", form(), basic("app", url.QueryEscape(secret))), 401, "invalid_client")
}

func TestExactlyOneWayToAuthenticate(t *testing.T) {
	b := start(t, providertest.Config{})
	code := b.code()
	id, secret := b.client.ID, b.client.Secret
	want(t, "both", b.post("/token", b.codeForm(code), basic(id, secret)), 400, "multiple_client_credentials")
	if last, _ := b.server.History().Last(providertest.Token); last.Auth != "both" {
		t.Errorf("history: got %q, want both", last.Auth)
	}
	want(t, "none", b.post("/token", without(b.codeForm(code), "client_secret")), 401, "invalid_client")
	want(t, "wrong secret", b.post("/token", without(b.codeForm(code), "client_secret"), basic(id, "guess")), 401, "invalid_client")
	differing := without(b.codeForm(code), "client_secret")
	differing.Set("client_id", "somebody-else")
	want(t, "another client_id in the body", b.post("/token", differing, basic(id, secret)), 401, "invalid_client")
	if r := b.post("/token", without(b.codeForm(code), "client_secret"), basic(id, secret)); r.status != http.StatusOK {
		t.Errorf("Basic with the same client_id in the body: got %d, want 200", r.status)
	}
}

func TestOnlyAllowedStyles(t *testing.T) {
	b := start(t, providertest.Config{AuthStyles: []string{providertest.AuthBasic}})
	code := b.code()
	want(t, "post", b.post("/token", b.codeForm(code)), 401, "invalid_client")
	form := without(b.codeForm(code), "client_id", "client_secret")
	if r := b.post("/token", form, basic(b.client.ID, b.client.Secret)); r.status != http.StatusOK {
		t.Errorf("basic: got %d, want 200 (a refused client does not spend the code)", r.status)
	}
}

func TestPublicClientHasNoSecretButPKCE(t *testing.T) {
	b := start(t, providertest.Config{Clients: []providertest.Client{{ID: "cli", Public: true, RedirectURIs: []string{callback}}}})
	q := b.request()
	q.Del("code_challenge")
	q.Del("code_challenge_method")
	if got := b.get(b.authorizeURL(q)).location.Query().Get("error"); got != "invalid_request" {
		t.Errorf("without a challenge: got %q, want invalid_request", got)
	}
	form := b.codeForm(b.code())
	form.Set("client_secret", "invented")
	want(t, "with a secret", b.post("/token", form), 401, "invalid_client")
	if r := b.exchange(); r.status != http.StatusOK {
		t.Errorf("without: got %d, want 200", r.status)
	}
}

func TestBearerOnRefresh(t *testing.T) {
	b := start(t, providertest.Config{AuthStyles: []string{providertest.AuthPost, providertest.AuthBearer}})
	access, refresh := b.login()
	with := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	want(t, "unknown access token", b.post("/token", form, with("guess")), 401, "invalid_client")
	b.server.Advance(b.lifetime())
	if r := b.post("/token", form, with(access)); r.status != http.StatusOK {
		t.Errorf("expired access token: got %d %s, want 200", r.status, r.body)
	}
}

func TestRotatedSecretAndPurgedClient(t *testing.T) {
	b := start(t, providertest.Config{})
	_, refresh := b.login()
	rotated := b.server.Register(providertest.Client{ID: "app", RedirectURIs: []string{callback}})
	want(t, "old secret", b.refresh(refresh), 401, "invalid_client")
	b.client = rotated
	next := b.refresh(refresh)
	if next.status != http.StatusOK {
		t.Fatalf("new secret: got %d, want 200", next.status)
	}
	b.server.Unregister("app")
	want(t, "purged", b.refresh(next.text(t, "refresh_token")), 401, "invalid_client")
}
