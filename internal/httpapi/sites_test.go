package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// withSites lets the lab's broker know sites.
func withSites(c *keybearer.Config) { c.Sites = atlassian.SiteRules{} }

// connectCloud installs the sandbox's Cloud as a provider, where alice lets the lab into two sites.
func (l *lab) connectCloud() {
	l.t.Helper()
	app := atlassiantest.DefaultApp()
	app.Callbacks, app.Secret = []string{l.url + "/api/v1/oauth/cloud/callback"}, clientSecret
	s := atlassiantest.Start(l.t, atlassiantest.Config{Apps: []atlassiantest.App{app}, Clock: l.clock.Now})
	s.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{"sandbox-teahouse", "sandbox-garden"}})
	l.do("POST", "/v1/admin/auth_providers", fmt.Sprintf(`{"id":"cloud","type":"oauth2","oauth2":{"client_id":%q,"client_secret":%q,"redirect_uri":"",
		"authorize_request":{"endpoint":"%[3]s/authorize","params":{"audience":"api.atlassian.com","client_id":"{{client_id}}","scope":"{{scopes}}","redirect_uri":"{{redirect_uri}}","response_type":"code","prompt":"consent"}},
		"token_request":{"endpoint":"%[3]s/oauth/token","auth_method":"client_secret_post"},
		"sites_request":{"endpoint":"%[3]s/oauth/token/accessible-resources","triggers":{"on_token_grant":true}}}}`, app.ID, clientSecret, s.URL)).want(201, "")
	a := l.do("POST", "/v1/auth/authorize", `{"auth_requirement":{"provider_id":"cloud","oauth2":{"scopes":["read:jira-work"]}},"user_id":"alice"}`).want(200, "")
	flow := l.consentAt("cloud", a.str("id"))
	l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+flow+`","user_id":"alice"}`).want(200, "")
}

// trySites goes through the routes about sites.
func (l *lab) trySites() {
	l.t.Helper()
	l.connectCloud()
	list := l.do("GET", "/v1/auth/sites?user_id=alice&provider_id=cloud", "").want(200, "")
	if n := len(list.at("sites").([]any)); n != 2 || !strings.Contains(list.str("problem"), "sandbox-garden") {
		l.t.Errorf("got %s, want two sites, and that one has to be chosen", list.text)
	}
	l.do("GET", "/v1/auth/sites?user_id=alice&provider_id=cloud&refresh=true", "").want(200, "")
	l.do("GET", "/v1/auth/sites?user_id=alice&provider_id=cloud&refresh=perhaps", "").want(400, "bad_request")
	l.do("GET", "/v1/auth/sites?user_id=alice", "").want(400, "bad_request")
	l.do("GET", "/v1/auth/sites?user_id=bob&provider_id=cloud", "").want(404, "not_found")
	l.do("GET", "/v1/auth/sites?user_id=alice&provider_id=nowhere", "").want(400, "provider_not_found")
	const whose = `"user_id":"alice","provider_id":"cloud",`
	l.do("PUT", "/v1/auth/sites", `{`+whose+`"site":"sandbox-attic"}`).want(404, "not_found")
	chosen := l.do("PUT", "/v1/auth/sites", `{`+whose+`"site":"sandbox-garden"}`).want(200, "")
	if chosen.str("site") != "5a0d0000-9a8d-4000-8000-000000000002" {
		l.t.Errorf("got %s, want the garden in use", chosen.text)
	}
	at := l.do("POST", "/v1/auth/sites/resolve", `{`+whose+`"url":"/rest/api/3/myself"}`).want(200, "")
	if !strings.HasSuffix(at.str("url"), "/ex/jira/5a0d0000-9a8d-4000-8000-000000000002/rest/api/3/myself") {
		l.t.Errorf("got %s, want the garden at the gateway", at.text)
	}
	l.do("POST", "/v1/auth/sites/resolve", `{`+whose+`"url":"https://elsewhere.example.com/rest/api/3/myself"}`).want(404, "not_found")
	l.do("POST", "/v1/auth/sites/resolve", `{}`).want(400, "bad_request")
	a := l.do("POST", "/v1/auth/authorize", `{"auth_requirement":{"provider_id":"cloud","oauth2":{"scopes":["read:jira-work"]}},"user_id":"alice"}`).want(200, "")
	if a.str("context", "sites", "site") != chosen.str("site") {
		l.t.Errorf("got %s, want the chosen site in the context", a.text)
	}
}

func TestSitesOfAConnection(t *testing.T) {
	l := newLab(t, options{broker: withSites})
	l.trySites()
	l.connect("bob")
	l.do("GET", "/v1/auth/sites?user_id=bob&provider_id=hooli", "").want(400, "bad_request")
	if at := l.do("GET", "/v1/admin/user_connections?provider_id=cloud", "").want(200, ""); at.str("items", 0, "sites", "site") == "" {
		t.Errorf("got %s, want the site in use", at.text)
	}
}

// Apps see the sites of those whom they may act for, and of nobody else.
func TestSitesAreLimitedAsTokensAre(t *testing.T) {
	l := newLab(t, options{broker: withSites})
	l.connectCloud()
	limited := l.do("POST", "/v1/admin/api_keys", `{"name":"bobs","scope":"app","users":"bob*"}`).want(201, "").str("key")
	for _, r := range [][3]string{
		{"GET", "/v1/auth/sites?user_id=alice&provider_id=cloud", ""},
		{"PUT", "/v1/auth/sites", `{"user_id":"alice","provider_id":"cloud","site":"sandbox-garden"}`},
		{"POST", "/v1/auth/sites/resolve", `{"user_id":"alice","provider_id":"cloud","url":"/rest/api/3/myself"}`},
	} {
		l.do(r[0], r[1], r[2], "Authorization", "Bearer "+limited).want(403, "permission_denied")
	}
}
