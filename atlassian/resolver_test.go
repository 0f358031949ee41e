package atlassian_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

func teahouse() *atlassian.Resolver {
	return &atlassian.Resolver{Sites: []atlassian.Site{
		{ID: "5a0d-7ea0", Name: "teahouse", URL: "https://teahouse.atlassian.net"},
		{ID: "5a0d-9a8d", Name: "garden", URL: "https://garden.example.com"},
		{ID: "no-url", Name: "nowhere"},
		{ID: "c1", Name: "twin", URL: "https://twin.atlassian.net"},
		{ID: "c2", Name: "twin", URL: "https://twin.atlassian.net"},
	}}
}

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const (
	jiraAt       = "https://api.atlassian.com/ex/jira/5a0d-7ea0"
	confluenceAt = "https://api.atlassian.com/ex/confluence/5a0d-7ea0"
)

func TestAddressesOfSitesBecomeTheGateways(t *testing.T) {
	for _, c := range []struct{ site, gateway string }{
		{"https://teahouse.atlassian.net/rest/api/3/myself", jiraAt + "/rest/api/3/myself"},
		{"https://teahouse.atlassian.net/rest/agile/1.0/board?startAt=0", jiraAt + "/rest/agile/1.0/board?startAt=0"},
		{"https://teahouse.atlassian.net/rest/servicedeskapi/request", jiraAt + "/rest/servicedeskapi/request"},
		{"https://teahouse.atlassian.net/rest/api/3/search/jql?jql=a%3D%22b%2Fc%22&x=%2F..%2F", jiraAt + "/rest/api/3/search/jql?jql=a%3D%22b%2Fc%22&x=%2F..%2F"},
		{"https://teahouse.atlassian.net/rest/api/3/issue/A-1/properties/a%2Fb%20c", jiraAt + "/rest/api/3/issue/A-1/properties/a%2Fb%20c"},
		{"https://teahouse.atlassian.net/rest/api/3/x//y/", jiraAt + "/rest/api/3/x//y/"},
		{"https://teahouse.atlassian.net/rest/api/3/x?", jiraAt + "/rest/api/3/x?"},
		{"https://teahouse.atlassian.net/wiki/api/v2/pages?limit=5", confluenceAt + "/wiki/api/v2/pages?limit=5"},
		{"https://teahouse.atlassian.net/wiki/rest/api/user/current", confluenceAt + "/wiki/rest/api/user/current"},
		{"https://teahouse.atlassian.net/wiki", confluenceAt + "/wiki"},
		{"https://garden.example.com/rest/api/3/field", "https://api.atlassian.com/ex/jira/5a0d-9a8d/rest/api/3/field"},
	} {
		got, err := teahouse().ToGateway(parse(t, c.site))
		if err != nil || got.String() != c.gateway {
			t.Errorf("%s: got %v (%v), want %s", c.site, got, err, c.gateway)
			continue
		}
		if again, err := teahouse().ToGateway(got); err != nil || again.String() != c.gateway {
			t.Errorf("%s once more: got %v (%v)", c.gateway, again, err)
		}
		if back, err := teahouse().ToSite(got); err != nil || back.String() != c.site {
			t.Errorf("%s back: got %v (%v), want %s", c.gateway, back, err, c.site)
		}
	}
}

func TestSpellingOfAnAddressDoesNotMatter(t *testing.T) {
	for raw, want := range map[string]string{
		"HTTPS://Teahouse.Atlassian.NET:443/rest/api/3/myself#top": jiraAt + "/rest/api/3/myself",
		"https://API.atlassian.com:443/ex/jira/5a0d-7ea0/rest/x":   jiraAt + "/rest/x",
		"https://api.atlassian.com/ex/confluence/5a0d-7ea0/rest/x": confluenceAt + "/rest/x", // documented beside /wiki/rest
	} {
		if got, err := teahouse().ToGateway(parse(t, raw)); err != nil || got.String() != want {
			t.Errorf("%s: got %v (%v), want %s", raw, got, err, want)
		}
	}
}

