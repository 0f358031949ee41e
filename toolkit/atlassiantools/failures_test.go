package atlassiantools_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

func TestRefusalsAreKindsWithAWayOn(t *testing.T) {
	w := newWorld(t)
	w.alice()
	for _, c := range []struct {
		name, worker, tool string
		in                 inputs
		before             func()
		kind               string
		status             int
		retry              bool
		says               string // in message or prompt
	}{
		{name: "a query without restriction", worker: w.jira, tool: "SearchIssues", in: inputs{"jql": "ORDER BY created"}, kind: api.ToolUpstreamValidation, status: 400, retry: true, says: "add a search restriction"},
		{name: "no JQL", worker: w.jira, tool: "SearchIssues", in: inputs{"jql": "the cold pots"}, kind: api.ToolUpstreamValidation, status: 400, retry: true, says: "Expecting operator"},
		{name: "no CQL", worker: w.confluence, tool: "SearchPages", in: inputs{"cql": "the cold pots"}, kind: api.ToolUpstreamValidation, status: 400, retry: true, says: "Could not parse cql"},
		{name: "fields that are wrong", worker: w.jira, tool: "CreateIssue", in: inputs{"project": "NONE", "summary": "x", "type": "Wish"}, kind: api.ToolUpstreamValidation, status: 400, retry: true, says: "issuetype: Specify a valid issue type; project: valid project is required"},
		{name: "no such issue", worker: w.jira, tool: "GetIssue", in: inputs{"issue": "TEA-99"}, kind: api.ToolUpstreamNotFound, status: 404, says: "what the user may not see"},
		{name: "no such page", worker: w.confluence, tool: "GetPage", in: inputs{"page": "1"}, kind: api.ToolUpstreamNotFound, status: 404, says: "Not Found"},
		{name: "a title that is taken", worker: w.confluence, tool: "CreatePage", in: inputs{"space": "TEA", "title": "Welcome"}, kind: api.ToolUpstreamValidation, status: 400, retry: true, says: "same TITLE"},
		{name: "no such transition", worker: w.jira, tool: "TransitionIssue", in: inputs{"issue": "TEA-1", "to": "Drunk"}, kind: api.ToolRetry, retry: true, says: "In Progress (id 21, to In Progress)"},
		{name: "no such space", worker: w.confluence, tool: "CreatePage", in: inputs{"space": "NONE", "title": "x"}, kind: api.ToolBadInput, retry: true, says: "ListSpaces"},
		{name: "a rate", worker: w.jira, tool: "GetIssue", in: inputs{"issue": "TEA-1"}, before: func() { _ = w.server.Set("limited", "burst") }, kind: api.ToolUpstreamRateLimit, status: 429, retry: true, says: "Too many requests"},
		{name: "away, with a time", worker: w.jira, tool: "GetIssue", in: inputs{"issue": "TEA-1"}, before: w.fault("unavailable"), kind: api.ToolUpstreamRateLimit, status: 503, retry: true, says: "not available"},
		{name: "broken, for a reader", worker: w.jira, tool: "GetIssue", in: inputs{"issue": "TEA-1"}, before: w.fault("server_error"), kind: api.ToolUpstreamServerError, status: 500, retry: true, says: "Try again later"},
		{name: "a page for people", worker: w.jira, tool: "GetIssue", in: inputs{"issue": "TEA-1"}, before: w.fault("html"), kind: api.ToolUpstreamAuth, status: 200, retry: true, says: "authorize again"},
		{name: "the authorization has ended", worker: w.jira, tool: "CreateIssue", in: inputs{"project": "TEA", "summary": "x"}, before: func() { w.server.DropAccessTokens() }, kind: api.ToolUpstreamAuth, status: 401, retry: true, says: "authorize again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.sites = told()
			if c.before != nil {
				c.before()
			}
			got := w.fails(c.worker, c.tool, c.in)
			w.server.Heal()
			_ = w.server.Set("limited", "off")
			if got.Kind != c.kind || got.StatusCode != c.status || got.CanRetry != c.retry || !strings.Contains(got.Message+got.AdditionalPromptContent, c.says) {
				t.Errorf("got %+v, want %s, %d, retry %v and a word about %q", got, c.kind, c.status, c.retry, c.says)
			}
			if limited := c.kind == api.ToolUpstreamRateLimit; limited != (got.RetryAfterMS >= 1000) {
				t.Errorf("to wait: %d ms", got.RetryAfterMS)
			}
			if strings.Contains(got.Message+got.DeveloperMessage+got.AdditionalPromptContent, w.token) {
				t.Error("the token is in the error")
			}
		})
	}
}

