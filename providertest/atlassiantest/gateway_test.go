package atlassiantest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// teahouse is the cloud id of the site that everybody is sent to.
const teahouse = "5a0d0000-7ea0-4000-8000-000000000001"

// call sends a request with JSON and whatever credentials authorization has.
func (c *client) call(method, url, authorization, body string) reply {
	c.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return c.do(req)
}

// gateway is the address of a path at the tea house's gateway.
func (c *client) gateway(path string) string {
	product := "jira"
	if strings.HasPrefix(path, "/wiki/") {
		product = "confluence"
	}
	return c.server.URL + "/ex/" + product + "/" + teahouse + path
}

// TestScopesAreTheOnesOfTheReference holds the sandbox's table against that of
// package atlassian, which was made apart from it: the classic scope or all of
// the granular ones, and most of the set is as good as none.
func TestScopesAreTheOnesOfTheReference(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	path := strings.NewReplacer("{project}", "TEA", "{issue}", "TEA-1", "{page}", "98310")
	served := 0
	for _, o := range atlassian.Operations() {
		if o.Product == "" {
			continue // the profile is no operation of a site
		}
		refused := func(scopes ...string) bool {
			token := c.login(map[string]string{"scope": strings.Join(append(scopes, "read:me"), " ")}).AccessToken
			r := c.call(o.Method, c.gateway(path.Replace(o.Path)), "Bearer "+token, "")
			return strings.Contains(r.body, "scope does not match") || notServed(r)
		}
		enough := o.Granular
		if o.Classic != "" {
			enough = []string{o.Classic}
		}
		if refused(enough...) {
			if notServed(c.call(o.Method, c.gateway(path.Replace(o.Path)), "Bearer "+c.login(nil).AccessToken, "")) {
				continue // not in this slice
			}
			t.Errorf("%s %s: %v is not enough", o.Method, o.Path, enough)
		}
		served++
		if o.Granular == nil {
			continue
		}
		if refused(o.Granular...) {
			t.Errorf("%s %s: %v together are not enough", o.Method, o.Path, o.Granular)
		}
		if most := o.Granular[1:]; !refused(most...) {
			t.Errorf("%s %s: %v, which lack one, are enough", o.Method, o.Path, most)
		}
	}
	if served < 20 {
		t.Errorf("got %d operations served, want 20 at least", served)
	}
}

// notServed reports that the gateway knows no such operation; that there is no
// such issue or page is said in other words.
func notServed(r reply) bool { return strings.Contains(r.body, `"message":"Not Found"`) }

func TestJiraIssuesLiveAtTheGateway(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work write:jira-work"}).AccessToken
	jira := c.gateway("/rest/api/3")
	for _, step := range []struct {
		name, method, path, body string
		status                   int
		contains                 string
	}{
		{"plain text", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"Polish","description":"plain"}}`, 400, "Atlassian Document"},
		{"no project", "POST", "/issue", `{"fields":{"summary":"Polish"}}`, 400, "valid project is required"},
		{"create", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"Polish","description":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"the pots"}]}]}}}`, 201, `"key":"TEA-4"`},
		{"read", "GET", "/issue/TEA-4", "", 200, `"text":"the pots"`},
		{"change", "PUT", "/issue/TEA-4", `{"fields":{"summary":"Polish well"}}`, 204, ""},
		{"where to", "GET", "/issue/TEA-4/transitions", "", 200, `"name":"In Progress"`},
		{"move", "POST", "/issue/TEA-4/transitions", `{"transition":{"id":"21"}}`, 204, ""},
		{"move nowhere", "POST", "/issue/TEA-4/transitions", `{"transition":{"id":"99"}}`, 400, "not valid"},
		{"comment", "POST", "/issue/TEA-4/comment", `{"body":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"done soon"}]}]}}`, 201, "done soon"},
		{"comments", "GET", "/issue/TEA-4/comment", "", 200, `"total":1`},
		{"read again", "GET", "/issue/TEA-4", "", 200, "Polish well"},
		{"unbounded search", "GET", "/search/jql?jql=order+by+created", "", 400, "Unbounded"},
		{"search", "GET", "/search/jql?jql=project+%3D+TEA&fields=status", "", 200, `"name":"In Progress"`},
		{"ids only", "POST", "/search/jql", `{"jql":"key in (TEA-4)"}`, 200, `{"isLast":true,"issues":[{"id":"10005"}]}`},
		{"the old search", "GET", "/search?jql=x", "", 410, "/rest/api/3/search/jql"},
		{"delete", "DELETE", "/issue/TEA-4", "", 204, ""},
		{"gone", "GET", "/issue/TEA-4", "", 404, "do not have permission"},
	} {
		if r := c.call(step.method, jira+step.path, bearer, step.body); r.status != step.status || !strings.Contains(r.body, step.contains) {
			t.Errorf("%s: got %d %s, want %d with %s", step.name, r.status, r.body, step.status, step.contains)
		}
	}
	r := c.call("GET", c.gateway("/rest/api/2/issue/TEA-1"), bearer, "")
	if r.status != http.StatusOK || r.header.Get("Atl-Traceid") == "" || r.header.Get("X-Arequestid") == "" || !strings.HasPrefix(r.header.Get("X-Aaccountid"), "712020") {
		t.Errorf("got %d with the headers %v", r.status, r.header)
	}
}

