package atlassiantest_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// consumer is a client of Bitbucket Cloud.
type consumer struct {
	*client // for its requests only
	cloud   *atlassiantest.RunningBitbucketCloud
	as      atlassiantest.Consumer
}

func newConsumer(t *testing.T, c atlassiantest.BitbucketConfig) *consumer {
	t.Helper()
	if len(c.Consumers) == 0 {
		as := atlassiantest.DefaultConsumer()
		as.Callback = callback
		c.Consumers = []atlassiantest.Consumer{as}
	}
	cloud := atlassiantest.StartBitbucketCloud(t, c)
	cloud.Approve("alice")
	return &consumer{&client{t: t, http: &http.Client{
		Transport:     cloud.Client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, cloud, cloud.Consumers()[0]}
}

func (c *consumer) ask(change url.Values) reply {
	c.t.Helper()
	q := url.Values{"client_id": {c.as.Key}, "response_type": {"code"}, "state": {"the-state"}}
	for name, values := range change {
		q[name] = values
	}
	return c.get(c.cloud.URL+"/site/oauth2/authorize?"+q.Encode(), "")
}

// post sends a form with the consumer's Basic credentials.
func (c *consumer) post(form url.Values) (reply, bitbucketTokens) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.cloud.URL+"/site/oauth2/access_token", strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.as.Key, c.as.Secret)
	r := c.do(req)
	var out bitbucketTokens
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		c.t.Fatalf("got %d %q: %v", r.status, r.body, err)
	}
	return r, out
}

type bitbucketTokens struct {
	AccessToken  string  `json:"access_token"`
	RefreshToken string  `json:"refresh_token"`
	Scopes       string  `json:"scopes"`
	Scope        *string `json:"scope"`
	ExpiresIn    int     `json:"expires_in"`
	Error        string  `json:"error"`
	Description  string  `json:"error_description"`
}

func (c *consumer) login() bitbucketTokens {
	c.t.Helper()
	r := c.ask(nil)
	if r.location == nil || r.location.Query().Get("state") != "the-state" {
		c.t.Fatalf("authorize: got %d to %v", r.status, r.location)
	}
	got, out := c.post(url.Values{"grant_type": {"authorization_code"}, "code": {r.location.Query().Get("code")}})
	if got.status != http.StatusOK {
		c.t.Fatalf("exchange: got %d %s", got.status, got.body)
	}
	return out
}

func (c *consumer) refresh(token string) (reply, bitbucketTokens) {
	c.t.Helper()
	return c.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func TestBitbucketSpeaksItsOwnDialect(t *testing.T) {
	c := newConsumer(t, atlassiantest.BitbucketConfig{})
	first := c.login()
	if first.Scopes != "account email repository" || first.Scope != nil || first.ExpiresIn != 7200 || first.RefreshToken == "" {
		t.Errorf("got %+v, want scopes in the plural, two hours and a refresh token", first)
	}
	if r := c.get(c.cloud.URL+"/2.0/user", first.AccessToken); r.status != http.StatusOK || !strings.Contains(r.body, `"display_name":"Alice Adams"`) {
		t.Errorf("user: got %d %s", r.status, r.body)
	}
	if r := c.get(c.cloud.URL+"/2.0/user/emails", first.AccessToken); r.status != http.StatusOK || !strings.Contains(r.body, "alice@example.com") {
		t.Errorf("emails: got %d %s", r.status, r.body)
	}
	if r := c.get(c.cloud.URL+"/2.0/repositories/sandbox", first.AccessToken); r.status != http.StatusOK || !strings.Contains(r.body, `"full_name":"sandbox/recipes"`) {
		t.Errorf("repositories: got %d %s", r.status, r.body)
	}
	_, second := c.refresh(first.RefreshToken)
	if second.RefreshToken != first.RefreshToken || second.AccessToken == first.AccessToken || c.cloud.History().Rotations("") != 0 {
		t.Errorf("got %+v, want the same refresh token and another access token", second)
	}
	c.cloud.Advance(2 * time.Hour)
	if r := c.get(c.cloud.URL+"/2.0/user", second.AccessToken); r.status != http.StatusUnauthorized || !strings.Contains(r.body, `{"error":{"message":"Access token expired.`) {
		t.Errorf("expired: got %d %s", r.status, r.body)
	}
	if err := c.cloud.Set("rotate", "on"); err != nil {
		t.Fatal(err)
	}
	if _, third := c.refresh(first.RefreshToken); third.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not replaced although it rotates now")
	}
	if r, got := c.refresh(first.RefreshToken); r.status != http.StatusBadRequest || got.Error != "invalid_request" || got.Description != "Invalid refresh_token" {
		t.Errorf("a replaced one: got %d %s", r.status, r.body)
	}
}

