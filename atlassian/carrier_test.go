package atlassian_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
)

func TestConnectionIsTestedByAskingTheProduct(t *testing.T) {
	for name, c := range map[string]struct {
		desk       *desk
		path, user string
	}{
		"Jira Cloud": {atCloud(t, nil), "/rest/api/3/myself", "712020:5a0d0000-0000-4000-8000-00000000a11c"},
		"Jira Cloud, as the module": {atCloud(t, func(c *atlassian.Config) {
			c.Scopes = atlassian.ModuleScopes(atlassian.Jira)
		}), "/rest/api/3/myself", "712020:5a0d0000-0000-4000-8000-00000000a11c"},
		"Confluence Cloud": {atCloud(t, func(c *atlassian.Config) {
			c.Product, c.Scopes = atlassian.Confluence, atlassian.ClassicScopes(atlassian.Read, atlassian.Confluence)
		}), "/wiki/rest/api/user/current", "712020:5a0d0000-0000-4000-8000-00000000a11c"},
		"Confluence Cloud, as the module": {atCloud(t, func(c *atlassian.Config) {
			c.Product, c.Scopes = atlassian.Confluence, atlassian.ModuleScopes(atlassian.Confluence)
		}), "/wiki/rest/api/user/current", "712020:5a0d0000-0000-4000-8000-00000000a11c"},
		"Jira Data Center":       {atServer(t, atlassian.Jira, nil), "/rest/api/2/myself", "alice"},
		"Confluence Data Center": {atServer(t, atlassian.Confluence, nil), "/rest/api/user/current", "alice"},
	} {
		got, err := c.desk.connect().client.TestConnection(t.Context())
		if err != nil || got.Path != c.path || got.User != c.user || got.Name != "Alice Adams" {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if c.desk.cloud != nil && got.Site.ID != teahouseID {
			t.Errorf("%s: got the site %s", name, got.Site)
		}
		if c.desk.provider.History().Calls(providertest.API) != 1 {
			t.Errorf("%s: the product was asked %d times", name, c.desk.provider.History().Calls(providertest.API))
		}
	}
}

// Not every set of scopes permits the question who it is.
func TestConnectionIsTestedByWhatTheScopesPermit(t *testing.T) {
	for _, c := range []struct {
		product atlassian.Product
		scope   string
		path    string
	}{
		{atlassian.Jira, "read:jira-work", "/rest/api/3/project/search?maxResults=1"},
		{atlassian.Confluence, "read:space:confluence", "/wiki/api/v2/spaces?limit=1"},
		{atlassian.Confluence, "read:page:confluence", "/wiki/api/v2/pages?limit=1"},
		{atlassian.Confluence, "search:confluence", "/wiki/rest/api/search?cql=type%3Dpage&limit=1"},
	} {
		d := atCloud(t, func(cfg *atlassian.Config) { cfg.Product, cfg.Scopes = c.product, []string{c.scope} }).connect()
		got, err := d.client.TestConnection(t.Context())
		if err != nil || got.Path != c.path || got.User != "" {
			t.Errorf("%s: got %+v, %v", c.scope, got, err)
		}
	}
	d := atCloud(t, func(c *atlassian.Config) {
		c.Product, c.Scopes = atlassian.Confluence, []string{"read:label:confluence"}
	}).connect()
	_, err := d.client.TestConnection(t.Context())
	refused(t, "a scope that permits none", err, keybearer.Reauthorize, "needs the scope read:confluence-user")
}

// A token that was taken back and has not ended yet passes no test.
func TestRevokedTokenFailsTheTest(t *testing.T) {
	cloud := atCloud(t, nil).connect()
	cloud.cloud.RevokeGrant(cloud.config.ClientID, "alice")
	_, err := cloud.client.TestConnection(t.Context())
	refused(t, "Cloud", err, keybearer.Reauthorize)
	_, err = cloud.client.TestConnection(t.Context())
	refused(t, "Cloud, afterwards", err, keybearer.Reauthorize, "has ended")

	server := atServer(t, atlassian.Confluence, nil).connect()
	server.server.RevokeGrant(server.config.ClientID, "alice")
	_, err = server.client.TestConnection(t.Context())
	refused(t, "Data Center", err, keybearer.Reauthorize)
}

// Data Center answers with 200 as to nobody; the token is renewed once, and not for ever.
func TestAnonymityIsFoundAndEndsInOneRenewal(t *testing.T) {
	for _, product := range []atlassian.Product{atlassian.Jira, atlassian.Confluence} {
		for _, how := range []string{"nobody", "login", "page"} {
			d := atServer(t, product, nil).connect()
			if err := d.server.Set("anonymous", how); err != nil {
				t.Fatal(err)
			}
			d.server.DropAccessTokens()
			if _, err := d.client.TestConnection(t.Context()); err != nil || d.rotations() != 1 {
				t.Errorf("%s, %s: after %d rotations: %v", product, how, d.rotations(), err)
			}
		}
	}
}

// An app whose tokens the product does not take any more must not spend a refresh token with each request.
func TestRenewalsInVainEnd(t *testing.T) {
	d := atCloud(t, nil).connect()
	if _, err := d.client.Site(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.provider.Inject(providertest.Fault{Endpoint: providertest.API, Name: "unauthorized"})
	for range 5 {
		err := d.client.Get(t.Context(), "/rest/api/3/myself", nil)
		refused(t, "refused for ever", err, keybearer.Reauthorize, "GET /ex/jira/"+teahouseID+"/rest/api/3/myself answered 401")
	}
	if d.rotations() != 1 {
		t.Errorf("%d rotations", d.rotations())
	}
	d.provider.Heal()
	if err := d.client.Get(t.Context(), "/rest/api/3/myself", nil); err != nil {
		t.Errorf("when it takes them again: %v", err)
	}
}

// A hundred requests meet a token that has died: each gets its answer, and one refresh is made.
func TestStormOf401CausesOneRefresh(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil).connect(), "Data Center": atServer(t, atlassian.Jira, nil).connect()} {
		path := "/rest/api/2/myself"
		if err := d.client.Get(t.Context(), path, nil); err != nil {
			t.Fatal(err)
		}
		d.provider.DropAccessTokens()
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				if err := d.client.Get(t.Context(), path, nil); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		crowd.Wait()
		if d.rotations() != 1 {
			t.Errorf("%s: %d rotations", name, d.rotations())
		}
	}
}