// told is what an engine tells of the tea house, with all scopes.
func told() *api.SiteList {
	return &api.SiteList{Site: teahouse, Sites: []api.Site{{
		ID: teahouse, Name: "sandbox-teahouse", URL: "https://sandbox-teahouse.atlassian.net", Products: []string{"confluence", "jira"},
		Scopes: []string{"read:content-details:confluence", "read:jira-work", "read:page:confluence", "read:space:confluence", "write:jira-work", "write:page:confluence"},
	}}}
}

func (w *world) fault(name string) func() {
	return func() { w.server.Inject(providertest.Fault{Endpoint: providertest.API, Name: name, Times: 1}) }
}

// A refresh brings no scope: the user is asked for what the tool declares.
func TestMissingScopeAsksForMore(t *testing.T) {
	w := newWorld(t)
	w.consent("alice", []string{"sandbox-teahouse"}, "read:jira-work")
	got := w.call(w.jira, "TransitionIssue", inputs{"issue": "TEA-1", "to": "Done"})
	if got.RequiresAuthorization == nil || !slices.Equal(got.RequiresAuthorization.Scopes, []string{"read:jira-work", "write:jira-work"}) {
		t.Errorf("got %+v and %+v, want a request for the tool's scopes", got.Error, got.RequiresAuthorization)
	}
}

// What may have been done is not to be done again by somebody who does not look.
func TestChangeWithoutAnAnswerIsNotToBeRepeated(t *testing.T) {
	for _, fault := range []string{"server_error", "html_error", "cut_off"} {
		w := newWorld(t)
		w.alice()
		w.sites = told()
		w.fault(fault)()
		got := w.fails(w.jira, "AddComment", inputs{"issue": "TEA-1", "text": "once"})
		if got.CanRetry || !strings.Contains(got.Message, "look before trying again") {
			t.Errorf("%s: got %+v, want no retry", fault, got)
		}
		if issue := does[atlassiantools.Issue](w, w.jira, "GetIssue", inputs{"issue": "TEA-1"}); issue.TotalComments > 1 {
			t.Errorf("%s: %d comments", fault, issue.TotalComments)
		}
	}
}

func TestPageThatWasChangedMeanwhileIsAConflict(t *testing.T) {
	w := newWorld(t)
	w.alice()
	update := inputs{"page": "98311", "version": 1, "text": "Slowly, slowly."}
	if got := does[atlassiantools.WrittenPage](w, w.confluence, "UpdatePage", update); got.Version != 2 {
		t.Fatalf("got %+v", got)
	}
	got := w.fails(w.confluence, "UpdatePage", update)
	if got.Kind != api.ToolRetry || !got.CanRetry || got.StatusCode != http.StatusConflict || !strings.Contains(got.AdditionalPromptContent, "GetPage") {
		t.Errorf("got %+v, want a conflict", got)
	}
	if page := does[atlassiantools.Page](w, w.confluence, "GetPage", inputs{"page": "98311"}); page.Version != 2 {
		t.Errorf("the page has version %d, want 2", page.Version)
	}
}

// Between our look and our write somebody else may write, too: then it is Confluence that says so.
func TestConflictOfTheLastMomentIsTheSameError(t *testing.T) {
	w := &world{t: t, sites: told(), token: "any"}
	w.serve(answering(t, func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			return 409, `{"errors":[{"status":409,"code":"CONFLICT","title":"Version must be incremented when updating a page. Current version: 8"}]}`
		}
		return 200, `{"id":"7","title":"Tea","version":{"number":7},"body":{"atlas_doc_format":{"value":"{}"}}}`
	}))
	got := w.fails(w.confluence, "UpdatePage", inputs{"page": "7", "version": 7, "text": "new"})
	if got.Kind != api.ToolRetry || !got.CanRetry || got.StatusCode != http.StatusConflict || !strings.Contains(got.AdditionalPromptContent, "GetPage") {
		t.Errorf("got %+v, want a conflict", got)
	}
}

func TestContentThatATextCannotHoldIsKept(t *testing.T) {
	const table = `{\"type\":\"doc\",\"version\":1,\"content\":[{\"type\":\"table\",\"content\":[]}]}`
	var written []string
	w := &world{t: t, sites: told(), token: "any"}
	w.serve(answering(t, func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			written = append(written, string(body))
		}
		return 200, `{"id":"7","title":"Tea","version":{"number":7},"body":{"atlas_doc_format":{"value":"` + table + `"}}}`
	}))
	page := does[atlassiantools.Page](w, w.confluence, "GetPage", inputs{"page": "7"})
	if !slices.Equal(page.Lost, []string{"table"}) {
		t.Errorf("the page does not say that it has a table: %+v", page)
	}
	got := w.fails(w.confluence, "UpdatePage", inputs{"page": "7", "version": 7, "text": "new"})
	if got.Kind != api.ToolRetry || !strings.Contains(got.Message, "table") || len(written) != 0 {
		t.Errorf("got %+v and %d writes, want a question back and none", got, len(written))
	}
	does[atlassiantools.WrittenPage](w, w.confluence, "UpdatePage", inputs{"page": "7", "version": 7, "title": "New"})
	does[atlassiantools.WrittenPage](w, w.confluence, "UpdatePage", inputs{"page": "7", "version": 7, "text": "new", "discard_rich_content": true})
	if len(written) != 2 || !strings.Contains(written[0], table) || strings.Contains(written[1], "table") {
		t.Errorf("written: %q, want the table kept with a new title, and gone with a new text", written)
	}
}

