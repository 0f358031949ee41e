package atlassian_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// trouble is a row of the catalogue of errors: how it comes about, and what a person is told.
type trouble struct {
	name string
	make func(*desk) error // gives what the client says
	kind keybearer.Kind
	says string
	// presented is how often the refresh token goes to the provider meanwhile.
	presented int
}

func inject(at providertest.Endpoint, name string) func(*desk) {
	return func(d *desk) { d.provider.Inject(providertest.Fault{Endpoint: at, Name: name}) }
}

func set(name, value string) func(*desk) {
	return func(d *desk) {
		if err := d.provider.Set(name, value); err != nil {
			d.t.Fatal(err)
		}
	}
}

// signingIn meets the trouble on the way from Start to Complete.
func signingIn(cause func(*desk)) func(*desk) error {
	return func(d *desk) error {
		cause(d)
		_, err := d.client.Complete(d.t.Context(), d.start().String())
		return err
	}
}

// refreshing meets it when the token of a connection has ended.
func refreshing(cause func(*desk)) func(*desk) error {
	return func(d *desk) error {
		d.connect()
		cause(d)
		d.clock.Advance(time.Hour)
		_, err := d.client.Token(d.t.Context())
		return err
	}
}

// asking meets it in a request to the product.
func asking(path string, cause func(*desk)) func(*desk) error {
	return func(d *desk) error {
		d.connect()
		cause(d)
		return d.client.Get(d.t.Context(), path, nil)
	}
}

func nothing(*desk) {}

func person(name string, sites ...string) func(*desk) {
	return func(d *desk) {
		d.cloud.Decide(providertest.Decision{Answer: "approve", User: name, Sites: sites})
	}
}

func (c trouble) try(t *testing.T, d *desk) {
	t.Helper()
	refused(t, c.name, c.make(d), c.kind, c.says)
	presented := 0
	for _, r := range d.provider.History().At(providertest.Token) {
		if r.Param("grant_type") == "refresh_token" {
			presented++
		}
	}
	if presented != c.presented {
		t.Errorf("%s: the refresh token was presented %d times, want %d", c.name, presented, c.presented)
	}
}

func TestTroublesOfCloudAreAnsweredAsTheCatalogueSays(t *testing.T) {
	for _, c := range []trouble{
		{"declined", signingIn(func(d *desk) { d.provider.Decline() }), keybearer.AuthorizationFailed, "choose Accept if that was a mistake", 0},
		{"a state never made", signingIn(inject(providertest.Callback, "state_wrong")), keybearer.BadRequest, "not started here", 0},
		{"no state", signingIn(inject(providertest.Callback, "state_missing")), keybearer.BadRequest, "has no state", 0},
		{"a rotated secret", signingIn(set("secret_rotated", "on")), keybearer.ProviderRefused, "copy ClientID and ClientSecret again", 0},
		{"a late code", signingIn(set("code_life", "0s")), keybearer.AuthorizationFailed, "too old", 0},
		{"a late code in older words", signingIn(func(d *desk) {
			set("code_life", "0s")(d)
			set("dead_grant", "invalid_grant")(d)
		}), keybearer.AuthorizationFailed, "too old", 0},

		{"taken back", refreshing(func(d *desk) { d.cloud.RevokeGrant(d.config.ClientID, "alice") }), keybearer.Reauthorize, "access was removed", 1},
		{"a new password", refreshing(func(d *desk) { d.cloud.ChangePassword("alice") }), keybearer.Reauthorize, "the password was changed", 1},
		{"90 days unused", refreshing(func(d *desk) { d.clock.Advance(90 * 24 * time.Hour) }), keybearer.Reauthorize, "unused for 90 days", 1},
		{"dead in older words", refreshing(func(d *desk) {
			set("dead_grant", "invalid_grant")(d)
			d.cloud.RevokeGrant(d.config.ClientID, "alice")
		}), keybearer.Reauthorize, "Call Start and Complete again", 1},
		{"a secret rotated since", refreshing(set("secret_rotated", "on")), keybearer.ProviderRefused, "The connection is kept", 1},
		{"too many", refreshing(inject(providertest.Token, "too_many")), keybearer.ProviderAway, "limits the rate", 1},
		{"away", refreshing(inject(providertest.Token, "unavailable")), keybearer.ProviderAway, "try again later", 1},
		{"broken", refreshing(inject(providertest.Token, "server_error")), keybearer.ProviderAway, "The stored grant is kept", 1},
		{"a page", refreshing(inject(providertest.Token, "html")), keybearer.ProviderAway, "The stored grant is kept", 1},
		{"a page of a gateway", refreshing(inject(providertest.Token, "html_error")), keybearer.ProviderAway, "The stored grant is kept", 1},

		{"no site", asking("/rest/api/3/myself", func(d *desk) {
			person("carol")(d)
			d.connect()
		}), keybearer.NotFound, "reaches no Atlassian site", 0},
		{"a blocked app", asking("/rest/api/3/myself", func(d *desk) { d.cloud.BlockApps("sandbox-teahouse", true) }), keybearer.NotFound, "does not reach the Atlassian site", 0},
		{"a scope is missing", asking("/rest/api/3/auditing/record", nothing), keybearer.Reauthorize, "needs the scope manage:jira-configuration, or all of", 0},
		{"no permission", func(d *desk) error {
			app, _ := d.cloud.App(d.config.ClientID)
			app.Scopes = []string{"manage:jira-configuration"}
			d.cloud.SetApp(app)
			d.config.Scopes = app.Scopes
			d.client = d.another()
			person("bob", "sandbox-teahouse")(d)
			d.connect()
			return d.client.Get(d.t.Context(), "/rest/api/3/auditing/record", nil)
		}, keybearer.PermissionDenied, "authorizing again does not help", 0},
		{"a token dropped, and renewed ones refused", asking("/rest/api/3/myself", func(d *desk) {
			if _, err := d.client.Site(d.t.Context()); err != nil {
				d.t.Fatal(err)
			}
			inject(providertest.API, "unauthorized")(d)
		}), keybearer.Reauthorize, "the authorization has ended", 1},
		{"the old search", asking("/rest/api/3/search?jql=x", nothing), keybearer.ProviderRefused, "use /rest/api/3/search/jql", 0},
		{"the app's points", asking("/rest/api/3/myself", set("limited", "global")), keybearer.RateLimited, "for this app, to any site", 0},
		{"a silent limit", asking("/rest/api/3/myself", set("limited", "silent")), keybearer.RateLimited, "try again after", 0},
		{"another cloud id", func(d *desk) error {
			d.config.Site, d.config.CloudID = "", "5a0d0000-7ea0-4000-8000-00000000ffff"
			d.client = d.another()
			d.connect()
			return d.client.Get(d.t.Context(), "/rest/api/3/myself", nil)
		}, keybearer.NotFound, "compare the cloud id", 0},
		{"a redirect", asking("/rest/api/3/myself", func(d *desk) {
			if _, err := d.client.Site(d.t.Context()); err != nil {
				d.t.Fatal(err)
			}
			inject(providertest.API, "redirect_302")(d)
		}), keybearer.ProviderRefused, "not followed", 0},
	} {
		c.try(t, atCloud(t, nil))
	}
}