// At Data Center a refresh ends the former token, which another process may have in hand.
func TestRefreshByAnotherProcessIsFollowed(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	other := d.another()
	if err := other.Get(t.Context(), "/rest/api/2/myself", nil); err != nil {
		t.Fatal(err)
	}
	token, err := d.client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.client.Renew(t.Context(), token.Access); err != nil {
		t.Fatal(err)
	}
	if err := other.Get(t.Context(), "/rest/api/2/myself", nil); err != nil || d.rotations() != 1 {
		t.Errorf("after %d rotations: %v", d.rotations(), err)
	}
}

func TestMissingScopeIsNamedAndCausesNoRefresh(t *testing.T) {
	d := atCloud(t, func(c *atlassian.Config) { c.Scopes = []string{"read:jira-work"} }).connect()
	for range 3 {
		err := d.client.Get(t.Context(), "/rest/api/3/myself?expand=groups", nil)
		refused(t, "a scope", err, keybearer.Reauthorize, "needs the scope read:jira-user", "the token has: offline_access read:jira-work")
		if f, ok := errors.AsType[*atlassian.Failure](err); !ok || f.Class != atlassian.ClassScope || f.Needs == "" || f.Status != 401 {
			t.Errorf("got %+v", err)
		}
	}
	if d.rotations() != 0 {
		t.Errorf("%d rotations", d.rotations())
	}
}

func TestRequestsAreSentAgainOnlyIfTheyCanBe(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	create := func(body io.Reader) (*http.Response, error) {
		req, err := d.client.NewRequest(t.Context(), http.MethodPost, "/rest/api/2/issue", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		return d.client.Do(req)
	}
	const issue = `{"fields":{"project":{"key":"TEA"},"summary":"Warm the pot","issuetype":{"name":"Task"}}}`
	d.server.DropAccessTokens()
	_, err := create(io.MultiReader(strings.NewReader(issue))) // cannot be read twice
	refused(t, "a body that is gone", err, keybearer.Reauthorize)
	if d.rotations() != 0 {
		t.Errorf("%d rotations", d.rotations())
	}
	res, err := create(strings.NewReader(issue))
	if err != nil || res.StatusCode != http.StatusCreated || d.rotations() != 1 {
		t.Fatalf("after %d rotations: %v", d.rotations(), err)
	}
	_ = res.Body.Close()
}

func TestTokenGoesNowhereElse(t *testing.T) {
	cloud, server := atCloud(t, nil).connect(), atServer(t, atlassian.Jira, nil).connect()
	above := strings.TrimSuffix(server.server.URL, "/tea")
	for _, c := range []struct {
		desk *desk
		url  string
	}{
		{cloud, "https://elsewhere.invalid/rest/api/3/myself"},
		{cloud, cloud.cloud.URL + "/ex/jira/" + gardenID + "/rest/api/3/myself"}, // the token reaches it, but this client is for another
		{cloud, cloud.cloud.URL + "/oauth/token"},
		{cloud, cloud.cloud.URL + "/ex/jira/" + teahouseID + "/../" + gardenID + "/rest/api/3/myself"},
		{server, above + "/rest/api/2/myself"},
		{server, above + "/teapot/rest/api/2/myself"},
		{server, server.server.URL + "/../rest/api/2/myself"},
		{server, "https://elsewhere.invalid/tea/rest/api/2/myself"},
	} {
		c.desk.provider.History().Clear()
		res, err := c.desk.client.HTTPClient().Get(c.url)
		if err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: got %s", c.url, res.Status)
		}
		if calls := c.desk.provider.History().Calls(providertest.API); calls != 0 {
			t.Errorf("%s: %d requests were sent", c.url, calls)
		}
	}
}

