package atlassian_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

func TestPreflightFindsNothingWrong(t *testing.T) {
	for product, version := range map[string]string{atlassiantest.Jira: "10.3.2", atlassiantest.Confluence: "9.2.1", atlassiantest.Bitbucket: "9.4.3"} {
		dc := atlassiantest.StartDataCenterTLS(t, atlassiantest.DataCenterConfig{Product: product, ContextPath: "/" + product, BaseHTTPS: true})
		s := atlassian.Preflight{
			HTTP: dc.Client, ServerURL: dc.URL + "/", Product: atlassian.Product(product), RedirectURI: "https://keys.example.com/callback",
		}.Run(t.Context())
		if len(s.Findings) > 0 || !s.Usable() || s.Version != version || s.Product != atlassian.Product(product) {
			t.Errorf("%s: got %+v, want no findings and version %s", product, s, version)
		}
	}
}

func TestPreflightFindings(t *testing.T) {
	for name, c := range map[string]struct {
		config atlassiantest.DataCenterConfig
		inTLS  bool
		change func(*atlassian.Preflight)
		fault  atlassian.Fault
		says   string
	}{
		"old Jira":       {config: atlassiantest.DataCenterConfig{Version: "8.21.1"}, fault: atlassian.TooOld, says: "Jira 8.21.1, and its OAuth 2.0 provider came with 8.22"},
		"old Confluence": {config: atlassiantest.DataCenterConfig{Product: "confluence", Version: "7.16.5"}, fault: atlassian.TooOld, says: "came with 7.17"},
		"old Bitbucket":  {config: atlassiantest.DataCenterConfig{Product: "bitbucket", Version: "7.19.0"}, fault: atlassian.TooOld, says: "came with 7.20"},
		"http":           {config: atlassiantest.DataCenterConfig{BaseHTTPS: true}, fault: atlassian.ProviderOff, says: "its base URL is not https"},
		"context path": {
			config: atlassiantest.DataCenterConfig{ContextPath: "/jira"}, fault: atlassian.LacksPath, says: "/jira: write that as server_url",
			change: func(p *atlassian.Preflight) { p.ServerURL = strings.TrimSuffix(p.ServerURL, "/jira") },
		},
		"rare context path": {
			config: atlassiantest.DataCenterConfig{ContextPath: "/tracker"}, fault: atlassian.NotThere, says: "does not answer as a product",
			change: func(p *atlassian.Preflight) { p.ServerURL = strings.TrimSuffix(p.ServerURL, "/tracker") },
		},
		"another product": {
			fault: atlassian.WrongProduct, says: "the server is Jira, not Confluence",
			change: func(p *atlassian.Preflight) { p.Product = atlassian.Confluence },
		},
		"certificate": {
			inTLS: true, fault: atlassian.Unreachable, says: "trusts the certificate's authority",
			change: func(p *atlassian.Preflight) {
				p.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			},
		},
		"nobody": {fault: atlassian.Unreachable, says: "cannot be reached", change: func(p *atlassian.Preflight) { p.ServerURL = "http://127.0.0.1:1" }},
		"no URL": {fault: atlassian.Unreachable, says: "not a URL", change: func(p *atlassian.Preflight) { p.ServerURL = "https://a b" }},
		"rate":   {config: atlassiantest.DataCenterConfig{Limited: true}, fault: atlassian.Busy, says: "its manifest answered 429"},
		"redirect URI": {
			fault: atlassian.RedirectInClear, says: "skip.redirect.url.https.requirement",
			change: func(p *atlassian.Preflight) { p.RedirectURI = "http://localhost:9099/callback" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := atlassiantest.StartDataCenter
			if c.inTLS {
				start = atlassiantest.StartDataCenterTLS
			}
			dc := start(t, c.config)
			p := atlassian.Preflight{HTTP: dc.Client, ServerURL: dc.URL, Product: atlassian.Jira}
			if c.config.Product != "" {
				p.Product = atlassian.Product(c.config.Product)
			}
			if c.change != nil {
				c.change(&p)
			}
			s := p.Run(t.Context())
			if len(s.Findings) != 1 || s.Findings[0].Fault != c.fault || !strings.Contains(s.Findings[0].Says, c.says) {
				t.Errorf("got %+v, want %s with a word about %q", s.Findings, c.fault, c.says)
			}
			if s.Usable() != (c.fault == atlassian.RedirectInClear || c.fault == atlassian.Busy) {
				t.Errorf("usable: got %v", s.Usable())
			}
		})
	}
}

// What a server says of itself, as no sandbox says it.
func TestPreflightBelievesTheServersOwnWord(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		fault      atlassian.Fault
	}{
		"http behind a proxy": {"/rest/applinks/latest/manifest", `{"typeId":"jira","version":"9.12.1","url":"http://SERVER"}`, atlassian.BaseNotHTTPS},
		"another name":        {"/rest/applinks/latest/manifest", `<manifest><typeId>jira</typeId><version>9.12.1</version><url>https://other.example/jira</url></manifest>`, atlassian.BaseDiffers},
		"Cloud":               {"/rest/api/2/serverInfo", `{"baseUrl":"https://tea.atlassian.net","version":"1001.0.0","deploymentType":"Cloud"}`, atlassian.IsCloud},
		"a page":              {"/rest/applinks/latest/manifest", `<!doctype html><title>Log in</title>`, atlassian.NotThere},
		"Bamboo":              {"/rest/applinks/latest/manifest", `{"typeId":"bamboo","version":"9.6.0"}`, atlassian.WrongProduct},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case c.path:
					_, _ = w.Write([]byte(strings.Replace(c.body, "SERVER", r.Host, 1)))
				case "/rest/oauth2/latest/authorize":
					w.WriteHeader(http.StatusBadRequest)
				default:
					http.Redirect(w, r, "/login.jsp", http.StatusFound)
				}
			}))
			defer server.Close()
			s := atlassian.Preflight{HTTP: server.Client(), ServerURL: server.URL, Product: atlassian.Jira}.Run(t.Context())
			if len(s.Findings) != 1 || s.Findings[0].Fault != c.fault {
				t.Errorf("got %+v, want %s", s.Findings, c.fault)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"typeId":"jira","version":"9.12.1","url":"https://jira.example.com"}`)
	f.Add(`<?xml version="1.0"?><manifest><typeId>confluence</typeId><version>9.x</version></manifest>`)
	f.Add("\xff{")
	f.Fuzz(func(t *testing.T, body string) {
		server := roundTrip(func(*http.Request) *http.Response {
			w := httptest.NewRecorder()
			_, _ = w.WriteString(body)
			return w.Result()
		})
		s := atlassian.Preflight{HTTP: &http.Client{Transport: server}, ServerURL: "https://jira.example.com"}.Run(t.Context())
		for _, finding := range s.Findings {
			if len(finding.Says) > 2000 || strings.ContainsAny(finding.Says, "\n\r\x1b") {
				t.Errorf("got %q, want one line that can be shown", finding.Says)
			}
		}
	})
}

// roundTrip answers without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
