package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const (
	teahouse = "5a0d0000-7ea0-4000-8000-000000000001"
	garden   = "5a0d0000-9a8d-4000-8000-000000000002"
)

// cloud is an engine with the bundled atlassian, pointed at the sandbox as an operator would.
type cloud struct {
	*lab
	*replica
	t       *testing.T
	sandbox *atlassiantest.Running
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	return newCloudWith(t, "sites_request: {endpoint: \"SANDBOX/oauth/token/accessible-resources\"}")
}

// newCloudWith has other settings than the usual about sites.
func newCloudWith(t *testing.T, settings string) *cloud {
	t.Helper()
	app := atlassiantest.DefaultApp()
	app.Callbacks, app.Secret = []string{"http://localhost:9/api/v1/oauth/atlassian/callback"}, "not-so-secret"
	c := &cloud{t: t, sandbox: atlassiantest.Start(t, atlassiantest.Config{Apps: []atlassiantest.App{app}})}
	c.lab = &lab{public: "http://localhost:9", env: map[string]string{"KEYBEARER_API_KEY": testKey, "KEYBEARER_ADMIN_PASSWORD": "not-for-people"}}
	c.lab.provider = providertest.Start(t, providertest.Config{})
	yaml := fmt.Sprintf(`
api: {host: 127.0.0.1, port: 0, public_host: %q, development: true}
auth:
  session_verification: {unsafe_skip_verification: true}
  confirm_page: never
  providers:
    - id: atlassian
      provider_id: atlassian
      client_id: %s
      client_secret: not-so-secret
      oauth2:
        authorize_request: {endpoint: "%[3]s/authorize"}
        token_request: {endpoint: "%[3]s/oauth/token"}
        user_info_request: {endpoint: "%[3]s/me"}
        %[4]s
security: {root_keys: [{id: k1, value: a-root-key-for-tests-alone}]}
`, c.lab.public, app.ID, c.sandbox.URL, strings.ReplaceAll(settings, "SANDBOX", c.sandbox.URL))
	c.replica = c.lab.replica(t, "", func(o *engine.Options) {
		dir := t.TempDir()
		cfg, problems := config.Parse("engine.yaml", []byte(yaml), config.Source{
			Dir: dir, DataDir: dir, Definitions: catalog.Definition, Types: catalog.Kinds(),
			LookupEnv: func(name string) (string, bool) { v, ok := c.lab.env[name]; return v, ok },
		})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		o.Config, o.Now = cfg, c.sandbox.Now
	})
	return c
}

func (c *cloud) ref(user string) keybearer.Ref {
	return keybearer.Ref{User: keybearer.UserID(user), Provider: "atlassian"}
}

// connect consents as a person of the sandbox to some sites, and gives what the app gets.
func (c *cloud) connect(user string, scopes []string, sites ...string) keybearer.Authorization {
	c.t.Helper()
	c.sandbox.Decide(providertest.Decision{Answer: "approve", User: user, Sites: sites})
	r := keybearer.AuthorizeRequest{ProviderID: "atlassian", User: keybearer.UserID(user), Scopes: scopes}
	a := must[keybearer.Authorization](c.t)(c.Authorize(c.t.Context(), r))
	if a.Status != keybearer.AuthorizationPending {
		c.t.Fatalf("got %s, want a consent", a.Status)
	}
	c.consent(c.t, a.URL, c.replica, c.replica)
	return must[keybearer.Authorization](c.t)(c.Wait(c.t.Context(), a.ID))
}

func (c *cloud) shown(user string) api.Connection {
	c.t.Helper()
	page := must[api.Page[api.Connection]](c.t)(c.Connections(c.t.Context(), keybearer.ConnectionFilter{User: keybearer.UserID(user)}))
	if len(page.Items) != 1 {
		c.t.Fatalf("got %d connections of %s, want one", len(page.Items), user)
	}
	return page.Items[0]
}

func jiraAndConfluence() []string {
	return []string{"read:me", "read:jira-work", "read:jira-user", "read:confluence-space.summary"}
}

func ids(sites []keybearer.Site) []string {
	var out []string
	for _, s := range sites {
		out = append(out, s.ID)
	}
	slices.Sort(out)
	return out
}

