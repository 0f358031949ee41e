package catalog_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

const redirectURI = "https://app.example.com/callback"

// sandbox is a local Atlassian with an app, and a client of the bundled definition that is pointed
// there as an operator would.
type sandbox struct {
	t      *testing.T
	server *atlassiantest.Running
	client *oauth.Client
}

func newSandbox(t *testing.T, c atlassiantest.Config) *sandbox {
	t.Helper()
	app := atlassiantest.DefaultApp()
	app.Callbacks = []string{redirectURI}
	c.Apps, c.CheckVerifier = []atlassiantest.App{app}, true
	server := atlassiantest.Start(t, c)
	server.Approve("")
	app, _ = server.App(app.ID)
	d := pointedAt(t, server.URL)
	return &sandbox{t, server, &oauth.Client{
		Definition: &d, ID: app.ID, Secret: secret.New(app.Secret), RedirectURI: redirectURI, HTTP: server.Client,
	}}
}

// pointedAt is the bundled definition with the three endpoints overridden.
func pointedAt(t *testing.T, base string) oauth.Definition {
	t.Helper()
	var over oauth.Definition
	err := yaml.Load([]byte(`
authorize_request: {endpoint: "`+base+`/authorize"}
token_request: {endpoint: "`+base+`/oauth/token"}
user_info_request: {endpoint: "`+base+`/me"}
sites_request: {endpoint: "`+base+`/oauth/token/accessible-resources"}
`), &over, yaml.WithKnownFields())
	if err != nil {
		t.Fatal(err)
	}
	return atlassian(t).Override(over)
}

func atlassian(t *testing.T) oauth.Definition {
	t.Helper()
	d, ok := catalog.Definition("atlassian")
	if !ok {
		t.Fatal("there is no atlassian")
	}
	return d
}

// back is what the browser comes back with.
func (s *sandbox) back(verifier secret.String, scopes ...string) url.Values {
	s.t.Helper()
	to, err := s.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("the-state"), Verifier: verifier, Scopes: scopes})
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = res.Body.Close()
	where, err := res.Location()
	if err != nil || where.Query().Get("state") != "the-state" {
		s.t.Fatalf("got %d to %v, want a redirect with the state", res.StatusCode, where)
	}
	return where.Query()
}

func (s *sandbox) exchange(scopes ...string) (oauth.TokenResponse, error) {
	s.t.Helper()
	verifier := oauth.NewVerifier()
	code := s.back(verifier, scopes...).Get("code")
	return s.client.Exchange(s.t.Context(), secret.New(code), verifier, scopes)
}

func (s *sandbox) connect(scopes ...string) oauth.TokenResponse {
	s.t.Helper()
	answer, err := s.exchange(scopes...)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

func TestAtlassianAuthorizeURL(t *testing.T) {
	d := atlassian(t)
	client := oauth.Client{Definition: &d, ID: "app", Secret: secret.New("s"), RedirectURI: redirectURI}
	verifier := oauth.NewVerifier()
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{
		State: secret.New("the-state"), Verifier: verifier, Scopes: []string{"read:me", "read:jira-user"}, Existing: []string{"read:jira-work"},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	got := u.Query()
	if challenge := got.Get("code_challenge"); len(challenge) != 43 {
		t.Errorf("got the challenge %q", challenge)
	}
	got.Del("code_challenge")
	want := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "prompt": {"consent"},
		"scope": {"read:me read:jira-user offline_access read:jira-work"}, "state": {"the-state"}, "code_challenge_method": {"S256"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if u.Host+u.Path != "auth.atlassian.com/authorize" || !strings.Contains(to, "scope=read%3Ame%20read%3Ajira-user") {
		t.Errorf("got %s, want Atlassian's endpoint and scopes with %%20", to)
	}
}

func TestAtlassianFromConsentToRefresh(t *testing.T) {
	s := newSandbox(t, atlassiantest.Config{})
	first := s.connect("read:me", "read:jira-user")
	if got := strings.Join(first.Scopes, " "); got != "offline_access read:jira-user read:me" || first.ExpiresAt.Sub(first.IssuedAt) != time.Hour {
		t.Errorf("got the scopes %s for %s", got, first.ExpiresAt.Sub(first.IssuedAt))
	}
	info, err := s.client.UserInfo(t.Context(), first.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	var me map[string]any
	if err := json.Unmarshal(info, &me); err != nil || me["account_id"] == nil {
		t.Errorf("got %s, want an account_id", info)
	}
	second, err := s.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes)
	if err != nil || second.RefreshToken.Equal(first.RefreshToken) || second.AccessToken.Equal(first.AccessToken) {
		t.Fatalf("got %v, want new tokens", err)
	}
	for _, r := range s.server.History().At(providertest.Token) {
		if r.Auth != providertest.AuthPost || r.ContentType != oauth.ContentForm || len(r.QueryParams) > 0 {
			t.Errorf("got %+v, want a form with the credentials in it", r)
		}
		want := []string{"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"}
		if r.Grant == "refresh_token" {
			want = []string{"client_id", "client_secret", "grant_type", "refresh_token"}
		}
		if got := slices.Sorted(maps.Keys(r.Params)); !slices.Equal(got, want) {
			t.Errorf("%s: got the parameters %q, want %q", r.Grant, got, want)
		}
	}
}

// The grant stands; user info is news that may be missing.
func TestAtlassianProfileWithoutItsScope(t *testing.T) {
	for _, status := range []int{401, 403} {
		s := newSandbox(t, atlassiantest.Config{MeRefusal: status})
		answer := s.connect("read:jira-user")
		_, err := s.client.UserInfo(t.Context(), answer.AccessToken)
		wantError(t, err, oauth.ScopeMissing, "Add it to the app under Permissions, User identity API")
	}
}

func TestAtlassianErrors(t *testing.T) {
	for _, dialect := range []string{"unauthorized_client", "invalid_grant"} {
		t.Run(dialect, func(t *testing.T) {
			s := newSandbox(t, atlassiantest.Config{DeadGrant: dialect})
			verifier := oauth.NewVerifier()
			code := secret.New(s.back(verifier, "read:me").Get("code"))
			answer, err := s.client.Exchange(t.Context(), code, verifier, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.client.Exchange(t.Context(), code, verifier, nil)
			wantError(t, err, oauth.Reconsent, "It was used before, is too old, or was issued for another redirect URI")

			s.server.ChangePassword(s.server.Accounts()[0].Key)
			_, err = s.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
			wantError(t, err, oauth.Reconsent, "The connection to Atlassian has ended. It was unused for 90 days")

			s.client.Secret = secret.New("another-secret")
			_, err = s.exchange("read:me")
			wantError(t, err, oauth.Misconfigured, "Copy client_id and client_secret again")
			_, err = s.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
			wantError(t, err, oauth.Misconfigured, "the connections are kept and users need do nothing")
		})
	}
}

func TestAtlassianTroublesThatPass(t *testing.T) {
	for fault, says := range map[string]string{
		"too_many": "Atlassian limits the rate", "html": "The stored grant is kept", "html_error": "The stored grant is kept", "lost": "The stored grant is kept",
	} {
		s := newSandbox(t, atlassiantest.Config{})
		answer := s.connect("read:me")
		s.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault, Times: 1})
		_, err := s.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, answer.Scopes)
		wantError(t, err, oauth.Transient, says)
		// Within the leeway the same token works again, even if it was rotated unseen.
		if _, err := s.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, answer.Scopes); err != nil {
			t.Errorf("after %s: %v", fault, err)
		}
	}
}