func TestSearchGoesOnByTokens(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work"}).AccessToken
	seen, next := 0, ""
	for range 10 {
		r := c.call("GET", c.gateway("/rest/api/3/search/jql?jql=project%3DTEA&maxResults=2&nextPageToken="+next), bearer, "")
		var page struct {
			Issues []struct{} `json:"issues"`
			Next   string     `json:"nextPageToken"`
			IsLast bool       `json:"isLast"`
		}
		decode(t, r, &page)
		seen, next = seen+len(page.Issues), page.Next
		if page.IsLast {
			break
		}
	}
	if seen != 3 || next != "" {
		t.Errorf("got %d issues and the token %q after the last, want 3 and none", seen, next)
	}
	if r := c.call("GET", c.gateway("/rest/api/3/search/jql?jql=project%3DTEA&nextPageToken=guess"), bearer, ""); r.status != http.StatusBadRequest {
		t.Errorf("a guessed token: got %d, want 400", r.status)
	}
}

func TestConfluencePagesByLinksOfTheSite(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:page:confluence write:page:confluence delete:page:confluence read:space:confluence"}).AccessToken
	wiki := c.gateway("/wiki/api/v2")
	prefix := strings.TrimSuffix(wiki, "/wiki/api/v2")
	seen := 0
	for path := "/wiki/api/v2/pages?limit=2"; path != ""; {
		r := c.call("GET", prefix+path, bearer, "")
		var page struct {
			Results []struct{ ID, Title string } `json:"results"`
			Links   struct{ Next string }        `json:"_links"`
		}
		decode(t, r, &page)
		seen, path = seen+len(page.Results), page.Links.Next
		if path != "" && r.header.Get("Link") != "<"+path+`>; rel="next"` {
			t.Errorf("Link is %q, _links.next %q", r.header.Get("Link"), path)
		}
	}
	if seen != 3 {
		t.Errorf("got %d pages, want 3", seen)
	}
	for _, step := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"create", "POST", "/pages", `{"spaceId":"65537","title":"Sieves","body":{"representation":"storage","value":"<p>Fine.</p>"}}`, 200},
		{"nowhere", "POST", "/pages", `{"spaceId":"1","title":"Sieves"}`, 404},
		{"old version", "PUT", "/pages/98313", `{"id":"98313","title":"Sieves","version":{"number":1}}`, 409},
		{"change", "PUT", "/pages/98313", `{"id":"98313","title":"All sieves","version":{"number":2}}`, 200},
		{"read", "GET", "/pages/98313?body-format=storage", "", 200},
		{"delete", "DELETE", "/pages/98313", "", 204},
		{"gone", "GET", "/pages/98313", "", 404},
	} {
		if r := c.call(step.method, wiki+step.path, bearer, step.body); r.status != step.status {
			t.Errorf("%s: got %d %s, want %d", step.name, r.status, r.body, step.status)
		}
	}
	if r := c.call("GET", prefix+"/api/v2/spaces?keys=STAFF", bearer, ""); r.status != http.StatusOK || strings.Contains(r.body, "Tea house") {
		t.Errorf("without /wiki: got %d %s", r.status, r.body)
	}
}