func TestRedirectToAnotherHostIsNotFollowed(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.API, Name: "redirect_302"})
	err := d.client.Get(t.Context(), "/rest/api/2/myself", nil)
	refused(t, "a redirect", err, keybearer.ProviderRefused, "elsewhere.invalid", "not followed")
}

func TestAddressesOfTheSiteWork(t *testing.T) {
	d := atCloud(t, nil).connect()
	for _, address := range []string{
		"https://sandbox-teahouse.atlassian.net/rest/api/3/myself",
		d.cloud.URL + "/ex/jira/" + teahouseID + "/rest/api/3/myself",
	} {
		if err := d.client.Get(t.Context(), address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if base, err := d.client.BaseURL(t.Context()); err != nil || base != d.cloud.URL+"/ex/jira/"+teahouseID {
		t.Errorf("got %s, %v", base, err)
	}
}

func TestSiteIsChosenAsConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*atlassian.Config)
		want   string
		kind   keybearer.Kind
		says   string
	}{
		"by name":    {func(c *atlassian.Config) { c.Site = "sandbox-garden" }, gardenID, "", ""},
		"by URL":     {func(c *atlassian.Config) { c.Site = "https://Sandbox-Garden.atlassian.net/jira/projects" }, gardenID, "", ""},
		"by id":      {func(c *atlassian.Config) { c.Site, c.CloudID = "", gardenID }, gardenID, "", ""},
		"not at all": {func(c *atlassian.Config) { c.Site, c.Deployment = "", atlassian.Cloud }, "", keybearer.BadRequest, "reaches 2 Atlassian sites"},
		"unknown":    {func(c *atlassian.Config) { c.Site = "kitchen" }, "", keybearer.NotFound, "sandbox-teahouse"},
	} {
		d := atCloud(t, c.change).connect()
		site, err := d.client.Site(t.Context())
		if site.ID != c.want {
			t.Errorf("%s: got %s, %v", name, site, err)
		}
		if c.want == "" {
			refused(t, name, err, c.kind, c.says)
			err = d.client.Get(t.Context(), "/rest/api/3/myself", nil)
			refused(t, name+", a request", err, c.kind, c.says)
			if _, ok := errors.AsType[*atlassian.ChoiceError](err); !ok {
				t.Errorf("%s: got %T, want the sites to choose from", name, err)
			}
		}
	}
	d := atCloud(t, func(c *atlassian.Config) { c.Site, c.CloudID = "", gardenID }).connect()
	if _, err := d.client.BaseURL(t.Context()); err != nil || d.provider.History().Calls(providertest.Sites) != 0 {
		t.Errorf("with a cloud id the sites were asked for: %v", err)
	}
	_, err := atServer(t, atlassian.Jira, nil).client.Sites(t.Context())
	refused(t, "Data Center", err, keybearer.BadRequest, "no sites")
}

func TestManyWhoWantTheSiteAtOnceAskOnce(t *testing.T) {
	d := atCloud(t, nil).connect()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Sites, Name: "hold"})
	hasty, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := d.client.Site(hasty)
		gone <- err
	}()
	if err := d.provider.History().AwaitCalls(t.Context(), providertest.Sites, 1); err != nil {
		t.Fatal(err)
	}
	var crowd sync.WaitGroup
	for range 100 {
		crowd.Go(func() {
			if site, err := d.client.Site(t.Context()); err != nil || site.ID != teahouseID {
				t.Errorf("got %s, %v", site, err)
			}
		})
	}
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up got %v", err)
	}
	if err := d.provider.History().AwaitCalls(t.Context(), providertest.Sites, 2); err != nil {
		t.Fatal(err)
	}
	d.provider.Heal()
	d.cloud.Release()
	crowd.Wait()
	if calls := d.provider.History().Calls(providertest.Sites); calls != 2 { // his, and one for all
		t.Errorf("the sites were asked for %d times", calls)
	}
}

