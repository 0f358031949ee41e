package atlassiantools_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/api"
)

// FuzzAnswers lets Atlassian answer anything: a tool gives a value or an error that a model can read.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"key":"TEA-1","fields":{"summary":"Warm the pots","description":{"type":"doc","content":[]},"labels":["a"]},"total":1,"comments":[{"body":{}}]}`)
	f.Add(200, `{"results":[{"content":{"id":"1"},"excerpt":"@@@hl@@@a@@@endhl@@@","url":"/x"}],"_links":{"next":"/y?cursor=z&start=1"}}`)
	f.Add(400, `{"errorMessages":["no"],"errors":{"summary":"none"}}`)
	f.Add(409, `{"errors":[{"title":"late","detail":null}]}`)
	f.Add(403, `{"message":"no"}`)
	f.Add(503, `<html>`)
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/html")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, s int, b string) {
		if s < 200 || s > 599 {
			return
		}
		status, body = s, b // nobody asks at this moment
		w := &world{t: t, sites: told(), token: "any"}
		w.serve(server.URL)
		for _, out := range []api.InvocationOutput{
			w.call(w.jira, "GetIssue", inputs{"issue": "TEA-1"}),
			w.call(w.confluence, "SearchPages", inputs{"text": "tea"}),
			w.call(w.confluence, "UpdatePage", inputs{"page": "1", "version": 1, "text": "tea"}),
		} {
			if e := out.Error; e != nil && (e.Kind == "" || e.Message == "" || len(e.Message) > 8<<10 || strings.Contains(e.Message, "\n\n")) {
				t.Errorf("%d with %q: got %+v", s, b, e)
			}
		}
	})
}