func TestBitbucketRefusals(t *testing.T) {
	c := newConsumer(t, atlassiantest.BitbucketConfig{})
	body := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.as.Key}, "client_secret": {c.as.Secret}}
	if r := c.postForm(c.cloud.URL+"/site/oauth2/access_token", body); r.status != http.StatusBadRequest ||
		r.body != `{"error":"unauthorized_client","error_description":"Requests must be authenticated using OAuth client credentials"}` {
		t.Errorf("credentials in the body: got %d %s", r.status, r.body)
	}
	if _, got := c.post(url.Values{"grant_type": {"client_credentials"}}); got.AccessToken == "" || got.RefreshToken == "" {
		t.Errorf("client_credentials: got %+v", got)
	}
	if _, got := c.post(url.Values{"grant_type": {"password"}}); got.Error != "unsupported_grant_type" {
		t.Errorf("another grant: got %+v", got)
	}
	if _, got := c.post(url.Values{"grant_type": {"authorization_code"}, "code": {"guess"}}); got.Error != "invalid_grant" {
		t.Errorf("a guessed code: got %+v", got)
	}
	if r := c.ask(url.Values{"redirect_uri": {"http://elsewhere.invalid/"}}); r.location != nil || !strings.Contains(r.body, "Invalid redirect_uri") {
		t.Errorf("another redirect: got %d to %v", r.status, r.location)
	}
	if r := c.ask(url.Values{"redirect_uri": {callback + "/more"}}); r.location == nil || r.location.Path != "/callback/more" {
		t.Errorf("a longer redirect: got %d to %v", r.status, r.location)
	}
	if r := c.ask(url.Values{"client_id": {"nobody"}}); r.location != nil || r.status != http.StatusBadRequest {
		t.Errorf("another client: got %d to %v", r.status, r.location)
	}
	c.cloud.Decline()
	if r := c.ask(nil); r.location == nil || r.location.Query().Get("error") != "access_denied" {
		t.Errorf("declined: got %d to %v", r.status, r.location)
	}
	c.cloud.Approve("alice")
	tokens := c.login()
	if !c.cloud.RevokeGrant(c.as.Key, "alice") {
		t.Error("there was no grant to revoke")
	}
	if _, got := c.refresh(tokens.RefreshToken); got.Error != "invalid_request" {
		t.Errorf("after the grant: got %+v", got)
	}
	if r := c.get(c.cloud.URL+"/2.0/user", tokens.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("after the grant: got %d, want 401", r.status)
	}
}

func TestBitbucketScopesAreTheConsumersTickBoxes(t *testing.T) {
	as := atlassiantest.DefaultConsumer()
	as.Callback, as.Scopes = callback, []string{"repository"}
	c := newConsumer(t, atlassiantest.BitbucketConfig{Consumers: []atlassiantest.Consumer{as}})
	r := c.ask(url.Values{"scope": {"account"}})
	_, got := c.post(url.Values{"grant_type": {"authorization_code"}, "code": {r.location.Query().Get("code")}})
	if got.Scopes != "repository" {
		t.Errorf("got the scopes %q, want those of the consumer", got.Scopes)
	}
	if r := c.get(c.cloud.URL+"/2.0/user", got.AccessToken); r.status != http.StatusForbidden || !strings.Contains(r.body, `"required":["account"]`) {
		t.Errorf("user: got %d %s, want 403", r.status, r.body)
	}
}

