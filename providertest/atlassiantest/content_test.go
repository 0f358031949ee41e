package atlassiantest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// step is one request of a story, and what its answer has to have.
type step struct {
	name, method, path, body string
	status                   int
	contains                 string
}

func (c *client) tell(base, bearer string, story []step) {
	c.t.Helper()
	for _, s := range story {
		r := c.call(s.method, base+s.path, bearer, s.body)
		if r.status != s.status || !strings.Contains(r.body, s.contains) {
			c.t.Errorf("%s: got %d %s, want %d with %s", s.name, r.status, r.body, s.status, s.contains)
		}
	}
}

const heading = `{"type":"doc","version":1,"content":[{"type":"heading","attrs":{"level":2},"content":[{"type":"text","text":"Oolong"}]}]}`

func TestIssuesKeepWhatTheyWereGiven(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work write:jira-work"}).AccessToken
	search := "/search/jql?fields=summary&jql="
	c.tell(c.gateway("/rest/api/3"), bearer, []step{
		{"no such type", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"x","issuetype":{"name":"Wish"}}}`, 400, `"issuetype"`},
		{"no such priority", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"x","priority":{"name":"Now"}}}`, 400, `"priority"`},
		{"no such parent", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"x","parent":{"key":"TEA-99"}}}`, 400, `"parent"`},
		{"a label with a space", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"x","labels":["a b"]}}`, 400, `"labels"`},
		{"an empty text", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"x","description":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":""}]}]}}}`, 400, "Atlassian Document"},
		{"create", "POST", "/issue", `{"fields":{"project":{"key":"TEA"},"summary":"Pour","issuetype":{"name":"Bug"},"priority":{"name":"High"},"parent":{"key":"TEA-1"},"labels":["hot"],"description":` + heading + `}}`, 201, `"key":"TEA-4"`},
		{"the document as it was", "GET", "/issue/TEA-4?fields=description", "", 200, `"description":` + heading},
		{"type and priority", "GET", "/issue/TEA-4", "", 200, `"name":"Bug"`},
		{"fields that were asked for", "GET", "/issue/TEA-4?fields=parent,labels", "", 200, `"fields":{"labels":["hot"],"parent":{"key":"TEA-1"`},
		{"a comment", "POST", "/issue/TEA-4/comment", `{"body":` + heading + `}`, 201, `"displayName":"Alice Adams"`},
		{"another", "POST", "/issue/TEA-4/comment", `{"body":` + strings.Replace(heading, "Oolong", "Assam", 1) + `}`, 201, "Assam"},
		{"the newest first", "GET", "/issue/TEA-4/comment?orderBy=-created&maxResults=1", "", 200, "Assam"},
		{"words", "GET", search + url.QueryEscape(`project = TEA AND text ~ "oolong"`), "", 200, `"summary":"Order more oolong"`},
		{"words of a description", "GET", search + url.QueryEscape(`description ~ "oolong"`), "", 200, `"summary":"Pour"`},
		{"a state of two words", "GET", search + url.QueryEscape(`status = "In Progress"`), "", 200, `"issues":[]`},
		{"no query", "GET", search + "oolong", "", 400, "Error in the JQL Query"},
	})
}

func TestPagesHaveDocumentsAndAreFoundByWords(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:page:confluence write:page:confluence read:content-details:confluence"}).AccessToken
	quoted := strings.ReplaceAll(heading, `"`, `\"`)
	search := "/rest/api/search?cql="
	c.tell(strings.TrimSuffix(c.gateway("/wiki/"), "/"), bearer, []step{
		{"storage as a document", "GET", "/api/v2/pages/98310?body-format=atlas_doc_format", "", 200, `\"text\":\"Come in.\"`},
		{"no document", "POST", "/api/v2/pages", `{"spaceId":"65538","title":"Oolong","body":{"representation":"atlas_doc_format","value":"plain"}}`, 400, "atlas_doc_format"},
		{"no parent", "POST", "/api/v2/pages", `{"spaceId":"65538","parentId":"1","title":"Oolong"}`, 404, "parent"},
		{"create", "POST", "/api/v2/pages", `{"spaceId":"65538","parentId":"98310","title":"Teas","body":{"representation":"atlas_doc_format","value":"` + quoted + `"}}`, 200, `"parentId":"98310"`},
		{"the same title", "POST", "/api/v2/pages", `{"spaceId":"65538","title":"teas"}`, 400, "same TITLE"},
		{"the same title in another space", "POST", "/api/v2/pages", `{"spaceId":"65537","title":"Teas"}`, 200, "Teas"},
		{"as it was", "GET", "/api/v2/pages/98313?body-format=atlas_doc_format", "", 200, quoted},
		{"as storage", "GET", "/api/v2/pages/98313?body-format=storage", "", 200, `"value":"\u003cp\u003eOolong\u003c/p\u003e"`},
		{"found", "GET", search + url.QueryEscape(`space = STAFF AND text ~ "oolong"`), "", 200, `"excerpt":"@@@hl@@@Oolong@@@endhl@@@"`},
		{"not there", "GET", search + url.QueryEscape(`space = TEA AND text ~ "oolong"`), "", 200, `"totalSize":0`},
		{"by title alone", "GET", search + url.QueryEscape(`type = page AND title ~ "oolong"`), "", 200, `"totalSize":0`},
		{"no query", "GET", search + "oolong", "", 400, "Could not parse cql"},
	})
}