func TestGatewaysAddressesAreShownAsTheSites(t *testing.T) {
	for raw, want := range map[string]string{
		confluenceAt + "/rest/api/content?a=b":   "https://teahouse.atlassian.net/wiki/rest/api/content?a=b",
		confluenceAt:                             "https://teahouse.atlassian.net/wiki",
		jiraAt + "/rest/api/3/issue/a%2Fb":       "https://teahouse.atlassian.net/rest/api/3/issue/a%2Fb",
		"https://Teahouse.atlassian.net/browse/": "https://teahouse.atlassian.net/browse/",
	} {
		if got, err := teahouse().ToSite(parse(t, raw)); err != nil || got.String() != want {
			t.Errorf("%s: got %v (%v), want %s", raw, got, err, want)
		}
	}
	if got, err := teahouse().ToSite(parse(t, "https://api.atlassian.com/ex/jira/no-url/rest/x")); !errors.Is(err, keybearer.NotFound) {
		t.Errorf("a site without address: got %v (%v), want not found", got, err)
	}
}

func TestAddressesThatAreNotOfASiteAreRefused(t *testing.T) {
	for raw, kind := range map[string]keybearer.Kind{
		"https://evil.example/rest/api/3/myself":                             keybearer.NotFound,
		"https://teahouse.atlassian.net.evil.example/rest/x":                 keybearer.NotFound,
		"https://xteahouse.atlassian.net/rest/x":                             keybearer.NotFound,
		"https://teahouse.atlassian.net:8443/rest/x":                         keybearer.NotFound,
		"http://teahouse.atlassian.net/rest/x":                               keybearer.NotFound,
		"http://api.atlassian.com/ex/jira/5a0d-7ea0/rest/x":                  keybearer.NotFound,
		"https://api.atlassian.com/ex/jira/other/rest/x":                     keybearer.NotFound,
		"https://api.atlassian.com/ex/bitbucket/5a0d-7ea0/rest/x":            keybearer.BadRequest,
		"https://api.atlassian.com/oauth/token/accessible-resources":         keybearer.BadRequest,
		"https://api.atlassian.com/ex/jira/5a0d-7ea0%2F..%2Fother/rest":      keybearer.BadRequest,
		"https://user@teahouse.atlassian.net/rest/x":                         keybearer.BadRequest,
		"https://teahouse.atlassian.net/browse/A-1":                          keybearer.BadRequest,
		"https://teahouse.atlassian.net/":                                    keybearer.BadRequest,
		"https://teahouse.atlassian.net/restful":                             keybearer.BadRequest,
		"https://teahouse.atlassian.net/wikipedia":                           keybearer.BadRequest,
		"https://teahouse.atlassian.net//rest/x":                             keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/../../other/rest/x":             keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/%2e%2E/%2e%2e/other/rest/x":     keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/a%2F..%2F..%2Fother":            keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/a%5C..%5C..%5Cother":            keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/%252e%252e/%252e%252e/other":    keybearer.BadRequest,
		"https://teahouse.atlassian.net/rest/./x":                            keybearer.BadRequest,
		"https://twin.atlassian.net/rest/x":                                  keybearer.BadRequest, // whose?
		"/rest/api/3/myself":                                                 keybearer.BadRequest,
		"https:teahouse.atlassian.net/rest/x":                                keybearer.BadRequest,
		"https://teahouse.atlassian.net/%72est/x?" + strings.Repeat("x", 99): keybearer.BadRequest,
	} {
		got, err := teahouse().ToGateway(parse(t, raw))
		if !errors.Is(err, kind) {
			t.Errorf("%s: got %v (%v), want %s", raw, got, err, kind)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the error repeats the query: %v", raw, err)
		}
	}
}

func TestGatewayOfTheGovernment(t *testing.T) {
	r := teahouse()
	r.Gateway = atlassian.GovernmentGateway
	got, err := r.ToGateway(parse(t, "https://teahouse.atlassian.net/rest/x"))
	if want := "https://api.atlassian-us-gov-mod.com/ex/jira/5a0d-7ea0/rest/x"; err != nil || got.String() != want {
		t.Errorf("got %v (%v), want %s", got, err, want)
	}
	for _, bad := range []string{"api.atlassian.com", "https://api.atlassian.com/ex", "https://", "https://u@x", "https://x?y", ":"} {
		r.Gateway = bad
		if got, err := r.ToGateway(parse(t, "https://teahouse.atlassian.net/rest/x")); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("the gateway %q: got %v (%v), want a refusal", bad, got, err)
		}
	}
}