func (c *cloud) sites(user string, anew bool) keybearer.SiteList {
	c.t.Helper()
	return must[keybearer.SiteList](c.t)(c.Sites(c.t.Context(), c.ref(user), anew))
}

func TestConsentTellsTheSites(t *testing.T) {
	c := newCloud(t)
	alice := c.connect("alice", jiraAndConfluence(), "sandbox-teahouse", "sandbox-garden")
	if alice.Sites == nil || !slices.Equal(ids(alice.Sites.Sites), []string{teahouse, garden}) {
		t.Fatalf("the context has the sites %+v, want both, each once", alice.Sites)
	}
	if alice.Sites.Site != "" || !strings.Contains(alice.Sites.Problem, "sandbox-garden") || !strings.Contains(alice.Sites.Problem, teahouse) {
		t.Errorf("got the site %q in use and the problem %q, want somebody to choose from a list", alice.Sites.Site, alice.Sites.Problem)
	}
	for _, s := range alice.Sites.Sites {
		want := []string{"read:jira-user", "read:jira-work"}
		if s.ID == teahouse {
			want = []string{"read:confluence-space.summary", "read:jira-user", "read:jira-work"}
		}
		if !slices.Equal(s.Scopes, want) {
			t.Errorf("%s has the scopes %v, want %v", s, s.Scopes, want)
		}
	}
	if bob := c.connect("bob", jiraAndConfluence()); bob.Sites == nil || bob.Sites.Site != teahouse || bob.Sites.Problem != "" {
		t.Errorf("got %+v, want the only site of bob in use", bob.Sites)
	}
	carol := c.shown("alice")
	if carol.Sites == nil || len(carol.Sites.Sites) != 2 || carol.ConsentedAt.IsZero() {
		t.Errorf("the connection shows %+v, consented at %s", carol.Sites, carol.ConsentedAt)
	}
	if n := c.sandbox.History().Refreshes(); n != 0 {
		t.Errorf("%d refreshes, want none", n)
	}
}

func TestTokenWithoutASiteIsTold(t *testing.T) {
	c := newCloud(t)
	carol := c.connect("carol", jiraAndConfluence())
	if carol.Token == nil || carol.Sites == nil || len(carol.Sites.Sites) != 0 {
		t.Fatalf("got %+v, want a token and no site", carol)
	}
	for _, says := range []string{"signed in as Carol Clark, but no site was granted", "ask the site's admin"} {
		if !strings.Contains(carol.Sites.Problem, says) {
			t.Errorf("got %q, want %q", carol.Sites.Problem, says)
		}
	}
	if !c.logged("reaches no site") || c.logged("Carol") {
		t.Errorf("the log has to tell the operator, and not her name:\n%s", c.log)
	}
}

func TestSiteIsChosenAndKept(t *testing.T) {
	c := newCloud(t)
	c.connect("alice", jiraAndConfluence(), "sandbox-teahouse", "sandbox-garden")
	ctx, ref := t.Context(), c.ref("alice")
	for _, wanted := range []string{garden, "https://Sandbox-Garden.atlassian.net/", "sandbox-garden"} {
		if l, err := c.ChooseSite(ctx, ref, wanted); err != nil || l.Site != garden || l.Problem != "" {
			t.Errorf("%s: got %q, %v", wanted, l.Site, err)
		}
	}
	if _, err := c.ChooseSite(ctx, ref, "sandbox-attic"); !errors.Is(err, keybearer.NotFound) || !strings.Contains(err.Error(), "sandbox-teahouse") {
		t.Errorf("got %v, want not found, and what there is", err)
	}
	if got := c.shown("alice").Sites; got == nil || got.Chosen != garden || got.Site != garden {
		t.Errorf("the connection shows %+v, want the choice", got)
	}
	c.connect("alice", append(jiraAndConfluence(), "write:jira-work"), "sandbox-teahouse", "sandbox-garden")
	if got := c.sites("alice", false); got.Chosen != garden {
		t.Errorf("after another consent %q is chosen, want the garden still", got.Chosen)
	}
	c.sandbox.Advance(2 * time.Hour)
	must[keybearer.Token](t)(c.Token(ctx, ref))
	if got := c.sites("alice", true); got.Chosen != garden || c.sandbox.History().Rotations("") != 1 {
		t.Errorf("after %d rotations %q is chosen, want one and the garden still", c.sandbox.History().Rotations(""), got.Chosen)
	}
	if l, err := c.ChooseSite(ctx, ref, ""); err != nil || l.Site != "" || l.Chosen != "" {
		t.Errorf("got %+v, %v, want the choice taken back", l, err)
	}
}