// Atlassian's own answer to somebody without the permission, and answers that are none.
func TestAnswersOfOtherKinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   string
		says   string
	}{
		{"a permission", 403, `{"errorMessages":["You cannot view this issue."],"errors":{}}`, api.ToolUpstreamBadRequest, "You cannot view this issue"},
		{"no JSON", 200, `{"key":`, api.ToolUpstreamServerError, "cannot be read"},
		{"another JSON", 200, `{"key":"TEA-1","fields":[]}`, api.ToolUpstreamServerError, "cannot be read"},
		{"too much", 200, `{"key":"` + strings.Repeat("x", 9<<20) + `"}`, api.ToolUpstreamServerError, "8 MiB"},
		{"gone", 410, `{"errorMessages":["The requested API has been removed."]}`, api.ToolUpstreamUnmapped, "removed"},
		{"the scope is there, and it says otherwise", 401, `{"code":401,"message":"Unauthorized; scope does not match"}`, api.ToolRequirementsNotMet, "lacks a scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{t: t, sites: told(), token: "any"}
			w.serve(answering(t, func(*http.Request) (int, string) { return c.status, c.body }))
			got := w.fails(w.jira, "GetIssue", inputs{"issue": "TEA-1"})
			if got.Kind != c.kind || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %.300v, want %s and a word about %q", got, c.kind, c.says)
			}
			if got.StatusCode == http.StatusUnauthorized {
				t.Error("an engine would renew the token, which helps nobody")
			}
		})
	}
	w := &world{t: t, sites: told(), token: "any"}
	w.serve("http://127.0.0.1:1")
	if got := w.fails(w.jira, "GetIssue", inputs{"issue": "TEA-1"}); got.Kind != api.ToolNetworkUnreachable || !got.CanRetry {
		t.Errorf("nobody listens: got %+v", got)
	}
}

// answering is an Atlassian that answers all calls alike.
func answering(t *testing.T, answer func(*http.Request) (int, string)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestArgumentsThatCannotBeRightReachNobody(t *testing.T) {
	w := newWorld(t)
	w.alice()
	w.server.History().Clear()
	for _, c := range []struct {
		worker, tool string
		in           inputs
	}{
		{w.jira, "GetIssue", inputs{"issue": "../../myself"}},
		{w.jira, "GetIssue", inputs{"issue": "TEA-1?fields=*all"}},
		{w.jira, "GetIssue", inputs{"issue": ""}},
		{w.jira, "SearchIssues", inputs{"jql": " "}},
		{w.jira, "SearchIssues", inputs{"jql": "project = TEA", "limit": 1000}},
		{w.jira, "SearchIssues", inputs{"jql": "project = TEA", "limit": -1}},
		{w.jira, "CreateIssue", inputs{"project": "TEA", "summary": "two\nlines"}},
		{w.jira, "CreateIssue", inputs{"project": "TEA", "summary": "x", "description": strings.Repeat("x", 40_000)}},
		{w.jira, "AddComment", inputs{"issue": "TEA-1", "text": "\n"}},
		{w.confluence, "GetPage", inputs{"page": "98310/children"}},
		{w.confluence, "SearchPages", inputs{}},
		{w.confluence, "SearchPages", inputs{"text": "a", "cql": "title ~ b"}},
		{w.confluence, "SearchPages", inputs{"text": "a", "page_token": "cql=type%3Dspace"}},
		{w.confluence, "CreatePage", inputs{"space": "TEA", "title": " "}},
		{w.confluence, "UpdatePage", inputs{"page": "98310", "version": 1}},
		{w.confluence, "UpdatePage", inputs{"page": "98310", "version": 0, "text": "x"}},
	} {
		if got := w.fails(c.worker, c.tool, c.in); got.Kind != api.ToolBadInput || !got.CanRetry {
			t.Errorf("%s of %.60v: got %+v, want bad input", c.tool, c.in, got)
		}
	}
	if n := len(w.server.History().All()); n != 0 {
		t.Errorf("Atlassian was asked %d times", n)
	}
}