func TestTroublesOfDataCenterAreAnsweredAsTheCatalogueSays(t *testing.T) {
	gone := func(d *desk) {
		set("version", "8.10.0")(d)
	}
	for _, c := range []trouble{
		{"declined", signingIn(func(d *desk) { d.provider.Decline() }), keybearer.AuthorizationFailed, "choose Allow if that was a mistake", 0},
		{"a scope above the link's", func(d *desk) error {
			link := d.server.Links()[0]
			link.Scope = "READ"
			d.server.SetLink(link)
			return signingIn(nothing)(d)
		}, keybearer.AuthorizationFailed, "not for more than the application link permits", 0},
		{"a late code", signingIn(set("code_life", "0s")), keybearer.AuthorizationFailed, "it lives for 10 seconds", 0},
		{"a rotated secret", signingIn(set("secret_rotated", "on")), keybearer.ProviderRefused, "from the application link", 0},
		{"no provider any more", refreshing(gone), keybearer.ProviderRefused, "it takes Jira 8.22 or Confluence 7.17", 1},
		{"taken back", refreshing(func(d *desk) { d.server.RevokeGrant(d.config.ClientID, "alice") }), keybearer.Reauthorize, "access was removed", 1},
		{"90 days unused", refreshing(func(d *desk) { d.clock.Advance(90 * 24 * time.Hour) }), keybearer.Reauthorize, "unused for 90 days", 1},
		{"a secret rotated since", refreshing(set("secret_rotated", "on")), keybearer.ProviderRefused, "The connection is kept", 1},
		{"an answer that is lost", refreshing(inject(providertest.Token, "lost")), keybearer.ProviderAway, "The stored grant is kept", 1},
		{"the rate", asking("/rest/api/2/myself", set("limited", "on")), keybearer.RateLimited, "try again after", 0},
		{"no permission", func(d *desk) error {
			return asking("/rest/auditing/1.0/events", nothing)(d)
		}, keybearer.PermissionDenied, "the level that the token has (WRITE) is too low", 0},
		{"a context path that has changed", asking("/rest/api/2/myself", set("context_path", "/elsewhere")), keybearer.ProviderRefused, "check the base URL and its context path", 0},
	} {
		c.try(t, atServer(t, atlassian.Jira, nil))
	}
}

// A wrong API token at an endpoint that is open to everybody gets 200.
func TestWrongAPITokenIsFoundBehindA200(t *testing.T) {
	s := atlassiantest.Start(t, atlassiantest.Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/site/sandbox-teahouse/rest/api/3/serverInfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice@example.com", "unheard-of")
	res, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got := atlassian.Explain(res, nil, time.Now())
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || got == nil || got.Class != atlassian.ClassConfig || got.Renew {
		t.Errorf("got %s: %+v", res.Status, got)
	}
}