func TestBitbucketPersonClicksThrough(t *testing.T) {
	c := newConsumer(t, atlassiantest.BitbucketConfig{})
	c.cloud.Ask()
	page := c.ask(nil)
	tx := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(page.body)
	if tx == nil || !strings.Contains(page.body, "repository") {
		t.Fatalf("got %d without a form that names the scopes", page.status)
	}
	r := c.postForm(c.cloud.URL+"/site/oauth2/authorize", url.Values{"tx": {tx[1]}, "account": {"bob"}})
	if r.location == nil || r.location.Query().Get("code") == "" {
		t.Errorf("got %d to %v, want a code", r.status, r.location)
	}
	if last, ok := c.cloud.History().Last(providertest.Consent); !ok || last.User != "bob" || last.Outcome != providertest.Approved {
		t.Errorf("its record: got %+v", last)
	}
	control := startControl(t, c.cloud.Control())
	if r := c.call("POST", control+"/control/drop-access", "", ""); r.status != http.StatusOK {
		t.Errorf("drop-access: got %d %s", r.status, r.body)
	}
	if r := c.call("POST", control+"/control/revoke", "", `{"account":"carol"}`); r.status != http.StatusBadRequest {
		t.Errorf("a grant that there is not: got %d, want 400", r.status)
	}
	if m := c.cloud.Manual("http://127.0.0.1:1", control); strings.Contains(m, c.as.Secret) || !strings.Contains(m, "/site/oauth2/access_token") {
		t.Error("the manual lacks the token endpoint, or has the secret")
	}
}

func TestBitbucketDataCenterSaysWhoOneIsInAHeader(t *testing.T) {
	link := atlassiantest.DefaultLink()
	link.Redirects, link.Scope = []string{callback}, "REPO_WRITE"
	l := newLinked(t, atlassiantest.DataCenterConfig{Product: atlassiantest.Bitbucket, Links: []atlassiantest.Link{link}})
	jar, _ := cookiejar.New(nil)
	l.http.Jar = jar
	if r := l.ask(url.Values{"scope": {"READ"}}); r.location == nil || r.location.Query().Get("error") != "invalid_scope" {
		t.Errorf("a scope of Jira: got %d to %v", r.status, r.location)
	}
	if r := l.ask(url.Values{"scope": {"REPO_ADMIN"}}); r.location == nil || r.location.Query().Get("error") != "invalid_scope" {
		t.Errorf("a scope above the link: got %d to %v", r.status, r.location)
	}
	r := l.ask(url.Values{"scope": {"PUBLIC_REPOS REPO_READ"}})
	token := l.post(l.redeemForm(r.location.Query().Get("code"))).AccessToken
	who := l.get(l.dc.URL+"/rest/api/latest/application-properties", token)
	if who.status != http.StatusOK || who.header.Get("X-AUSERNAME") != "alice" || !strings.Contains(who.body, `"displayName":"Bitbucket"`) {
		t.Fatalf("application-properties: got %d %s as %q", who.status, who.body, who.header.Get("X-AUSERNAME"))
	}
	if r := l.get(l.dc.URL+"/rest/api/1.0/users/alice", token); r.status != http.StatusOK || !strings.Contains(r.body, `"slug":"alice"`) {
		t.Errorf("the user: got %d %s", r.status, r.body)
	}
	if r := l.get(l.dc.URL+"/rest/api/latest/projects?limit=1", token); r.status != http.StatusOK || !strings.Contains(r.body, `"nextPageStart":1`) {
		t.Errorf("projects: got %d %s", r.status, r.body)
	}
	if r := l.get(l.dc.URL+"/rest/api/latest/projects/TEA/repos", token); r.status != http.StatusOK || !strings.Contains(r.body, `"slug":"recipes"`) {
		t.Errorf("repositories: got %d %s", r.status, r.body)
	}
	for path, want := range map[string]int{"/rest/api/latest/users/dave": 404, "/rest/api/latest/projects/NONE/repos": 404, "/rest/auditing/1.0/events": 403, "/rest/api/2/users/alice": 404} {
		if r := l.get(l.dc.URL+path, token); r.status != want {
			t.Errorf("%s: got %d %s, want %d", path, r.status, r.body, want)
		}
	}
	nobody := l.get(l.dc.URL+"/rest/api/latest/users/alice", "guess")
	if nobody.status != http.StatusUnauthorized || nobody.header.Get("X-AUSERNAME") != "anonymous" || !strings.HasPrefix(nobody.body, `{"errors":[`) {
		t.Errorf("a token that is not accepted: got %d %s", nobody.status, nobody.body)
	}
}
