package atlassiantest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// trouble is a row of what people meet at Atlassian: how to bring it about, and
// what is on the wire then.
type trouble struct {
	name     string
	switches map[string]string
	faults   []providertest.Fault
	do       func(*client) reply
	status   int
	header   map[string]string
	body     string // exact, where set
	contains string
	back     url.Values // what comes back to the callback, exact
}

func (row trouble) check(t *testing.T, r reply) {
	t.Helper()
	if r.status != row.status || row.body != "" && r.body != row.body || !strings.Contains(r.body, row.contains) {
		t.Errorf("got %d %s, want %d %s%s", r.status, r.body, row.status, row.body, row.contains)
	}
	for name, want := range row.header {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	switch {
	case row.back == nil && r.location != nil && row.status != http.StatusFound:
		t.Errorf("it leads back to %s, and must not", r.location)
	case row.back != nil && (r.location == nil || r.location.Query().Encode() != row.back.Encode()):
		t.Errorf("it leads to %v, want the parameters %s", r.location, row.back.Encode())
	}
}

// asks opens the authorize page with a change.
func asks(change map[string]string) func(*client) reply {
	return func(c *client) reply { return c.get(c.ask(change), "") }
}

// stateOf gives the state that comes back as the body.
func stateOf(c *client) reply {
	r := c.get(c.ask(nil), "")
	r.body = "nothing"
	if r.location != nil && r.location.Query().Has("state") {
		r.body = r.location.Query().Get("state")
	}
	return r
}

// posts sends a form to the token endpoint, of the app.
func posts(form func(*client) url.Values) func(*client) reply {
	return func(c *client) reply {
		f := form(c)
		for name, value := range map[string]string{"client_id": c.app.ID, "client_secret": c.app.Secret} {
			if !f.Has(name) {
				f.Set(name, value)
			}
		}
		return c.postForm(c.server.URL+"/oauth/token", f)
	}
}

func withCode(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}
}

func usedCode(c *client) url.Values {
	code := c.code(nil)
	c.exchange(code)
	return withCode(code)
}

func lateCode(c *client) url.Values {
	code := c.code(nil)
	c.server.Advance(time.Hour)
	return withCode(code)
}

func deadToken(c *client) url.Values {
	token := c.login(nil).RefreshToken
	c.server.RevokeGrant(c.app.ID, "alice")
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func liveToken(c *client) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.login(nil).RefreshToken}}
}

// gets asks the gateway with a token that has these scopes.
func gets(path, scope string) func(*client) reply {
	return func(c *client) reply {
		return c.get(c.gateway(path), c.login(map[string]string{"scope": scope}).AccessToken)
	}
}

func atToken(name, value string) []providertest.Fault {
	return []providertest.Fault{{Endpoint: providertest.Token, Name: name, Value: value, Grant: "refresh_token", Times: 1}}
}

func atCallback(name string) []providertest.Fault {
	return []providertest.Fault{{Endpoint: providertest.Callback, Name: name, Times: 1}}
}

const (
	deadMeasured   = `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`
	deadDocumented = `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`
	codeInvalid    = `{"error":"invalid_request","error_description":"authorization_code is invalid"}`
	scopeMissing   = `{"code":401,"message":"Unauthorized; scope does not match"}`
	unauthorized   = `{"code":401,"message":"Unauthorized"}`
)