func TestSitesThatVanishAndAppearAreNoticed(t *testing.T) {
	c := newCloud(t)
	c.connect("alice", jiraAndConfluence(), "sandbox-teahouse")
	ref := c.ref("alice")
	must[keybearer.SiteList](t)(c.ChooseSite(t.Context(), ref, teahouse))
	if !c.sandbox.Join(atlassiantest.DefaultAppID, "alice", "sandbox-garden") || !c.sandbox.Leave(atlassiantest.DefaultAppID, "alice", "sandbox-teahouse") {
		t.Fatal("the sandbox did not change the sites")
	}
	if got := c.sites("alice", false); got.Site != teahouse || !got.ChangedAt.IsZero() {
		t.Errorf("got %+v before anybody asked", got)
	}
	c.sandbox.Advance(7 * time.Hour)
	must[keybearer.Token](t)(c.Token(t.Context(), ref)) // the refresh notices
	got := c.sites("alice", false)
	if diff := cmp.Diff([][]string{{garden}, {garden}, {teahouse}}, [][]string{ids(got.Sites), ids(got.Appeared), ids(got.Vanished)}); diff != "" {
		t.Errorf("sites, appeared, vanished (-want +got):\n%s", diff)
	}
	if got.Site != "" || got.Chosen != teahouse || !strings.Contains(got.Problem, "not reached any more") {
		t.Errorf("got %q in use and %q, want the vanished choice to be told, and no other site taken", got.Site, got.Problem)
	}
	if !c.logged("the sites that a connection reaches have changed") {
		t.Errorf("the log says nothing:\n%s", c.log)
	}
}

func TestAddressesOfASiteLeadToTheGateway(t *testing.T) {
	c := newCloud(t)
	token := c.connect("alice", jiraAndConfluence(), "sandbox-teahouse", "sandbox-garden").Token
	ctx, ref := t.Context(), c.ref("alice")
	for address, want := range map[string]string{
		"https://sandbox-garden.atlassian.net/rest/api/3/myself?expand=groups": "/ex/jira/" + garden + "/rest/api/3/myself?expand=groups",
		"https://sandbox-teahouse.atlassian.net/wiki/rest/api/user/current":    "/ex/confluence/" + teahouse + "/wiki/rest/api/user/current",
		c.sandbox.URL + "/ex/jira/" + garden + "/rest/api/3/myself":            "/ex/jira/" + garden + "/rest/api/3/myself",
	} {
		if got, err := c.SiteAddress(ctx, ref, address); err != nil || got != c.sandbox.URL+want {
			t.Errorf("%s: got %s, %v, want %s", address, got, err, want)
		}
	}
	for address, want := range map[string]keybearer.Kind{
		"https://sandbox-attic.atlassian.net/rest/api/3/myself":   keybearer.NotFound,
		"https://sandbox-garden.example.com/rest/api/3/myself":    keybearer.NotFound,
		"https://sandbox-garden.atlassian.net/browse/TEA-1":       keybearer.BadRequest,
		"https://sandbox-garden.atlassian.net/rest/../../admin":   keybearer.BadRequest,
		"https://alice@sandbox-garden.atlassian.net/rest/api/3/x": keybearer.BadRequest,
		"/rest/api/3/myself":            keybearer.BadRequest, // two sites, none chosen
		"rest/api/3/myself":             keybearer.BadRequest,
		"/" + strings.Repeat("x", 9000): keybearer.BadRequest,
	} {
		if got, err := c.SiteAddress(ctx, ref, address); !errors.Is(err, want) || got != "" {
			t.Errorf("%.60s: got %q, %v, want %s", address, got, err, want)
		}
	}
	must[keybearer.SiteList](t)(c.ChooseSite(ctx, ref, "sandbox-garden"))
	at := must[string](t)(c.SiteAddress(ctx, ref, "/rest/api/3/myself"))
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet, at, nil))
	req.Header.Set("Authorization", token.Authorization().Reveal())
	res := must[*http.Response](t)(c.sandbox.Client.Do(req))
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s answered %s, %v: want to be let in", at, res.Status, err)
	}
}

