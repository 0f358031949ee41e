package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/keybearer/keybearer/api"
)

// What an authorize page can say to a visitor without cookies, beside what the sandbox says.
func TestAuthorizePage(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		location string
		want     Verdict
		says     string
	}{
		"login":       {http.StatusFound, "https://id.atlassian.com/login?continue=x", OK, "sends the browser to id.atlassian.com; that proves little"},
		"sent back":   {http.StatusFound, "/callback?error=unauthorized_client&error_description=No%0Asuch%20app", Problem, "the error unauthorized_client No such app"},
		"front door":  {http.StatusRequestURITooLong, "", Problem, "with 2 scopes the address is too long"},
		"unknown app": {http.StatusForbidden, "", Problem, "answers 403 with a page that people would be left on: Something <went> wrong"},
		"broken":      {http.StatusBadGateway, "", Warning, "answers 502"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked *http.Request
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte("<html><head><title>No</title></head><script>let no</script><p>Something <b>&lt;went&gt;</b>\nwrong"))
			}))
			defer server.Close()
			var r Report
			(&chart{Doctor: Doctor{HTTP: unfollowing(server.Client())}, r: &r, p: cloudAt(server.URL), wanted: []string{"read:jira-work"}}).checkWay(t.Context())
			wantFinding(t, r, "authorize.page", c.want, c.says)
			if q := asked.URL.Query(); q.Get("scope") != "offline_access read:jira-work" || q.Get("client_id") != "our-client" || q.Get("redirect_uri") != "https://keys.example.com/callback" || q.Get("state") == "" {
				t.Errorf("asked %v, want what an engine asks", q)
			}
		})
	}
}

func cloudAt(server string) *api.Provider {
	at := func(path string) *string { s := server + path; return &s }
	p := &api.Provider{ID: "cloud", ProviderID: "atlassian"}
	p.OAuth2.ClientID, p.OAuth2.RedirectURI = "our-client", "https://keys.example.com/callback"
	p.OAuth2.Scopes = &api.ScopeRules{Always: []string{"offline_access"}}
	p.OAuth2.AuthorizeRequest = &api.RequestConfig{Endpoint: at("/authorize"), Params: map[string]string{
		"client_id": "{{client_id}}", "scope": "{{scopes}} {{existing_scopes}}", "redirect_uri": "{{redirect_uri}}",
	}}
	return p
}

// A token never goes where an operator's mistake would send it in the clear.
func TestAPIHost(t *testing.T) {
	for name, c := range map[string]struct {
		kind, server, whoami string
		want                 string // "": refused
	}{
		"Cloud":            {"atlassian", "", "https://api.atlassian.com/me", "https://api.atlassian.com"},
		"without profile":  {"atlassian", "", "", "https://api.atlassian.com"},
		"government":       {"atlassian", "", "https://api.atlassian-us-gov-mod.com/me", "https://api.atlassian-us-gov-mod.com"},
		"below a path":     {"atlassian", "", "https://proxy.example.com/atlassian/me", "https://proxy.example.com/atlassian"},
		"another question": {"atlassian", "", "https://proxy.example.com/who?x=1", "https://proxy.example.com"},
		"in the clear":     {"atlassian", "", "http://proxy.example.com/me", ""},
		"Data Center":      {"atlassian-data-center", "https://tea.example.com/jira/", "", "https://tea.example.com/jira"},
		"no server":        {"atlassian-data-center", "", "", ""},
		"Bitbucket":        {"bitbucket", "", "https://api.bitbucket.org/2.0/user", "https://api.bitbucket.org/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &api.Provider{ProviderID: c.kind}
			if c.server != "" {
				p.OAuth2.ServerURL = &c.server
			}
			if c.whoami != "" {
				p.OAuth2.UserInfoRequest = &api.UserInfo{RequestConfig: api.RequestConfig{Endpoint: &c.whoami}}
			}
			got, err := (&chart{p: p}).api()
			if c.want != "" && (got != c.want || err != nil) || c.want == "" && err == nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func FuzzWordsOfAPage(f *testing.F) {
	f.Add("<html><head><title>No</title></head><body><h1>Something went wrong</h1>")
	f.Add("<script>\x1b[2J</script>\x1b[31m<p>red &lt;b&gt; \u202e")
	f.Add("<")
	f.Fuzz(func(t *testing.T, page string) {
		got := wordsOf(strings.NewReader(page))
		if got == "" || len(got) > maxShown+len("…") || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x1b\u202e") {
			t.Errorf("got %q: want words that are fit to be shown", got)
		}
	})
}
