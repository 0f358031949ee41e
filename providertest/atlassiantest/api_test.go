package atlassiantest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

type site struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
}

func (c *client) sites(token string) []site {
	c.t.Helper()
	r := c.get(c.server.URL+"/oauth/token/accessible-resources", token)
	var list []site
	if err := json.Unmarshal([]byte(r.body), &list); err != nil || r.status != http.StatusOK || list == nil {
		c.t.Fatalf("sites: got %d %s (%v)", r.status, r.body, err)
	}
	return list
}

const bothProducts = "read:me read:jira-user read:page:confluence offline_access"

func TestOneSiteIsListedOncePerProduct(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	list := c.sites(c.login(map[string]string{"scope": bothProducts}).AccessToken)
	teahouse := atlassiantest.DefaultSites()[0].ID
	var scopes []string
	for _, s := range list {
		if s.ID != teahouse || len(s.Scopes) != 1 {
			t.Errorf("got %+v, want the teahouse with the scopes of one product", s)
		}
		scopes = append(scopes, s.Scopes...)
	}
	slices.Sort(scopes)
	if want := []string{"read:jira-user", "read:page:confluence"}; !slices.Equal(scopes, want) {
		t.Errorf("scopes: got %v, want %v", scopes, want)
	}
}

func TestOrderOfSitesComesFromTheSeed(t *testing.T) {
	order := func(seed uint64) (all []string) {
		c := newClient(t, atlassiantest.Config{Seed: seed})
		token := c.login(map[string]string{"scope": bothProducts}).AccessToken
		for range 12 {
			all = append(all, c.sites(token)[0].Scopes[0])
		}
		return all
	}
	first := order(7)
	if !slices.Equal(first, order(7)) {
		t.Error("the same seed gave another order")
	}
	if len(slices.Compact(slices.Sorted(slices.Values(first)))) < 2 {
		t.Errorf("twelve answers in the same order: %v", first)
	}
}

func TestSecondConsentMergesSitesAndReplacesScopes(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	decide := func(site string) {
		c.server.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{site}})
	}
	decide("sandbox-teahouse")
	first := c.login(map[string]string{"scope": "read:me read:jira-user offline_access"})
	decide("sandbox-garden")
	c.login(map[string]string{"scope": "read:jira-user offline_access"})

	var names []string
	for _, s := range c.sites(first.AccessToken) {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if want := []string{"sandbox-garden", "sandbox-teahouse"}; !slices.Equal(names, want) {
		t.Errorf("the first token reaches %v, want %v", names, want)
	}
	if r := c.get(c.server.URL+"/me", first.AccessToken); r.status != http.StatusForbidden {
		t.Errorf("the first token kept read:me: got %d, want 403", r.status)
	}
	if got := c.refresh(first.RefreshToken); got.Scope != "offline_access read:jira-user" {
		t.Errorf("its refresh: got the scopes %q", got.Scope)
	}
}

func TestNoSiteIsAnEmptyListNotAnError(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	c.server.Approve("carol")
	if got := c.sites(c.login(nil).AccessToken); len(got) != 0 {
		t.Errorf("carol: got %v, want none", got)
	}
	c.server.Approve("bob")
	token := c.login(nil).AccessToken
	c.server.BlockApps("sandbox-teahouse", true)
	if got := c.sites(token); len(got) != 0 {
		t.Errorf("blocked: got %v, want none", got)
	}
}

func TestProfileNeedsItsScope(t *testing.T) {
	for refusal, want := range map[int]int{0: 403, 401: 401} {
		c := newClient(t, atlassiantest.Config{MeRefusal: refusal})
		token := c.login(map[string]string{"scope": "read:jira-user"}).AccessToken
		if r := c.get(c.server.URL+"/me", token); r.status != want {
			t.Errorf("without read:me: got %d, want %d", r.status, want)
		}
	}
}

func TestJiraGateway(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	teahouse, garden := atlassiantest.DefaultSites()[0].ID, atlassiantest.DefaultSites()[1].ID
	myself := func(cloud, token string) reply {
		return c.get(c.server.URL+"/ex/jira/"+cloud+"/rest/api/3/myself", token)
	}
	token := c.login(nil).AccessToken
	var who struct {
		AccountID string `json:"accountId"`
	}
	if r := myself(teahouse, token); r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &who) != nil || who.AccountID != atlassiantest.DefaultAccounts()[0].ID {
		t.Errorf("myself: got %d %s", r.status, r.body)
	}
	for name, r := range map[string]reply{
		"no token": myself(teahouse, ""), "not a token": myself(teahouse, "guess"),
	} {
		if r.status != http.StatusUnauthorized || !strings.Contains(r.body, `"message":"Unauthorized"`) {
			t.Errorf("%s: got %d %s", name, r.status, r.body)
		}
	}
	for name, r := range map[string]reply{
		"unknown site": myself("5a0d0000-0000-4000-8000-000000000000", token), "site not granted": myself(garden, token),
		"unknown path": c.get(c.server.URL+"/ex/jira/"+teahouse+"/rest/api/9/myself", token),
		"elsewhere":    c.get(c.server.URL+"/ex/bamboo/"+teahouse, token),
	} {
		if r.status != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", name, r.status)
		}
	}

	some := c.login(map[string]string{"scope": "read:user:jira read:group:jira read:avatar:jira"}).AccessToken
	if r := myself(teahouse, some); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "scope does not match") {
		t.Errorf("three of four granular scopes: got %d %s, want 401", r.status, r.body)
	}
	all := c.login(map[string]string{"scope": "read:user:jira read:group:jira read:avatar:jira read:application-role:jira"}).AccessToken
	if r := myself(teahouse, all); r.status != http.StatusOK {
		t.Errorf("all four: got %d, want 200", r.status)
	}
}