func TestAtlassianCallbackErrors(t *testing.T) {
	s := newSandbox(t, atlassiantest.Config{})
	s.server.Decline()
	back := s.back(oauth.NewVerifier(), "read:me")
	err := s.client.Definition.CallbackError(back.Get("error"), back.Get("error_description"), secret.New("the-state"))
	wantError(t, err, oauth.UserChoice, "You declined access at Atlassian. Start again and choose Accept")
	for code, says := range map[string]string{
		"invalid_scope":       "User identity API",
		"unauthorized_client": "turn on sharing under Distribution",
		"server_error":        "Start the authorization again, a little later",
	} {
		class := oauth.Misconfigured
		if code == "server_error" {
			class = oauth.Transient
		}
		wantError(t, s.client.Definition.CallbackError(code, ""), class, says)
	}
}

func wantError(t *testing.T, err error, class oauth.Class, says string) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %s: %s", err, class, says)
	}
}

func TestOverridingTheHostKeepsTheRest(t *testing.T) {
	base, pointed := atlassian(t), pointedAt(t, "http://127.0.0.1:9100")
	for path, endpoint := range map[string]*string{
		"/authorize": &pointed.AuthorizeRequest.Endpoint, "/oauth/token": &pointed.TokenRequest.Endpoint, "/me": &pointed.UserInfoRequest.Endpoint,
		"/oauth/token/accessible-resources": &pointed.SitesRequest.Endpoint,
	} {
		if *endpoint != "http://127.0.0.1:9100"+path {
			t.Errorf("got %s, want the override", *endpoint)
		}
	}
	if got := pointed.Problems(oauth.Options{}); len(got) != 0 {
		t.Errorf("got %v, want no problem", got)
	}
	pointed.AuthorizeRequest.Endpoint, pointed.TokenRequest.Endpoint = base.AuthorizeRequest.Endpoint, base.TokenRequest.Endpoint
	pointed.SitesRequest.Endpoint = base.SitesRequest.Endpoint
	pointed.UserInfoRequest.Endpoint = base.UserInfoRequest.Endpoint
	if diff := cmp.Diff(base, pointed); diff != "" {
		t.Errorf("beside the endpoints (-bundled +overridden):\n%s", diff)
	}
}

func TestAtlassianPolicy(t *testing.T) {
	d := atlassian(t)
	if d.DisplayName != "Atlassian" || d.Issuer != "" || d.Refresh.ReuseGrace.D() != 10*time.Minute || !d.PKCE.On() {
		t.Errorf("got %q, issuer %q, grace %s, PKCE %v", d.DisplayName, d.Issuer, d.Refresh.ReuseGrace.D(), d.PKCE.On())
	}
	if d.Refresh.IdleExpiry.D() != 90*24*time.Hour || !d.Refresh.SharedFate() || d.Refresh.Ahead != "" {
		t.Errorf("got the refresh policy %+v, want 90 days of idleness, one grant per account, ahead by default", d.Refresh)
	}
	if !d.AsksUserInfo(oauth.AtToken) || d.AsksUserInfo(oauth.AtRefresh) || !slices.Equal(d.Scopes.Always, []string{"offline_access"}) {
		t.Errorf("got the triggers %+v and the scopes %v", d.UserInfoRequest.Triggers, d.Scopes)
	}
}

// Reading a definition is part of every start.
func BenchmarkAtlassian(b *testing.B) {
	for b.Loop() {
		if _, ok := catalog.Definition("atlassian"); !ok {
			b.Fatal("there is no atlassian")
		}
	}
}
