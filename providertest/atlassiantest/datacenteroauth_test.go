package atlassiantest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// provider is a Data Center product as package oauth is told of it.
func (l *linked) provider() *oauth.Client {
	on := true
	who := map[string]string{"client_id": "{{client_id}}", "client_secret": "{{client_secret}}", "redirect_uri": "{{redirect_uri}}"}
	with := func(more map[string]string) map[string]string {
		for name, value := range who {
			more[name] = value
		}
		return more
	}
	endpoint := l.dc.URL + "/rest/oauth2/latest/token"
	d := oauth.Definition{
		ScopeDelimiter: " ",
		PKCE:           oauth.PKCE{Enabled: &on, CodeChallengeMethod: "S256"},
		AuthorizeRequest: oauth.Request{Endpoint: l.dc.URL + "/rest/oauth2/latest/authorize", Params: map[string]string{
			"client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}", "response_type": "code", "scope": "{{scopes}}",
		}},
		TokenRequest:   oauth.Request{Endpoint: endpoint, Params: with(map[string]string{"grant_type": "authorization_code", "code": "{{code}}", "code_verifier": "{{code_verifier}}"})},
		RefreshRequest: &oauth.Request{Endpoint: endpoint, Params: with(map[string]string{"grant_type": "refresh_token", "refresh_token": "{{refresh_token}}"})},
	}
	return &oauth.Client{Definition: &d, ID: l.link.ID, Secret: secret.New(l.link.Secret), RedirectURI: callback, HTTP: l.dc.Client}
}

// connect signs alice in with package oauth.
func (l *linked) connect(c *oauth.Client) (oauth.TokenResponse, error) {
	l.t.Helper()
	verifier, scopes := oauth.NewVerifier(), []string{"WRITE"}
	to, err := c.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("the-state"), Verifier: verifier, Scopes: scopes})
	if err != nil {
		l.t.Fatal(err)
	}
	back := l.get(to, "")
	if back.location == nil {
		l.t.Fatalf("authorize: got %d %s, want a redirect", back.status, back.body)
	}
	return c.Exchange(l.t.Context(), secret.New(back.location.Query().Get("code")), verifier, scopes)
}

func TestDataCenterWithPackageOAuth(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{ContextPath: "/jira", RefreshRedirect: "required"})
	c := l.provider()
	first, err := l.connect(c)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(first.ExpiresAt); first.RefreshToken.Reveal() == "" || left < 59*time.Minute || left > time.Hour {
		t.Errorf("got a refresh token %t and %v to live, want one and an hour", first.RefreshToken.Reveal() != "", left)
	}
	second, err := c.Refresh(t.Context(), first.RefreshToken, first.AccessToken, []string{"WRITE"})
	if err != nil {
		t.Fatal(err)
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", second.AccessToken.Reveal()); r.status != 200 {
		t.Errorf("myself: got %d %s, want 200", r.status, r.body)
	}
	var refused *oauth.Error
	if _, err := c.Refresh(t.Context(), first.RefreshToken, first.AccessToken, nil); !errors.As(err, &refused) || refused.Class != oauth.Reconsent {
		t.Errorf("the old refresh token: got %v, want class %s", err, oauth.Reconsent)
	}
	if got := l.dc.History().Rotations(""); got != 1 {
		t.Errorf("rotations: got %d, want 1", got)
	}
}

func TestDataCenterFaultsWithPackageOAuth(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	c := l.provider()
	token, err := l.connect(c)
	if err != nil {
		t.Fatal(err)
	}
	l.dc.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Times: 1, Grant: "refresh_token"})
	if _, err := c.Refresh(t.Context(), token.RefreshToken, token.AccessToken, nil); err == nil {
		t.Error("a lost answer was read")
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", token.AccessToken.Reveal()); r.status != 401 {
		t.Errorf("the old access token after a lost answer: got %d, want 401", r.status)
	}
	// There is no leeway: this grant is lost, and it is said.
	var refused *oauth.Error
	if _, err := c.Refresh(t.Context(), token.RefreshToken, token.AccessToken, nil); !errors.As(err, &refused) || refused.Class != oauth.Reconsent {
		t.Errorf("after a lost answer: got %v, want class %s", err, oauth.Reconsent)
	}
	if err := l.dc.Set("secret_rotated", "on"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.connect(c); !errors.As(err, &refused) || refused.Class != oauth.Misconfigured {
		t.Errorf("rotated secret: got %v, want class %s", err, oauth.Misconfigured)
	}
}