func cloudTroubles() []trouble {
	documented := map[string]string{"dead_grant": "invalid_grant"}
	secret := func(value string) func(*client) url.Values {
		return func(c *client) url.Values {
			form := liveToken(c)
			form.Set("client_secret", value)
			return form
		}
	}
	return []trouble{
		{
			name: "callback: declined", do: func(c *client) reply { c.server.Decline(); return c.get(c.ask(nil), "") }, status: 302,
			back: url.Values{"error": {"access_denied"}, "error_description": {"User did not authorize the request"}, "state": {"the-state"}},
		},
		{name: "callback: foreign state", faults: atCallback("state_wrong"), do: stateOf, status: 302, body: "not-a-state-of-yours"},
		{name: "callback: no state", faults: atCallback("state_missing"), do: stateOf, status: 302, body: "nothing"},
		{name: "browser: scope not added", do: asks(map[string]string{"scope": "read:me read:nothing:jira"}), status: 400, contains: "has requested scopes that have not been added to the app in the developer console: read:nothing:jira"},
		{name: "browser: no scope", do: asks(map[string]string{"scope": "offline_access"}), status: 400, contains: "has not requested any supported Atlassian scopes"},
		{name: "browser: no audience", do: asks(map[string]string{"audience": ""}), status: 400, contains: "The authorize request was incomplete or invalid"},
		{name: "browser: slash at the end of the callback", do: asks(map[string]string{"redirect_uri": callback + "/"}), status: 400, contains: "Something went wrong"},
		{name: "browser: OpenID Connect", do: asks(map[string]string{"scope": "openid read:me"}), status: 400, contains: "Something went wrong"},
		{name: "browser: too many scopes", do: asks(map[string]string{"scope": strings.Join(atlassiantest.DefaultScopes(), " ")}), status: 414, contains: "414 ERROR", header: map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		{name: "browser: private app", switches: map[string]string{"private_apps": "on"}, do: func(c *client) reply { c.server.Approve("bob"); return c.get(c.ask(nil), "") }, status: 403, contains: "turn on sharing under Distribution"},
		{name: "listener: nothing arrives", faults: atCallback("no_return"), do: asks(nil), status: 200, contains: "Something went wrong"},

		{name: "token: wrong secret", do: posts(secret("guess")), status: 401, body: `{"error":"access_denied","error_description":"Unauthorized"}`},
		{name: "token: no secret", do: posts(secret("")), status: 401, body: `{"error":"access_denied","error_description":"Unauthorized"}`},
		{name: "token: rotated secret", switches: map[string]string{"secret_rotated": "on"}, do: posts(func(*client) url.Values { return withCode("any") }), status: 401, body: `{"error":"access_denied","error_description":"Unauthorized"}`},
		{name: "code: used", do: posts(usedCode), status: 400, body: codeInvalid},
		{name: "code: late", do: posts(lateCode), status: 400, body: codeInvalid},
		{name: "code: of another redirect", do: posts(func(c *client) url.Values {
			f := withCode(c.code(nil))
			f.Set("redirect_uri", "http://other.invalid/")
			return f
		}), status: 400, body: codeInvalid},
		{name: "code: used, as older reports have it", switches: documented, do: posts(usedCode), status: 403, body: `{"error":"invalid_grant","error_description":"Invalid authorization code"}`},
		{name: "refresh: dead", do: posts(deadToken), status: 403, body: deadMeasured},
		{name: "refresh: dead, as documented", switches: documented, do: posts(deadToken), status: 403, body: deadDocumented},
		{name: "refresh: too often", faults: atToken("too_many", "30"), do: posts(liveToken), status: 429, header: map[string]string{"Retry-After": "30"}},
		{name: "refresh: 500", faults: atToken("server_error", ""), do: posts(liveToken), status: 500, header: map[string]string{"Content-Type": "application/json"}},
		{name: "refresh: 503", faults: atToken("unavailable", ""), do: posts(liveToken), status: 503, header: map[string]string{"Retry-After": "7"}},
		{name: "refresh: a page", faults: atToken("html", ""), do: posts(liveToken), status: 200, contains: "<html>"},
		{name: "refresh: a gateway's page", faults: atToken("html_error", ""), do: posts(liveToken), status: 502, contains: "<html>"},

		{name: "sites: none", do: func(c *client) reply {
			c.server.Approve("carol")
			return c.get(c.server.URL+"/oauth/token/accessible-resources", c.login(nil).AccessToken)
		}, status: 200, body: `[]`},
		{name: "sites: dead token", do: func(c *client) reply { return c.get(c.server.URL+"/oauth/token/accessible-resources", "guess") }, status: 401, body: unauthorized},
		{name: "profile: no read:me", do: func(c *client) reply {
			return c.get(c.server.URL+"/me", c.login(map[string]string{"scope": "read:jira-user"}).AccessToken)
		}, status: 403, body: `{"code":403,"message":"Forbidden; scope does not match"}`},

		{name: "API: scope missing", do: gets("/rest/api/3/project/search", "read:jira-user"), status: 401, body: scopeMissing},
		{name: "API: most of the granular set", do: gets("/rest/api/3/myself", "read:user:jira read:group:jira read:avatar:jira"), status: 401, body: scopeMissing},
		{name: "API: classic scope at version 2 of Confluence", do: gets("/wiki/api/v2/pages", "read:confluence-content.all"), status: 401, body: scopeMissing},
		{name: "API: dead token", do: func(c *client) reply { return c.get(c.gateway("/rest/api/3/myself"), "guess") }, status: 401, body: unauthorized},
		{name: "API: 3LO token at the site", do: func(c *client) reply {
			return c.get(c.server.URL+"/site/sandbox-teahouse/rest/api/3/myself", c.login(nil).AccessToken)
		}, status: 401, body: `{"message":"Client must be authenticated to access this resource.","status-code":401}`},
		{name: "API: no permission", do: func(c *client) reply {
			c.server.Approve("bob")
			return c.get(c.gateway("/rest/api/3/auditing/record"), c.login(map[string]string{"scope": "manage:jira-configuration"}).AccessToken)
		}, status: 403, body: `{"errorMessages":["You do not have permission to perform this operation."],"errors":{}}`},
		{name: "API: unknown site", do: func(c *client) reply {
			return c.get(c.server.URL+"/ex/jira/5a0d0000-0000-4000-8000-000000000000/rest/api/3/myself", c.login(nil).AccessToken)
		}, status: 404, body: `{"code":404,"message":"Not Found"}`},
		{name: "API: site of another consent", switches: map[string]string{"foreign_site": "401"}, do: func(c *client) reply {
			return c.get(c.server.URL+"/ex/jira/"+atlassiantest.DefaultSites()[1].ID+"/rest/api/3/myself", c.login(nil).AccessToken)
		}, status: 401, body: unauthorized},
		{name: "API: object that is not visible", do: gets("/rest/api/3/issue/NONE-1", "read:jira-work"), status: 404, body: `{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}`},
		{name: "API: removed", do: gets("/rest/api/3/search", "read:jira-work"), status: 410, contains: `{"errorMessages":["The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.`},
		{
			name: "API: too often", switches: map[string]string{"limited": "global"}, do: gets("/rest/api/3/myself", "read:jira-user"), status: 429, body: `{"code":429,"message":"Rate limit exceeded"}`,
			header: map[string]string{"Retry-After": "1800", "RateLimit-Reason": "jira-quota-global-based", "X-RateLimit-Limit": "65000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-03-02T11:00:00Z"},
		},
		{
			name: "API: too often, and only the reset is said", switches: map[string]string{"limited": "reset"}, do: gets("/rest/api/3/myself", "read:jira-user"), status: 429,
			header: map[string]string{"Retry-After": "", "RateLimit-Reason": "", "X-RateLimit-Reset": "2026-03-02T11:00:00Z"},
		},
		{name: "API: 503", faults: []providertest.Fault{{Endpoint: providertest.API, Name: "unavailable", Value: "12"}}, do: gets("/rest/api/3/myself", "read:jira-user"), status: 503, header: map[string]string{"Retry-After": "12"}},
		{name: "API: GET with a body", do: func(c *client) reply {
			return c.call("GET", c.gateway("/rest/api/3/myself"), "Bearer "+c.login(nil).AccessToken, `{}`)
		}, status: 400, contains: "The request could not be satisfied", header: map[string]string{"Server": "CloudFront", "Content-Type": "text/html; charset=utf-8"}},
		{name: "API: elsewhere", faults: []providertest.Fault{{Endpoint: providertest.API, Name: "redirect_302"}}, do: gets("/rest/api/3/myself", "read:jira-user"), status: 302, header: map[string]string{"Location": "https://elsewhere.invalid/"}},
		{name: "API: wrong API token on an open endpoint", do: func(c *client) reply {
			return c.call("GET", c.server.URL+"/site/sandbox-teahouse/rest/api/3/serverInfo", basic("alice@example.com", "old"), "")
		}, status: 200, header: map[string]string{"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}},
	}
}

func TestEachTroubleOfCloudCanBeHad(t *testing.T) {
	for _, row := range cloudTroubles() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, atlassiantest.Config{Clock: fixedClock})
			c.server.Approve("alice")
			for name, value := range row.switches {
				if err := c.server.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
			c.server.Inject(row.faults...)
			row.check(t, row.do(c))
		})
	}
}

