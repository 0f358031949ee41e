package atlassian_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

func TestSandboxCloudsRefusalsAreExplained(t *testing.T) {
	s := newSandbox(t, "read:jira-work offline_access")
	const teahouse = "/ex/jira/5a0d0000-7ea0-4000-8000-000000000001"
	for _, c := range []struct {
		name, path, token string
		class             atlassian.Class
		advice            string
	}{
		{"a scope is missing", teahouse + "/rest/api/3/myself", s.token, atlassian.ClassScope, "read:jira-user"},
		{"the profile's scope is missing", "/me", s.token, atlassian.ClassScope, "read:me"},
		{"another site", "/ex/jira/5a0d0000-7ea0-4000-8000-00000000ffff/rest/api/3/myself", s.token, atlassian.ClassSite, "cloud id"},
		{"no token of theirs", teahouse + "/rest/api/3/myself", "unheard-of", atlassian.ClassReconsent, "authorize again"},
	} {
		s.token = c.token
		res := s.get(c.path)
		got := atlassian.Explain(res, []string{"read:jira-work"}, time.Now())
		_ = res.Body.Close()
		if got == nil || got.Class != c.class || !strings.Contains(got.Error(), c.advice) {
			t.Errorf("%s: got %v, want %s and %q", c.name, got, c.class, c.advice)
		}
	}
}

func TestSandboxDataCentersAnonymityIsFound(t *testing.T) {
	dc := atlassiantest.StartDataCenter(t, atlassiantest.DataCenterConfig{ContextPath: "/jira"})
	pat, err := dc.IssuePAT("bob", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	client := *dc.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(base, path, authorization string) *atlassian.Failure {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return atlassian.Explain(res, nil, time.Now())
	}
	good, bad := "Bearer "+pat, "Bearer unheard-of"
	if got := ask(dc.URL, "/rest/api/2/search", good); got != nil {
		t.Errorf("a good token: got %v", got)
	}
	for _, c := range []struct {
		name, set, value, path, authorization string
		class                                 atlassian.Class
		renew                                 bool
		advice                                string
	}{
		{"less to see", "", "", "/rest/api/2/search", bad, atlassian.ClassReconsent, true, "anonymous"},
		{"a login is needed", "", "", "/rest/api/2/myself", bad, atlassian.ClassReconsent, true, "not accepted"},
		{"a redirect", "anonymous", "login", "/rest/api/2/myself", bad, atlassian.ClassReconsent, true, "login page"},
		{"a page", "anonymous", "page", "/rest/api/2/myself", bad, atlassian.ClassReconsent, true, "anonymous"},
		{"an old version", "version", "8.10.0", "/rest/api/2/search", good, atlassian.ClassReconsent, true, "anonymous"},
		{"a wrong password", "", "", "/rest/api/2/myself", "Basic YWxpY2U6Ym9i", atlassian.ClassConfig, false, "user name"},
		{"no passwords", "no_basic", "on", "/rest/api/2/myself", "Basic YWxpY2U6YWxpY2U", atlassian.ClassConfig, false, "takes no passwords"},
		{"no permission", "", "", "/rest/auditing/1.0/events", good, atlassian.ClassPermission, false, "permission"},
		{"the rate", "limited", "on", "/rest/api/2/myself", good, atlassian.ClassTransient, false, "Too many requests"},
		{"a path of Cloud", "", "", "/rest/api/3/myself", good, atlassian.ClassConfig, false, "path of the API"},
	} {
		for _, sw := range dc.Switches() {
			if err := dc.Set(sw.Name, sw.Default); err != nil {
				t.Fatal(err)
			}
		}
		if err := dc.Set("context_path", "/jira"); err != nil {
			t.Fatal(err)
		}
		if c.set != "" {
			if err := dc.Set(c.set, c.value); err != nil {
				t.Fatal(err)
			}
		}
		got := ask(dc.URL, c.path, c.authorization)
		if got == nil || got.Class != c.class || got.Renew != c.renew || !strings.Contains(got.Error(), c.advice) {
			t.Errorf("%s: got %+v, want %s, renew %v and %q", c.name, got, c.class, c.renew, c.advice)
		}
	}
	above, err := url.JoinPath(dc.URL, "..")
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(strings.TrimSuffix(above, "/"), "/rest/api/2/myself", good); got == nil || got.Class != atlassian.ClassConfig || !strings.Contains(got.Advice, "context path") {
		t.Errorf("without the context path: got %+v", got)
	}
}

func TestSandboxCloudsOtherRowsAreExplained(t *testing.T) {
	const teahouse = "/ex/jira/5a0d0000-7ea0-4000-8000-000000000001"
	s := newSandbox(t, "read:jira-work read:jira-user manage:jira-configuration offline_access")
	unscoped := strings.NewReader("{}")
	for _, c := range []struct {
		name, method, path, host string
		body                     *strings.Reader
		class                    atlassian.Class
		advice                   string
	}{
		{"a site's own host", "GET", "/rest/api/3/myself", "sandbox-teahouse.atlassian.net", nil, atlassian.ClassConfig, "in place of https://sandbox-teahouse.atlassian.net"},
		{"a GET with a body", "GET", teahouse + "/rest/api/3/search/jql", "", unscoped, atlassian.ClassRequest, "takes no GET with a body"},
		{"the old search", "GET", teahouse + "/rest/api/3/search?jql=x", "", nil, atlassian.ClassConfig, "use /rest/api/3/search/jql"},
		{"an issue that is not there", "GET", teahouse + "/rest/api/3/issue/TEA-9999", "", nil, atlassian.ClassRequest, "may not see it"},
		{"boards without granular scopes", "GET", teahouse + "/rest/agile/1.0/board", "", nil, atlassian.ClassScope, "read:board-scope:jira-software"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.server.URL+c.path, nil)
		if c.body != nil {
			req, err = http.NewRequestWithContext(t.Context(), c.method, s.server.URL+c.path, c.body)
		}
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		req.Header.Set("Authorization", "Bearer "+s.token)
		res, err := s.server.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := atlassian.Explain(res, []string{"read:jira-work"}, time.Now())
		_ = res.Body.Close()
		if got == nil || got.Class != c.class || got.Renew || !strings.Contains(got.Error(), c.advice) {
			t.Errorf("%s: got %v (%+v), want %s and %q", c.name, got, got, c.class, c.advice)
		}
	}
}
