package atlassiantest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// Each case is wrong in all the ways of the cases below it as well, so the
// order of the checks shows.
func TestAuthorizeMistakesStayOnAPageInTheRealOrder(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	c.server.Approve("alice")
	wrong := map[string]string{}
	for _, step := range []struct{ name, value, reason, text string }{
		{"scope", "openid read:me", "openid", "incomplete or invalid"},
		{"scope", "offline_access", "scope_empty", "has not requested any supported Atlassian scopes"},
		{"scope", "", "scope_empty", "has not requested any supported Atlassian scopes"},
		{"scope", "read:jira-wrok openid", "scope_not_added", "requested scopes that have not been added to the app"},
		{"response_type", "token", "response_type", "incomplete or invalid"},
		{"prompt", "none", "prompt", "incomplete or invalid"},
		{"audience", "api.example.com", "audience", "incomplete or invalid"},
		{"redirect_uri", callback + "/", "redirect_mismatch", "incomplete or invalid"},
		{"client_id", "nobody", "client_unknown", "incomplete or invalid"},
	} {
		wrong[step.name] = step.value
		r := c.get(c.ask(wrong), "")
		last, _ := c.server.History().Last(providertest.Authorize)
		if r.location != nil || r.status != http.StatusBadRequest || !strings.Contains(r.body, step.text) || last.Reason != step.reason {
			t.Errorf("%s=%q: got %d to %v for the reason %q, want a page for the reason %q", step.name, step.value, r.status, r.location, last.Reason, step.reason)
		}
	}
	if r := c.get(c.ask(map[string]string{"audience": ""}), ""); r.location != nil {
		t.Error("a missing audience came back to the client")
	}
	if r := c.get(c.ask(nil)+"&state=again", ""); r.location != nil {
		t.Error("a parameter that came twice was accepted")
	}
}

func TestTooLongURLIs414(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	scopes := strings.Join(atlassiantest.DefaultScopes(), " ")
	if r := c.get(c.ask(map[string]string{"scope": scopes}), ""); r.status != http.StatusRequestURITooLong {
		t.Errorf("all %d scopes: got %d, want 414", len(strings.Fields(scopes)), r.status)
	}
	some := strings.Join(atlassiantest.DefaultScopes()[:28], " ")
	if r := c.get(c.ask(map[string]string{"scope": some}), ""); r.status != http.StatusOK {
		t.Errorf("28 scopes: got %d, want 200", r.status)
	}
}

func TestDeclinedConsentComesBack(t *testing.T) {
	c := newClient(t, atlassiantest.Config{Decision: providertest.Decision{Answer: "decline"}})
	got := c.get(c.ask(nil), "").location.Query()
	if got.Get("error") != "access_denied" || got.Get("error_description") != "User did not authorize the request" || got.Get("state") != "the-state" {
		t.Errorf("machine: got %v", got)
	}

	c.server.Ask()
	tx := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(c.get(c.ask(nil), "").body)[1]
	c.postForm(c.server.URL+"/authorize/account", url.Values{"tx": {tx}, "account": {"bob"}})
	got = c.postForm(c.server.URL+"/authorize/consent", url.Values{"tx": {tx}, "decision": {"cancel"}}).location.Query()
	if got.Get("error") != "access_denied" {
		t.Errorf("person: got %v", got)
	}
	if last, _ := c.server.History().Last(providertest.Consent); last.Outcome != providertest.Declined || last.User != "bob" {
		t.Errorf("history: got %+v", last)
	}
}

func TestConsentPageGuards(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	page := c.get(c.ask(nil), "")
	tx := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	consent := func(form url.Values) reply { return c.postForm(c.server.URL+"/authorize/consent", form) }
	if r := consent(url.Values{"tx": {tx}, "decision": {"accept"}}); r.location != nil {
		t.Error("consent was taken before anybody signed in")
	}
	if r := c.postForm(c.server.URL+"/authorize/account", url.Values{"tx": {tx}, "account": {"mallory"}}); r.status != http.StatusBadRequest {
		t.Errorf("unknown account: got %d, want 400", r.status)
	}
	c.postForm(c.server.URL+"/authorize/account", url.Values{"tx": {tx}, "account": {"bob"}})
	garden := atlassiantest.DefaultSites()[1].ID
	if r := consent(url.Values{"tx": {tx}, "site": {garden}, "decision": {"accept"}}); r.location != nil {
		t.Error("bob gave access to a site that he cannot see")
	}
	c.server.Advance(10 * time.Minute)
	if r := consent(url.Values{"tx": {tx}, "decision": {"accept"}}); r.location != nil {
		t.Error("a page of ten minutes ago was accepted")
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
		if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("the policy %q lacks %s", csp, want)
		}
	}
	if regexp.MustCompile(`(src|href)=|url\(|<script`).MatchString(page.body) {
		t.Error("the page asks for something from elsewhere")
	}
}

func TestMachineChoosesAccountAndSites(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	c.server.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{"sandbox-garden"}})
	sites := c.get(c.server.URL+"/oauth/token/accessible-resources", c.login(nil).AccessToken)
	if !strings.Contains(sites.body, "sandbox-garden") || strings.Contains(sites.body, "sandbox-teahouse") {
		t.Errorf("got %s, want the garden only", sites.body)
	}
	c.server.Approve("")
	c.login(map[string]string{"login_hint": "bob@example.com"})
	if last, _ := c.server.History().Last(providertest.Token); last.User != "bob" {
		t.Errorf("login_hint: got %q, want bob", last.User)
	}
	for _, d := range []providertest.Decision{
		{Answer: "approve", User: "mallory"},
		{Answer: "approve", User: "bob", Sites: []string{"sandbox-garden"}},
	} {
		c.server.Decide(d)
		if r := c.get(c.ask(nil), ""); r.location != nil {
			t.Errorf("%+v was approved", d)
		}
	}
}

func TestPrivateAppIsForItsOwner(t *testing.T) {
	app := atlassiantest.App{ID: "private", Callbacks: []string{callback}, Private: true, Owner: "alice"}
	c := newClient(t, atlassiantest.Config{Apps: []atlassiantest.App{app}})
	c.server.Approve("bob")
	if r := c.get(c.ask(nil), ""); r.location != nil || r.status != http.StatusForbidden {
		t.Errorf("bob: got %d to %v, want 403 and no redirect", r.status, r.location)
	}
	c.server.Approve("alice")
	if r := c.get(c.ask(nil), ""); r.location == nil {
		t.Errorf("alice: got %d, want a redirect", r.status)
	}
}
