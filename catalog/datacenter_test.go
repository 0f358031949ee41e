package catalog_test

import (
	"encoding/json"
	"maps"
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

// instance is a Data Center product with a link, over TLS below a context path, and a client of the
// bundled definition.
type instance struct {
	t      *testing.T
	server *atlassiantest.RunningDataCenter
	client *oauth.Client
}

func newInstance(t *testing.T, c atlassiantest.DataCenterConfig) *instance {
	t.Helper()
	link := atlassiantest.DefaultLink()
	link.Redirects, link.Scope = []string{redirectURI}, "ADMIN"
	c.Links = []atlassiantest.Link{link}
	c.BaseHTTPS, c.RedirectHTTPS = true, true // as real ones have it
	server := atlassiantest.StartDataCenterTLS(t, c)
	server.Approve("")
	link, _ = server.Link(link.ID)
	product := c.Product
	if product == "" {
		product = atlassiantest.Jira
	}
	kind, ok := catalog.Definition("atlassian-data-center")
	if !ok {
		t.Fatal("there is no atlassian-data-center")
	}
	d := kind.Install(oauth.Definition{ServerURL: server.URL + "/", Product: product})
	if found := d.Problems(oauth.Options{}); len(found) > 0 {
		t.Fatalf("got the problems %v", found)
	}
	return &instance{t, server, &oauth.Client{
		Definition: &d, ID: link.ID, Secret: secret.New(link.Secret), RedirectURI: redirectURI, HTTP: server.Client,
	}}
}

// back is what the browser comes back with; without a redirect it is nil.
func (i *instance) back(verifier secret.String, scopes ...string) url.Values {
	i.t.Helper()
	to, err := i.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("the-state"), Verifier: verifier, Scopes: scopes})
	if err != nil {
		i.t.Fatal(err)
	}
	return visit(i.t, i.server.Client, to)
}

func (i *instance) exchange(scopes ...string) (oauth.TokenResponse, error) {
	i.t.Helper()
	verifier := oauth.NewVerifier()
	code := i.back(verifier, scopes...).Get("code")
	return i.client.Exchange(i.t.Context(), secret.New(code), verifier, scopes)
}

func (i *instance) connect(scopes ...string) oauth.TokenResponse {
	i.t.Helper()
	answer, err := i.exchange(scopes...)
	if err != nil {
		i.t.Fatal(err)
	}
	return answer
}

func TestDataCenterFromConsentToRefresh(t *testing.T) {
	for product, key := range map[string]string{atlassiantest.Jira: "emailAddress", atlassiantest.Confluence: "userKey"} {
		t.Run(product, func(t *testing.T) {
			i := newInstance(t, atlassiantest.DataCenterConfig{Product: product, ContextPath: "/tea/" + product, RefreshRedirect: "required"})
			first := i.connect("READ", "WRITE")
			if got := strings.Join(first.Scopes, " "); got != "READ WRITE" || first.ExpiresAt.Sub(first.IssuedAt) != time.Hour || len(first.Warnings) > 0 {
				t.Errorf("got the scopes %s for %s, warnings %q", got, first.ExpiresAt.Sub(first.IssuedAt), first.Warnings)
			}
			info, err := i.client.UserInfo(t.Context(), first.AccessToken)
			var me map[string]any
			if err != nil || json.Unmarshal(info, &me) != nil || me[key] == nil {
				t.Errorf("got %s, %v; want the %s", info, err, key)
			}
			second, err := i.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes)
			if err != nil || second.RefreshToken.Equal(first.RefreshToken) || strings.Join(second.Scopes, " ") != "READ WRITE" {
				t.Fatalf("got %v with %v, want new tokens of the same scopes", err, second.Scopes)
			}
			for _, r := range i.server.History().At(providertest.Token) {
				if r.Auth != providertest.AuthPost || r.ContentType != oauth.ContentForm || len(r.QueryParams) > 0 {
					t.Errorf("got %+v, want a form with the credentials in it", r)
				}
				want := []string{"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"}
				if r.Grant == "refresh_token" {
					want = []string{"client_id", "client_secret", "grant_type", "redirect_uri", "refresh_token"}
				}
				if got := slices.Sorted(maps.Keys(r.Params)); !slices.Equal(got, want) {
					t.Errorf("%s: got the parameters %q, want %q", r.Grant, got, want)
				}
			}
		})
	}
}