func TestRatesAreSurfaced(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	if err := d.server.Set("limited", "on"); err != nil {
		t.Fatal(err)
	}
	err := d.client.Get(t.Context(), "/rest/api/2/myself", nil)
	refused(t, "the rate", err, keybearer.RateLimited, "try again after 10:00:05 UTC")
	if f, ok := errors.AsType[*atlassian.Failure](err); !ok || f.RateLimit.Until != d.clock.Now().Add(5*time.Second) || f.RateLimit.Limit != 10 {
		t.Errorf("got %+v", err)
	}
}

func TestCloudsRatesSayWhatHasToWait(t *testing.T) {
	for how, c := range map[string]struct {
		reach atlassian.Reach
		says  string
	}{
		"burst": {atlassian.ReachEndpoint, "jira-burst-based"}, "tenant": {atlassian.ReachSite, "other sites are not touched"},
		"global": {atlassian.ReachApp, "any site"},
	} {
		d := atCloud(t, nil).connect()
		if _, err := d.client.TestConnection(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.cloud.Set("limited", how); err != nil {
			t.Fatal(err)
		}
		err := d.client.Get(t.Context(), "/rest/api/3/myself", nil)
		refused(t, how, err, keybearer.RateLimited, c.says)
		if f, ok := errors.AsType[*atlassian.Failure](err); !ok || f.RateLimit.Reach != c.reach || f.Class != atlassian.ClassTransient {
			t.Errorf("%s: got %+v", how, err)
		}
		if d.rotations() != 0 {
			t.Errorf("%s: %d rotations", how, d.rotations())
		}
		if got := d.client.RateLimit(); !got.Limited || got.Reach != c.reach {
			t.Errorf("%s: the client remembers %+v", how, got)
		}
	}
}

func TestNearnessOfALimitIsSeenBeforeItIsReached(t *testing.T) {
	d := atCloud(t, nil).connect()
	if got := d.client.RateLimit(); got.Near || got.Limit != -1 || got.Remaining != -1 {
		t.Errorf("before any answer: got %+v", got)
	}
	if err := d.cloud.Set("points", "10"); err != nil {
		t.Fatal(err)
	}
	near := false
	for range 10 {
		if err := d.client.Get(t.Context(), "/rest/api/3/myself", nil); err != nil {
			break
		}
		near = near || d.client.RateLimit().Near
	}
	if !near || !d.client.RateLimit().Limited {
		t.Errorf("near: %v; in the end: %+v", near, d.client.RateLimit())
	}
}

func TestProductsRefusalsSayWhatToDo(t *testing.T) {
	d := atCloud(t, func(c *atlassian.Config) { c.Scopes = atlassian.ClassicScopes(atlassian.Admin, atlassian.Jira) }).connect()
	for path, says := range map[string]string{
		"/rest/api/3/search?jql=x":        "use /rest/api/3/search/jql",
		"/rest/api/3/issue/TEA-99999":     "may not see it",
		"/rest/agile/1.0/board":           "read:board-scope:jira-software",
		"/rest/api/3/nothing/of/the/kind": "answered 404",
	} {
		err := d.client.Get(t.Context(), path, nil)
		if _, ok := errors.AsType[*atlassian.Failure](err); !ok || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", path, err, says)
		}
	}
	if d.rotations() != 0 {
		t.Errorf("%d rotations", d.rotations())
	}
}

func TestServerThatDoesNotAnswerIsSaidWithoutTheQuery(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.API, Name: "closed"})
	err := d.client.Get(t.Context(), "/rest/api/2/search?jql=private", nil)
	refused(t, "no answer", err, keybearer.ProviderAway, "GET /tea/rest/api/2/search: there was no answer")
	if strings.Contains(err.Error(), "private") {
		t.Errorf("the query is in the text: %v", err)
	}
	d.provider.Heal()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.API, Name: "json_list"})
	var into struct{ Name string }
	refused(t, "another shape", d.client.Get(t.Context(), "/rest/api/2/myself", &into), keybearer.ProviderAway, "reading the answer")
	_, err = d.client.NewRequest(t.Context(), "GET", "http://[::1/secret", nil)
	refused(t, "no address", err, keybearer.BadRequest)
}
