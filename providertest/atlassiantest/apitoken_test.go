package atlassiantest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const day = 24 * time.Hour

func basic(email, token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(email+":"+token))
}

// apiToken makes an API token; with scopes a scoped one.
func (c *client) apiToken(account string, scopes ...string) string {
	c.t.Helper()
	token, err := c.server.IssueAPIToken(account, 30*day, scopes...)
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func TestEachTokenIsForItsOwnDoor(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	unscoped, scoped := c.apiToken("alice"), c.apiToken("alice", "read:jira-user")
	service := c.apiToken("robot", "read:jira-user", "read:jira-work")
	const alice, robot = "alice@example.com", "robot@serviceaccount.example.com"
	for name, with := range map[string]struct {
		authorization string
		gateway, site int
	}{
		"access token":                 {"Bearer " + c.login(nil).AccessToken, 200, 401},
		"unscoped API token":           {basic(alice, unscoped), 401, 200},
		"scoped API token":             {basic(alice, scoped), 200, 401},
		"API token of another":         {basic("bob@example.com", scoped), 401, 401},
		"API token as bearer":          {"Bearer " + scoped, 401, 401},
		"service's API token":          {basic(robot, service), 200, 401},
		"service's API token, bearer":  {"Bearer " + service, 200, 401},
		"made up":                      {basic(alice, "guess"), 401, 401},
		"nothing":                      {"", 401, 401},
		"a scheme that there is not":   {"Digest x", 401, 401},
		"access token as Basic secret": {basic(alice, c.login(nil).AccessToken), 401, 401},
	} {
		if r := c.call("GET", c.gateway("/rest/api/3/myself"), with.authorization, ""); r.status != with.gateway {
			t.Errorf("%s at the gateway: got %d %s, want %d", name, r.status, r.body, with.gateway)
		}
		if r := c.call("GET", c.server.URL+"/site/sandbox-teahouse/rest/api/3/myself", with.authorization, ""); r.status != with.site {
			t.Errorf("%s at the site: got %d %s, want %d", name, r.status, r.body, with.site)
		}
	}
	c.server.Advance(31 * day)
	if r := c.call("GET", c.gateway("/rest/api/3/myself"), basic(alice, scoped), ""); r.status != http.StatusUnauthorized {
		t.Errorf("after its time: got %d, want 401", r.status)
	}
	for name, err := range map[string]error{
		"of nobody": tokenError(c, "dave", day), "for an hour": tokenError(c, "alice", time.Hour),
		"for two years": tokenError(c, "alice", 700*day), "of a service without scopes": tokenError(c, "robot", day),
	} {
		if err == nil {
			t.Errorf("a token %s was made", name)
		}
	}
}

func tokenError(c *client, account string, life time.Duration) error {
	_, err := c.server.IssueAPIToken(account, life)
	return err
}

func TestSiteAnswersAWrongTokenAsNobody(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.apiToken("alice")
	site := c.server.URL + "/site/sandbox-teahouse/rest/api/3"
	r := c.call("GET", site+"/project/search", basic("alice@example.com", "old"), "")
	if r.status != http.StatusOK || r.header.Get("X-Seraph-Loginreason") != "AUTHENTICATED_FAILED" || strings.Contains(r.body, `"TEA"`) || !strings.Contains(r.body, `"GARDEN"`) {
		t.Errorf("a dead token: got %d %s with %v", r.status, r.body, r.header)
	}
	r = c.call("GET", site+"/project/search", basic("alice@example.com", token), "")
	if r.status != http.StatusOK || r.header.Get("X-Seraph-Loginreason") != "" || !strings.Contains(r.body, `"TEA"`) {
		t.Errorf("a good token: got %d %s", r.status, r.body)
	}
	if r := c.call("GET", site+"/serverInfo", "", ""); r.status != http.StatusOK || !strings.Contains(r.body, `"deploymentType":"Cloud"`) {
		t.Errorf("serverInfo: got %d %s", r.status, r.body)
	}
	if r := c.call("GET", site+"/issue/TEA-1", "", ""); r.status != http.StatusNotFound {
		t.Errorf("an issue that is not public: got %d, want 404", r.status)
	}
	if r := c.call("GET", c.server.URL+"/site/sandbox-teahouse/_edge/tenant_info", "", ""); !strings.Contains(r.body, teahouse) {
		t.Errorf("tenant_info: got %d %s", r.status, r.body)
	}
	if r := c.call("GET", c.server.URL+"/site/nowhere/rest/api/3/serverInfo", "", ""); r.status != http.StatusNotFound {
		t.Errorf("a site that there is not: got %d, want 404", r.status)
	}
}

func TestSiteIsKnownByItsHost(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	req, err := http.NewRequest(http.MethodGet, c.server.URL+"/rest/api/3/search/jql?jql=project%3DTEA", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "sandbox-teahouse.atlassian.net"
	req.SetBasicAuth("alice@example.com", c.apiToken("alice"))
	if r := c.do(req); r.status != http.StatusOK || !strings.Contains(r.body, `"id":"10001"`) {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

func TestServiceAccountGetsTokensWithoutAPerson(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	robot := c.server.ServiceAccounts()[0]
	ask := map[string]string{"grant_type": "client_credentials", "client_id": robot.ClientID, "client_secret": robot.Secret, "audience": "api.atlassian.com"}
	got := c.token(ask)
	if got.Status != http.StatusOK || got.RefreshToken != "" || got.ExpiresIn != 3600 {
		t.Fatalf("got %+v, want an access token and no refresh token", got)
	}
	if sites := c.sites(got.AccessToken); len(sites) == 0 || sites[0].Name != "sandbox-teahouse" {
		t.Errorf("its sites: got %v", sites)
	}
	if r := c.get(c.gateway("/rest/api/3/myself"), got.AccessToken); r.status != http.StatusOK || !strings.Contains(r.body, `"accountType":"app"`) {
		t.Errorf("myself: got %d %s", r.status, r.body)
	}
	ask["scope"] = "read:confluence-user"
	narrow := c.token(ask)
	if r := c.get(c.gateway("/wiki/rest/api/user/current"), narrow.AccessToken); r.status != http.StatusOK {
		t.Errorf("a classic scope at version 1: got %d, want 200", r.status)
	}
	if r := c.get(c.gateway("/wiki/api/v2/pages"), narrow.AccessToken); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "scope does not match") {
		t.Errorf("a classic scope at version 2: got %d %s", r.status, r.body)
	}
	ask["scope"] = "delete:everything"
	if got := c.token(ask); got.Error != "invalid_scope" {
		t.Errorf("a scope it does not have: got %d %s", got.Status, got.Error)
	}
	ask["grant_type"] = "refresh_token"
	if got := c.token(ask); got.Error != "unauthorized_client" {
		t.Errorf("another grant: got %d %s", got.Status, got.Error)
	}
	ask["client_secret"] = "guess"
	if got := c.token(ask); got.Status != http.StatusUnauthorized || got.Error != "access_denied" {
		t.Errorf("a wrong secret: got %d %s", got.Status, got.Error)
	}
}
