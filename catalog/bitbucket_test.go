package catalog_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// workspace is a Bitbucket Cloud with a consumer, and a client of the bundled definition.
type workspace struct {
	t      *testing.T
	server *atlassiantest.RunningBitbucketCloud
	client *oauth.Client
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	consumer := atlassiantest.DefaultConsumer()
	consumer.Callback, consumer.Scopes = redirectURI, []string{"account", "pullrequest", "repository"}
	server := atlassiantest.StartBitbucketCloud(t, atlassiantest.BitbucketConfig{Consumers: []atlassiantest.Consumer{consumer}})
	server.Approve("")
	kind, ok := catalog.Definition("bitbucket")
	if !ok {
		t.Fatal("there is no bitbucket")
	}
	d := kind.Install(oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: server.URL + "/site/oauth2/authorize"},
		TokenRequest:     oauth.Request{Endpoint: server.URL + "/site/oauth2/access_token"},
		UserInfoRequest:  &oauth.UserInfo{Request: oauth.Request{Endpoint: server.URL + "/2.0/user"}},
	})
	consumer = server.Consumers()[0]
	return &workspace{t, server, &oauth.Client{
		Definition: &d, ID: consumer.Key, Secret: secret.New(consumer.Secret), RedirectURI: redirectURI, HTTP: server.Client,
	}}
}

func (w *workspace) exchange() (oauth.TokenResponse, error) {
	w.t.Helper()
	verifier := oauth.NewVerifier()
	to, err := w.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("the-state"), Verifier: verifier, Scopes: []string{"repository"}})
	if err != nil {
		w.t.Fatal(err)
	}
	back := visit(w.t, w.server.Client, to)
	if back.Get("state") != "the-state" {
		w.t.Fatalf("got %v back, want the state", back)
	}
	return w.client.Exchange(w.t.Context(), secret.New(back.Get("code")), verifier, []string{"repository"})
}

// visit goes where a browser is sent, and reads what it comes back with; without a redirect it is nil.
func visit(t *testing.T, client *http.Client, to string) url.Values {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	where, err := res.Location()
	if err != nil {
		return nil
	}
	return where.Query()
}

func TestBitbucketFromCodeToRefresh(t *testing.T) {
	w := newWorkspace(t)
	first, err := w.exchange()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Scopes, []string{"account", "pullrequest", "repository"}) || first.ExpiresAt.Sub(first.IssuedAt) != 2*time.Hour {
		t.Errorf("got the scopes %q for %s, want the consumer's for two hours", first.Scopes, first.ExpiresAt.Sub(first.IssuedAt))
	}
	info, err := w.client.UserInfo(t.Context(), first.AccessToken)
	if err != nil || !strings.Contains(string(info), "account_id") {
		t.Errorf("got %s, %v; want the user", info, err)
	}
	second, err := w.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes)
	if err != nil || !second.RefreshToken.Equal(first.RefreshToken) || second.AccessToken.Equal(first.AccessToken) {
		t.Errorf("got %v, want another access token and the same refresh token", err)
	}
	account, err := w.client.ClientCredentials(t.Context(), w.client.ID, w.client.Secret, nil)
	if err != nil || !account.RefreshToken.IsZero() || !slices.Contains(account.Scopes, "repository") {
		t.Errorf("client credentials: got %v with %q, want a token without a refresh token", err, account.Scopes)
	}
	for _, r := range w.server.History().At(providertest.Token) {
		if r.Auth != providertest.AuthBasic || r.ContentType != oauth.ContentForm || r.Params["client_secret"] != nil || r.Params["client_id"] != nil {
			t.Errorf("%s: got %+v, want the credentials in the header alone", r.Grant, r)
		}
	}
}

func TestBitbucketErrors(t *testing.T) {
	w := newWorkspace(t)
	answer, err := w.exchange()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client.Exchange(t.Context(), secret.New("another"), oauth.NewVerifier(), nil)
	wantError(t, err, oauth.Reconsent, "Bitbucket does not take the code")

	right := w.client.Secret
	w.client.Secret = secret.New("another")
	_, err = w.exchange()
	wantError(t, err, oauth.Misconfigured, "Copy the consumer's key and secret again")
	_, err = w.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
	wantError(t, err, oauth.Misconfigured, "the connections are kept")
	_, err = w.client.ClientCredentials(t.Context(), w.client.ID, w.client.Secret, nil)
	wantError(t, err, oauth.Reconsent, "service account's credential is not accepted")
	w.client.Secret = right

	w.server.RevokeGrant(w.client.ID, w.server.History().At(providertest.Token)[0].User)
	_, err = w.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
	wantError(t, err, oauth.Reconsent, "The connection to Bitbucket has ended")
	w.server.Decline()
	to, err := w.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: oauth.NewVerifier()})
	if err != nil {
		t.Fatal(err)
	}
	back := visit(t, w.server.Client, to)
	wantError(t, w.client.Definition.CallbackError(back.Get("error"), back.Get("error_description")), oauth.UserChoice, "You declined access at Bitbucket")
}

func TestBitbucketDataCenterFromConsentToRefresh(t *testing.T) {
	link := atlassiantest.DefaultLink()
	link.Redirects, link.Scope = []string{redirectURI}, "REPO_WRITE"
	server := atlassiantest.StartDataCenterTLS(t, atlassiantest.DataCenterConfig{
		Product: atlassiantest.Bitbucket, Links: []atlassiantest.Link{link}, ContextPath: "/bitbucket", BaseHTTPS: true, RedirectHTTPS: true, RefreshRedirect: "required",
	})
	server.Approve("")
	link, _ = server.Link(link.ID)
	kind, ok := catalog.Definition("bitbucket-data-center")
	if !ok {
		t.Fatal("there is no bitbucket-data-center")
	}
	d := kind.Install(oauth.Definition{ServerURL: server.URL})
	client := &oauth.Client{Definition: &d, ID: link.ID, Secret: secret.New(link.Secret), RedirectURI: redirectURI, HTTP: server.Client}
	verifier := oauth.NewVerifier()
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: verifier, Scopes: []string{"REPO_WRITE"}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := client.Exchange(t.Context(), secret.New(visit(t, server.Client, to).Get("code")), verifier, []string{"REPO_WRITE"})
	if err != nil || !slices.Equal(first.Scopes, []string{"REPO_WRITE"}) {
		t.Fatalf("got %q, %v; want what was asked for", first.Scopes, err)
	}
	if second, err := client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes); err != nil || second.AccessToken.Equal(first.AccessToken) {
		t.Errorf("got %v, want another token", err)
	}
	if got := d.Scopes.Unknown([]string{"REPO_READ", "READ"}); !slices.Equal(got, []string{"READ"}) {
		t.Errorf("got %q, want Jira's scope to be unknown", got)
	}
	if d.UserInfoRequest != nil || d.Refresh.Ahead != oauth.AheadNever {
		t.Error("want no user info, and no refresh ahead")
	}
	back := visit(t, server.Client, strings.Replace(to, "REPO_WRITE", "SYSTEM_ADMIN", 1))
	wantError(t, d.CallbackError(back.Get("error"), back.Get("error_description")), oauth.Misconfigured, "above what the application link allows")
}