// A client written for a site, with a token that only the gateway takes.
func TestTransportMakesAClientOfASiteWork(t *testing.T) {
	s := newSandbox(t, "read:jira-user offline_access")
	list := s.get("/oauth/token/accessible-resources")
	sites, err := atlassian.ReadSites(list.Body)
	_ = list.Body.Close()
	if err != nil || len(sites) != 2 {
		t.Fatalf("got %v (%v), want two sites", sites, err)
	}
	client := &http.Client{Transport: &atlassian.Transport{
		Resolver: atlassian.Resolver{Sites: sites, Gateway: s.server.URL},
		Base:     s.server.Client.Transport,
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sandbox-teahouse.atlassian.net/rest/api/3/myself", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "accountId") {
		t.Errorf("got %s %s (%v), want the profile", res.Status, body, err)
	}
	if got := res.Request.URL.String(); !strings.HasPrefix(got, s.server.URL+"/ex/jira/") {
		t.Errorf("the response names %s, want where it came from", got)
	}
	if got := req.URL.Host; got != "sandbox-teahouse.atlassian.net" {
		t.Errorf("the request was changed: it names %s", got)
	}
}

func TestTransportCarriesNoTokenElsewhere(t *testing.T) {
	var stolen bool
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true }))
	defer other.Close()
	var paths []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Host+r.URL.EscapedPath())
		switch r.URL.Query().Get("to") {
		case "":
			_, _ = io.WriteString(w, "arrived")
		case "relative":
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		default:
			http.Redirect(w, r, other.URL+"/media", http.StatusFound)
		}
	}))
	defer gateway.Close()
	resolver := *teahouse()
	resolver.Gateway = gateway.URL
	client := &http.Client{Transport: &atlassian.Transport{Resolver: resolver, Base: other.Client().Transport}}
	ask := func(address string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	if got, err := ask("https://teahouse.atlassian.net/rest/x?to=relative"); err != nil || got != "arrived" {
		t.Errorf("a redirect within the gateway: got %q (%v), want it followed", got, err)
	}
	if host := strings.TrimPrefix(gateway.URL, "http://"); len(paths) != 2 || paths[0] != host+"/ex/jira/5a0d-7ea0/rest/x" || paths[1] != paths[0] {
		t.Errorf("the gateway saw %q", paths)
	}
	if got, err := ask("https://teahouse.atlassian.net/rest/x?to=other"); !errors.Is(err, keybearer.NotFound) || stolen {
		t.Errorf("a redirect to another host: got %q (%v), sent there: %v; want a refusal", got, err, stolen)
	}
	if got, err := ask(other.URL + "/rest/x"); !errors.Is(err, keybearer.NotFound) || stolen {
		t.Errorf("another host: got %q (%v), sent there: %v; want a refusal", got, err, stolen)
	}
}

func FuzzToGateway(f *testing.F) {
	f.Add("https://teahouse.atlassian.net/rest/api/3/x%2Fy?a=b")
	f.Add("https://teahouse.atlassian.net/wiki/../rest")
	f.Add("https://api.atlassian.com/ex/confluence/5a0d-7ea0/rest/a;b")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		r := teahouse()
		to, err := r.ToGateway(u)
		if err != nil {
			return
		}
		// What is sent is what a server will read.
		sent, err := url.Parse(to.String())
		if err != nil {
			t.Fatalf("%q became %q, which cannot be read: %v", raw, to, err)
		}
		if sent.Host != "api.atlassian.com" || sent.Scheme != "https" || sent.User != nil {
			t.Errorf("%q became %q", raw, sent)
		}
		clean := sent.JoinPath().EscapedPath() // with dot segments taken out
		for _, path := range []string{sent.EscapedPath(), clean} {
			if rest, found := strings.CutPrefix(path, "/ex/"); !found || len(strings.Split(rest, "/")) < 2 || !known(r, strings.Split(rest, "/")[1]) {
				t.Errorf("%q became %q, which is of no site", raw, sent)
			}
		}
		back, err := r.ToSite(to)
		if err != nil {
			return // a site without an address
		}
		if again, err := r.ToGateway(back); err == nil && again.RawQuery != to.RawQuery {
			t.Errorf("%q: there and back again lost the query: %q", to, again)
		}
	})
}

func known(r *atlassian.Resolver, id string) bool {
	for _, s := range r.Sites {
		if s.ID == id {
			return true
		}
	}
	return false
}