func TestDataCenterAsksForTheHighestLevelAlone(t *testing.T) {
	i := newInstance(t, atlassiantest.DataCenterConfig{})
	to, err := i.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: oauth.NewVerifier(), Scopes: []string{"WRITE"}, Existing: []string{"READ"}})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	if got := u.Query()["scope"]; !slices.Equal(got, []string{"WRITE"}) || u.Query().Get("code_challenge_method") != "S256" {
		t.Errorf("got the scope %q and PKCE %q, want WRITE alone with S256", got, u.Query().Get("code_challenge_method"))
	}
	if got := i.connect("ADMIN").Scopes; !slices.Equal(got, []string{"ADMIN", "READ", "WRITE"}) {
		t.Errorf("got %q, want those below ADMIN too", got)
	}
}

func TestDataCenterErrors(t *testing.T) {
	i := newInstance(t, atlassiantest.DataCenterConfig{ContextPath: "/jira"})
	answer := i.connect("READ")

	back := i.back(oauth.NewVerifier(), "SYSTEM_ADMIN")
	wantError(t, i.client.Definition.CallbackError(back.Get("error"), back.Get("error_description")), oauth.Misconfigured, "above what the application link allows")
	i.server.Decline()
	back = i.back(oauth.NewVerifier(), "READ")
	wantError(t, i.client.Definition.CallbackError(back.Get("error"), back.Get("error_description")), oauth.UserChoice, "You declined access")
	i.server.Approve("")

	verifier := oauth.NewVerifier()
	code := secret.New(i.back(verifier, "READ").Get("code"))
	i.server.Advance(10 * time.Second)
	_, err := i.client.Exchange(t.Context(), code, verifier, nil)
	wantError(t, err, oauth.Reconsent, "It lives for ten seconds, works once")

	i.turn("secret_rotated", "on")
	_, err = i.exchange("READ")
	wantError(t, err, oauth.Misconfigured, "Copy client_id and client_secret again from the application link; users need do nothing but start again")
	_, err = i.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
	wantError(t, err, oauth.Misconfigured, "the connections are kept and users need do nothing")
	i.turn("secret_rotated", "off")

	i.turn("version", "8.21.0")
	_, err = i.client.Exchange(t.Context(), code, verifier, nil)
	wantError(t, err, oauth.Misconfigured, "older than Jira 8.22 or Confluence 7.17, its base URL is not https, or server_url lacks its context path")
	_, err = i.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
	wantError(t, err, oauth.Misconfigured, "The connections are kept")
	i.turn("version", "10.3.0")

	_, err = i.client.UserInfo(t.Context(), secret.New("a-guess"))
	wantError(t, err, oauth.ScopeMissing, "does not show the profile")

	json := *i.client
	d := i.client.Definition.Override(oauth.Definition{TokenRequest: oauth.Request{RequestContentType: oauth.ContentJSON}})
	json.Definition = &d
	_, err = json.Exchange(t.Context(), code, verifier, nil)
	wantError(t, err, oauth.Misconfigured, "Remove request_content_type")

	i.server.RevokeGrant(i.client.ID, i.server.History().At(providertest.Token)[0].User)
	_, err = i.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil)
	wantError(t, err, oauth.Reconsent, "access was withdrawn in the user's profile")
}

func (i *instance) turn(name, value string) {
	i.t.Helper()
	if err := i.server.Set(name, value); err != nil {
		i.t.Fatal(err)
	}
}