// A refusal for a scope is no reason to refresh: the next token would have the same.
func TestNothingAboutSitesOrUsersRefreshes(t *testing.T) {
	c := newCloud(t)
	alice := c.connect("alice", []string{"read:jira-work"}, "sandbox-teahouse") // without read:me
	if alice.Token == nil || alice.Token.UserInfo != nil {
		t.Fatalf("got %+v, want a token without user info", alice)
	}
	c.sandbox.DropAccessTokens()
	if _, err := c.Sites(t.Context(), c.ref("alice"), true); err == nil {
		t.Error("a token that ended told its sites")
	}
	if got := c.sites("alice", false); len(got.Sites) != 1 {
		t.Errorf("got %+v, want the sites from before", got)
	}
	if h := c.sandbox.History(); h.Refreshes() != 0 {
		t.Errorf("%d refreshes, want none", h.Refreshes())
	}
	if bytes.Contains([]byte(c.log.String()), []byte(alice.Token.Access.Reveal())) {
		t.Error("the log has the token")
	}
}

func TestDoubtfulScopesAreToldAndAskedFor(t *testing.T) {
	c := newCloud(t)
	scopes := []string{"openid", "read:jira-work"}
	for i := range 50 {
		scopes = append(scopes, fmt.Sprintf("read:thing-%d:jira", i))
	}
	r := keybearer.AuthorizeRequest{ProviderID: "atlassian", User: "alice", Scopes: scopes}
	for range 2 {
		if a, err := c.Authorize(t.Context(), r); err != nil || a.Status != keybearer.AuthorizationPending {
			t.Fatalf("got %s, %v, want a consent", a.Status, err)
		}
	}
	for _, says := range []string{"53 scopes are too many", "openid is a scope of OpenID Connect"} {
		if n := strings.Count(c.log.String(), says); n != 1 {
			t.Errorf("the log says %q %d times, want once:\n%s", says, n, c.log)
		}
	}
	r.Scopes = []string{"read:jira-work"}
	must[keybearer.Authorization](t)(c.Authorize(t.Context(), r))
	if n := strings.Count(c.log.String(), "doubt="); n != 2 {
		t.Errorf("%d doubts are told, want those two:\n%s", n, c.log)
	}
}

// Settings from before there was a sites_request lead all requests to a sandbox but that one.
func TestTokensAreNotShownToAServerThatNobodyNamed(t *testing.T) {
	c := newCloudWith(t, "")
	alice := c.connect("alice", jiraAndConfluence(), "sandbox-teahouse")
	if alice.Token == nil || alice.Sites != nil || c.logged("the sites could not be had") {
		t.Errorf("got the sites %+v, want nobody asked for them:\n%s", alice.Sites, c.log)
	}
	if _, err := c.Sites(t.Context(), c.ref("alice"), true); !errors.Is(err, keybearer.BadRequest) || !strings.Contains(err.Error(), "sites_request") {
		t.Errorf("got %v, want to hear of sites_request", err)
	}
}

func TestConsentAndTokenDoWithoutTheSites(t *testing.T) {
	c := newCloudWith(t, "sites_request: {endpoint: \"SANDBOX/nowhere\"}")
	if alice := c.connect("alice", jiraAndConfluence(), "sandbox-teahouse"); alice.Token == nil || alice.Sites != nil {
		t.Errorf("got %+v, want a token, and no sites known", alice)
	}
	c.sandbox.Advance(7 * time.Hour)
	must[keybearer.Token](t)(c.Token(t.Context(), c.ref("alice")))
	if h := c.sandbox.History(); h.Rotations("") != 1 || strings.Count(c.log.String(), "the sites could not be had") != 2 {
		t.Errorf("%d rotations, want one, and two words in the log:\n%s", h.Rotations(""), c.log)
	}
}
