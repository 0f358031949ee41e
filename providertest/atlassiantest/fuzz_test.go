package atlassiantest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// FuzzGateway sends what clients may: whatever it is, the answer is none of the
// server's own failures.
func FuzzGateway(f *testing.F) {
	f.Add("POST", "/ex/jira/"+teahouse+"/rest/api/3/issue", "", `{"fields":{"project":{"key":"TEA"},"summary":"x","description":{"type":"doc","content":[{"type":"text","text":"y"}]}}}`)
	f.Add("PUT", "/ex/jira/"+teahouse+"/rest/api/2/issue/TEA-1", "", `{"fields":{"description":"y"}}`)
	f.Add("POST", "/ex/jira/"+teahouse+"/rest/api/3/issue/TEA-1/comment", "", `{"body":{"type":"doc"}}`)
	f.Add("POST", "/ex/jira/"+teahouse+"/rest/api/3/issue/TEA-1/transitions", "", `{"transition":{"id":21}}`)
	f.Add("GET", "/ex/jira/"+teahouse+"/rest/api/3/search/jql", `jql=project in ("TEA", GARDEN) order by key&nextPageToken=ZnJvbToy&fields=*all`, "")
	f.Add("GET", "/ex/confluence/"+teahouse+"/wiki/api/v2/pages", "limit=1&cursor=ZnJvbToy", "")
	f.Add("PUT", "/ex/confluence/"+teahouse+"/wiki/api/v2/pages/98310", "", `{"title":"x","version":{"number":2}}`)
	f.Add("PUT", "/ex/confluence/"+teahouse+"/wiki/api/v2/pages/98311", "body-format=atlas_doc_format", `{"title":"x","version":{"number":2},"body":{"representation":"atlas_doc_format","value":"{\"type\":\"doc\"}"}}`)
	f.Add("GET", "/ex/confluence/"+teahouse+"/wiki/rest/api/search", `cql=space in (TEA,"STAFF") and text ~ "come İn"`, "")
	f.Add("GET", "/site/sandbox-teahouse/rest/api/3/serverInfo", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if !strings.HasPrefix(path, "/ex/") && !strings.HasPrefix(path, "/site/") {
			return
		}
		server := atlassiantest.New(atlassiantest.Config{})
		token, err := server.IssueAPIToken("alice", 24*time.Hour, atlassiantest.DefaultScopes()...)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(method, "http://sandbox.invalid", strings.NewReader(body))
		if err != nil {
			return // no HTTP at all
		}
		req.URL = &url.URL{Scheme: "http", Host: "sandbox.invalid", Path: path, RawQuery: query}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth("alice@example.com", token)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s?%s with %q: got %d %s", method, path, query, body, w.Code, w.Body)
		}
	})
}
