package proxy_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const teahouse = "https://sandbox-teahouse.atlassian.net"

// atlassianRoute is a connection to the sandbox: with the sites of a consent.
func atlassianRoute(gateway string) keybearer.Route {
	r := keybearer.Route{
		Ref: keybearer.Ref{Provider: "atlassian"}, Default: true, Gateway: gateway,
		API: oauth.API{
			Hosts: []string{strings.TrimPrefix(gateway, "https://")},
			Env:   map[string]string{"JIRA_API_TOKEN": oauth.EnvToken, "JIRA_URL": oauth.EnvServerURL, "JIRA_USERNAME": oauth.EnvUsername},
		},
	}
	for _, s := range atlassiantest.DefaultSites() {
		r.Sites = append(r.Sites, keybearer.Site{ID: s.ID, Name: s.Name, URL: s.URL})
	}
	r.Site = r.Sites[0].ID
	return r
}

func issue(t *testing.T, sandbox *atlassiantest.Running, account string, scopes ...string) string {
	t.Helper()
	token, err := sandbox.IssueAPIToken(account, 30*24*time.Hour, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Programs are written for the site's own address. Tokens of consents and scoped ones work at the gateway only.
func TestRequestsToASiteGoToTheGateway(t *testing.T) {
	sandbox := atlassiantest.StartTLS(t, atlassiantest.Config{})
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		// A service's token is presented as Bearer, as those of consents are.
		l.store.put(atlassianRoute(sandbox.URL), issue(t, sandbox, "robot", "read:jira-user", "read:jira-work", "read:confluence-content.all"))
	})
	if got := l.agent.Env["JIRA_URL"]; got != teahouse {
		t.Errorf("JIRA_URL is %q", got)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("robot@example.com:"+l.agent.Env["JIRA_API_TOKEN"]))
	for _, headers := range [][]string{nil, {"Authorization", basic}, {"Authorization", "Bearer " + l.agent.Env["JIRA_API_TOKEN"]}} {
		r := l.do(l.client(), l.to(teahouse+"/rest/api/3/myself?expand=groups", headers...))
		if r.StatusCode != http.StatusOK || !strings.Contains(r.text, "robot@serviceaccount.example.com") {
			t.Errorf("with %q: got %d %s", headers, r.StatusCode, r.text)
		}
	}
	direct := l.do(l.client(), l.to(sandbox.URL+"/ex/jira/"+atlassiantest.DefaultSites()[0].ID+"/rest/api/3/myself"))
	if direct.StatusCode != http.StatusOK {
		t.Errorf("at the gateway itself: got %d %s", direct.StatusCode, direct.text)
	}
	r := l.do(l.client(), l.to(teahouse+"/browse/TEA-1"))
	wantRefused(t, r, 403, proxy.CodeNoAPI)
	if !strings.Contains(r.text, "/rest/") {
		t.Errorf("it says %s", r.text)
	}
	if i := l.audit(5)[0]; i.Host != "sandbox-teahouse.atlassian.net" || i.Path != "/rest/api/3/myself" || i.Status != 200 {
		t.Errorf("the audit says %+v", i)
	}
}

func TestAScopedTokenIsSentAsBasicToTheGateway(t *testing.T) {
	sandbox := atlassiantest.StartTLS(t, atlassiantest.Config{})
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := atlassianRoute(sandbox.URL)
		r.Kind, r.Username = keybearer.ScopedAPIToken, "alice@example.com"
		l.store.put(r, issue(t, sandbox, "alice", "read:jira-user"))
	})
	for _, headers := range [][]string{nil, {"Authorization", "Bearer " + l.agent.Env["JIRA_API_TOKEN"]}} {
		if r := l.do(l.client(), l.to(teahouse+"/rest/api/3/myself", headers...)); r.StatusCode != http.StatusOK {
			t.Errorf("with %q: got %d %s", headers, r.StatusCode, r.text)
		}
	}
}

func TestAnAPITokenGoesToTheSiteItself(t *testing.T) {
	sandbox := atlassiantest.StartTLS(t, atlassiantest.Config{})
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		site := named(t, cfg.Roots, "sandbox-teahouse.atlassian.net", sandbox.ServeHTTP)
		before := newCorporate(t, "http", map[string]string{"sandbox-teahouse.atlassian.net:443": site})
		cfg.Upstream = func(*url.URL) (*url.URL, error) { return before.url, nil }
		r := atlassianRoute("")
		r.Kind, r.Username, r.Sites = keybearer.APIToken, "alice@example.com", nil
		r.API.Hosts = []string{"*.atlassian.net"}
		l.store.put(r, issue(t, sandbox, "alice"))
	})
	if r := l.do(l.client(), l.to(teahouse+"/rest/api/3/myself")); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "alice@example.com") {
		t.Errorf("got %d %s", r.StatusCode, r.text)
	}
	if got := l.agent.Env["JIRA_USERNAME"]; got != "alice@example.com" {
		t.Errorf("JIRA_USERNAME is %q", got)
	}
}

// Atlassian says of a scope that is missing what it says of a token that is not taken: renewing would only
// spend a refresh token.
func TestAMissingScopeIsExplainedAndNotRenewed(t *testing.T) {
	sandbox := atlassiantest.StartTLS(t, atlassiantest.Config{})
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		l.store.put(atlassianRoute(sandbox.URL), issue(t, sandbox, "robot", "read:jira-user"))
	})
	r := l.do(l.client(), l.to(teahouse+"/rest/api/3/project/search"))
	if r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusForbidden || !strings.Contains(r.Header.Get(proxy.HeaderAdvice), "scope") || r.text == "" {
		t.Errorf("got %d %v %s", r.StatusCode, r.Header, r.text)
	}
	if len(l.store.renewed) != 0 {
		t.Error("the token was renewed for a scope")
	}
}

func TestARedirectOfTheGatewayLeadsBackToTheSite(t *testing.T) {
	var to string
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}, func(l *lab, _ *proxy.Config) { l.store.put(atlassianRoute(l.upstream.URL), canary) })
	id := atlassiantest.DefaultSites()[0].ID
	for _, c := range []struct{ location, want string }{
		{l.upstream.URL + "/ex/jira/" + id + "/rest/api/3/x?y=z", teahouse + "/rest/api/3/x?y=z"},
		{"/ex/confluence/" + id + "/wiki/rest/x", teahouse + "/wiki/rest/x"},
		{"other", teahouse + "/rest/api/3/other"},
		{"https://api.media.atlassian.com/file", "https://api.media.atlassian.com/file"},
	} {
		to = c.location
		if r := l.do(l.client(), l.to(teahouse+"/rest/api/3/attachment")); r.Header.Get("Location") != c.want {
			t.Errorf("%s became %q, want %q", c.location, r.Header.Get("Location"), c.want)
		}
	}
}