func TestTokenWithoutOfflineAccessHasNoSuccessor(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	if got := c.login(map[string]string{"scope": "read:me"}); got.RefreshToken != "" || got.ExpiresIn != 3600 || got.TokenType != "Bearer" {
		t.Errorf("got %+v, want no refresh token", got)
	}
}

func TestSitesChangeBetweenTwoCalls(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.login(nil).AccessToken
	names := func() (all []string) {
		for _, s := range c.sites(token) {
			all = append(all, s.Name)
		}
		return all
	}
	if !c.server.Join(c.app.ID, "alice", "sandbox-garden") || len(names()) != 2 {
		t.Errorf("after another consent elsewhere: got %v, want two sites", names())
	}
	if !c.server.Leave(c.app.ID, "alice", "sandbox-teahouse") || len(names()) != 1 || names()[0] != "sandbox-garden" {
		t.Errorf("after one was taken back: got %v, want the garden", names())
	}
	if c.server.Join(c.app.ID, "bob", "sandbox-garden") || c.server.Leave(c.app.ID, "alice", "sandbox-moon") {
		t.Error("a grant or a site that there is not was changed")
	}
	url := startControl(t, c.server.Control())
	if r := c.call("POST", url+"/control/join", "", `{"account":"alice","site":"sandbox-teahouse"}`); r.status != http.StatusOK || len(names()) != 2 {
		t.Errorf("by the control API: got %d %s and the sites %v", r.status, r.body, names())
	}
	if r := c.call("POST", url+"/control/leave", "", `{"account":"alice","site":"sandbox-moon"}`); r.status != http.StatusBadRequest {
		t.Errorf("a site that there is not: got %d, want 400", r.status)
	}
	r := c.call("POST", url+"/control/api-token", "", `{"account":"alice","scopes":["read:jira-user"]}`)
	var made struct{ Token string }
	decode(t, r, &made)
	if r := c.call("GET", c.gateway("/rest/api/3/myself"), basic("alice@example.com", made.Token), ""); r.status != http.StatusOK {
		t.Errorf("the token of the control API: got %d %s", r.status, r.body)
	}
}

func TestAnswerLostAfterTheRotation(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	token := c.login(nil).RefreshToken
	lose := func() {
		c.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Grant: "refresh_token", Times: 1})
		res, err := c.http.PostForm(c.server.URL+"/oauth/token", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {c.app.ID}, "client_secret": {c.app.Secret},
		})
		if err == nil {
			_ = res.Body.Close()
			t.Fatal("the answer arrived")
		}
	}
	lose()
	if c.server.History().Rotations("") != 1 {
		t.Error("the token was not rotated although the server had done its work")
	}
	again := c.refresh(token)
	if again.Status != http.StatusOK {
		t.Fatalf("within the leeway: got %d %s", again.Status, again.Error)
	}
	token = again.RefreshToken
	lose()
	c.server.Advance(11 * time.Minute)
	if got := c.refresh(token); got.Status != http.StatusForbidden {
		t.Errorf("after the leeway: got %d, want 403", got.Status)
	}
}

func TestAccountLevelConsentIsForEverySite(t *testing.T) {
	c := newClient(t, atlassiantest.Config{AccountLevel: true})
	if got := c.sites(c.login(nil).AccessToken); len(got) != 2 {
		t.Errorf("got %v, want both sites", got)
	}
}