func TestFaultsAtAtlassiansEndpoints(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.login(nil)
	c.server.Inject(
		providertest.Fault{Endpoint: providertest.Sites, Name: "unauthorized", Times: 1},
		providertest.Fault{Endpoint: providertest.API, Name: "too_many", Times: 1},
		providertest.Fault{Endpoint: providertest.Userinfo, Name: "no_subject", Times: 1},
		providertest.Fault{Endpoint: providertest.Token, Name: "expires_string", Times: 1},
	)
	if r := c.get(c.server.URL+"/oauth/token/accessible-resources", token.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("sites: got %d, want 401", r.status)
	}
	if r := c.get(c.server.URL+"/ex/jira/"+atlassiantest.DefaultSites()[0].ID+"/rest/api/3/myself", token.AccessToken); r.status != http.StatusTooManyRequests {
		t.Errorf("api: got %d, want 429", r.status)
	}
	if r := c.get(c.server.URL+"/me", token.AccessToken); r.status != http.StatusOK || strings.Contains(r.body, "account_id") {
		t.Errorf("me: got %d %s, want no account_id", r.status, r.body)
	}
	r := c.postForm(c.server.URL+"/oauth/token", map[string][]string{
		"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}, "client_id": {c.app.ID}, "client_secret": {c.app.Secret},
	})
	if !strings.Contains(r.body, `"expires_in":"3600"`) {
		t.Errorf("token: got %.100s", r.body)
	}
}

func TestControlOfAccountsAndSites(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.login(nil)
	control := httptest.NewServer(c.server.Control())
	t.Cleanup(control.Close)
	call := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequest(method, control.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r := c.do(req)
		if r.status != want {
			t.Errorf("%s %s: got %d %s, want %d", method, path, r.status, r.body, want)
		}
		return r.body
	}
	if got := call("GET", "/control/grants", "", 200); !strings.Contains(got, `"account":"alice"`) {
		t.Errorf("grants: got %s", got)
	}
	if got := call("GET", "/control/history", "", 200); !strings.Contains(got, `"redeemed":1`) {
		t.Errorf("history: got %.300s", got)
	}
	call("POST", "/control/block", `{"site":"sandbox-teahouse","blocked":true}`, 200)
	if got := c.sites(token.AccessToken); len(got) != 0 {
		t.Errorf("blocked: got %v", got)
	}
	call("POST", "/control/block", `{"site":"nowhere","blocked":true}`, 400)
	call("POST", "/control/drop-access", "", 200)
	if r := c.get(c.server.URL+"/me", token.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("dropped: got %d, want 401", r.status)
	}
	call("POST", "/control/password", `{"account":"nobody"}`, 400)
	call("POST", "/control/password", `{"account":"alice"}`, 200)
	if got := c.refresh(token.RefreshToken); got.Status != http.StatusForbidden {
		t.Errorf("password changed: got %d, want 403", got.Status)
	}
	call("POST", "/control/revoke", `{"account":"alice"}`, 200)
	call("POST", "/control/revoke", `{"account":"alice"}`, 400)
}

func TestManualNamesWhatIsThereAndNoSecret(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	manual := c.server.Manual("http://127.0.0.1:9199", "http://127.0.0.1:9198")
	for _, want := range []string{
		"http://127.0.0.1:9199/authorize", "http://127.0.0.1:9199/oauth/token", callback, "alice", "bob", "sandbox-teahouse",
		atlassiantest.DefaultSites()[1].ID, "http://127.0.0.1:9198/control/history",
	} {
		if !strings.Contains(manual, want) {
			t.Errorf("the manual lacks %q", want)
		}
	}
	if strings.Contains(manual, c.app.Secret) {
		t.Error("the manual contains the secret")
	}
	if strings.Contains(c.server.Manual("http://127.0.0.1:9199"), "/control/") {
		t.Error("the manual names a control API that is not served")
	}
}
