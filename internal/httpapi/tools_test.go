package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/httpapi"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
)

const workerSecret = "canary-worker-secret"

// tools gives the door a toolbox.
func tools(t testing.TB) func(*httpapi.Config) {
	return func(c *httpapi.Config) {
		transport := &http.Transport{}
		c.Tools = workers.New(workers.Config{
			Broker: c.Broker, PublicURL: "https://keys.example.com", ListFor: time.Hour, Now: c.Now,
			HTTP: func(keybearer.Origin) *http.Client { return &http.Client{Transport: transport} },
		})
		t.Cleanup(func() {
			if err := c.Tools.Close(context.Background()); err != nil {
				t.Error(err)
			}
			transport.CloseIdleConnections()
		})
	}
}

// employ registers a worker over the API.
func (l *lab) employ() *workertest.Worker {
	l.t.Helper()
	w := workertest.Start(l.t, workerSecret)
	l.do("POST", "/v1/workers", fmt.Sprintf(`{"id":"hooli-tools","enabled":true,"type":"http","http":{"uri":%q,"secret":%q,"timeout":5,"retry":0}}`, w.URL, workerSecret)).want(201, "")
	return w
}

// authorizeTool has a user consent to what a tool needs.
func (l *lab) authorizeTool(tool, user string) {
	l.t.Helper()
	id := l.do("POST", "/v1/tools/authorize", fmt.Sprintf(`{"tool_name":%q,"user_id":%q}`, tool, user)).want(200, "").str("id")
	l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+l.consent(id)+`","user_id":"`+user+`"}`).want(200, "")
}

// tryTools goes through the routes about tools, workers and secrets.
func (l *lab) tryTools() {
	l.t.Helper()
	l.do("GET", "/v1/workers", "").want(200, "")
	l.do("GET", "/v1/workers?limit=x", "").want(400, "bad_request")
	w := l.employ()
	l.do("POST", "/v1/workers", "{}").want(400, "bad_request")
	l.do("POST", "/v1/workers/test", fmt.Sprintf(`{"type":"http","http":{"uri":%q,"secret":%q}}`, w.URL, workerSecret)).want(200, "")
	l.do("POST", "/v1/workers/test", `{"type":"gopher"}`).want(400, "bad_request")
	l.do("GET", "/v1/workers/hooli-tools", "").want(200, "")
	l.do("GET", "/v1/workers/nobody", "").want(404, "not_found")
	l.do("PATCH", "/v1/workers/hooli-tools", `{"http":{"timeout":6}}`).want(200, "")
	l.do("PATCH", "/v1/workers/hooli-tools", `{"mcp":{}}`).want(400, "bad_request")
	for _, part := range []string{"health", "tools"} {
		l.do("GET", "/v1/workers/hooli-tools/"+part, "").want(200, "")
		l.do("GET", "/v1/workers/nobody/"+part, "").want(404, "not_found")
	}
	l.do("GET", "/v1/workers/nobody/authorize", "").want(404, "not_found")
	l.do("GET", "/v1/workers/hooli-tools/authorize", "").want(501, "not_implemented")

	l.do("GET", "/v1/tools", "").want(200, "")
	l.do("GET", "/v1/tools?include_all_versions=perhaps", "").want(400, "bad_request")
	l.do("GET", "/v1/tools/Hooli.Echo", "").want(200, "")
	l.do("GET", "/v1/tools/Hooli.None", "").want(404, "not_found")
	l.do("GET", "/v1/formatted_tools?format=anthropic", "").want(200, "")
	l.do("GET", "/v1/formatted_tools?format=pascal", "").want(400, "bad_request")
	l.do("GET", "/v1/formatted_tools?format=pascal&offset=100", "").want(400, "bad_request")
	l.do("GET", "/v1/tools?include_format=pascal&offset=100", "").want(400, "bad_request")
	l.do("GET", "/v1/tools?include_format=Arcade,%20OpenAI&offset=100", "").want(200, "")
	l.do("GET", "/v1/formatted_tools/Hooli_Echo", "").want(200, "")
	l.do("GET", "/v1/formatted_tools/Hooli_None", "").want(404, "not_found")
	l.do("POST", "/v1/tools/authorize", `{"tool_name":"Hooli.ListProjects","user_id":"dora"}`).want(200, "")
	l.do("POST", "/v1/tools/authorize", `{"tool_name":"Hooli.None","user_id":"dora"}`).want(404, "not_found")
	l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Echo","user_id":"dora","input":{"text":"hello"}}`).want(200, "")
	l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.ListProjects","user_id":"dora"}`).want(403, "permission_denied")
	l.do("POST", "/v1/tools/requirements", `{"tool_names":["Hooli.ListProjects","Hooli.Notify"],"user_id":"dora","authorize":true}`).want(200, "")
	l.do("POST", "/v1/tools/requirements", `{"tool_names":["Hooli.None"]}`).want(404, "not_found")
	id := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Echo","user_id":"dora","run_at":"2027-01-31T15:04:05"}`).want(200, "").str("id")
	l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Echo","user_id":"dora","run_at":"soon"}`).want(400, "bad_request")
	l.do("GET", "/v1/scheduled_tools", "").want(200, "")
	l.do("GET", "/v1/scheduled_tools?offset=-1", "").want(400, "bad_request")
	l.do("GET", "/v1/scheduled_tools/"+id, "").want(200, "")
	l.do("GET", "/v1/scheduled_tools/te_none", "").want(404, "not_found")

	secretID := l.do("POST", "/v1/admin/secrets/HOOK", `{"value":"canary-tool-secret","description":"the team's"}`).want(200, "").str("id")
	l.do("POST", "/v1/admin/secrets/HOOK", `{}`).want(400, "bad_request")
	l.do("GET", "/v1/admin/secrets", "").want(200, "")
	l.do("GET", "/v1/admin/secrets", "", "Authorization", appKey).want(403, "permission_denied")
	l.do("DELETE", "/v1/admin/secrets/"+secretID, "").want(204, "")
	l.do("DELETE", "/v1/admin/secrets/"+secretID, "").want(404, "not_found")
	l.do("DELETE", "/v1/workers/hooli-tools", "").want(204, "")
	l.do("DELETE", "/v1/workers/hooli-tools", "").want(404, "not_found")
}

func TestToolsAreListedAsThePublishedClientsReadThem(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	l.employ()
	page := l.do("GET", "/v1/tools?toolkit=hooli&limit=2&offset=1&include_format=openai,anthropic&user_id=alice", "").want(200, "")
	if got := fmt.Sprint(page.at("limit"), page.at("offset"), page.at("page_count"), page.at("total_count")); got != "2 1 2 8" {
		t.Errorf("got limit, offset, page_count and total_count %s, want 2 1 2 8", got)
	}
	if name, full := page.str("items", 0, "qualified_name"), page.str("items", 0, "fully_qualified_name"); name != "Hooli.Create" || full != "Hooli.Create@1.0.0" {
		t.Errorf("got %s and %s", name, full)
	}
	if got := page.str("items", 0, "formatted_schema", "openai", "function", "name"); got != "Hooli_Create" {
		t.Errorf("got the name %q in OpenAI's form", got)
	}
	if got := page.str("items", 0, "formatted_schema", "anthropic", "input_schema", "type"); got != "object" {
		t.Errorf("got an input schema of type %q in Anthropic's form", got)
	}
	if got := page.str("items", 0, "requirements", "authorization", "token_status"); got != "not_started" {
		t.Errorf("got token_status %q of a user who has no connection", got)
	}
	l.authorizeTool("Hooli.Create", "alice")
	one := l.do("GET", "/v1/tools/hooli_create?user_id=alice", "").want(200, "")
	if one.str("requirements", "authorization", "token_status") != "completed" || one.at("requirements", "met") != true {
		t.Errorf("got %v of a user who has consented", one.at("requirements"))
	}
	if got := l.do("GET", "/v1/tools?search=PROJECT+lists", "").want(200, "").at("total_count"); fmt.Sprint(got) != "1" {
		t.Errorf("got %v tools that list projects, want 1", got)
	}
	filter := url.QueryEscape(`{"read_only":true}`)
	if got := l.do("GET", "/v1/tools?filter="+filter, "").want(200, "").at("total_count"); fmt.Sprint(got) != "2" {
		t.Errorf("got %v tools that only read, want 2", got)
	}
}

func TestToolOfAUserWhoHasNotConsentedGivesTheLink(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	w := l.employ()
	refused := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli_ListProjects","user_id":"alice","input":{}}`).want(403, "permission_denied")
	if !strings.HasPrefix(refused.str("message"), "authorization required") || refused.str("authorization", "url") == "" {
		t.Errorf("got %s, want the link", refused.text)
	}
	asked := l.do("POST", "/v1/tools/authorize", `{"tool_name":"Hooli_ListProjects","user_id":"alice"}`).want(200, "")
	if asked.str("id") != refused.str("authorization", "id") {
		t.Errorf("asking again began another authorization: %s and %s", asked.str("id"), refused.str("authorization", "id"))
	}
	if n := len(w.History()); n != 0 {
		t.Errorf("the worker was called %d times", n)
	}
}

// A client that repeats a request, since the answer was lost, does not run the tool twice.
func TestRepeatedExecutionRunsOnce(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	w := l.employ()
	first := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Echo","user_id":"alice"}`, "Idempotency-Key", "stainless-node-retry-1").want(200, "")
	again := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Echo","user_id":"alice"}`, "Idempotency-Key", "stainless-node-retry-1").want(200, "")
	if first.text != again.text || len(w.History()) != 1 {
		t.Errorf("the tool ran %d times, and the answers are the same: %v", len(w.History()), first.text == again.text)
	}
}

// A client that hangs up and asks again gets the answer of the first call.
func TestExecutionGoesOnThoughTheClientHangsUp(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	w := l.employ()
	release := make(chan struct{})
	w.Offer(api.WorkerTool{Name: "Slow", Toolkit: api.Toolkit{Name: "Hooli", Version: "1.0.0"}}, func(ctx context.Context, _ api.Invocation) api.InvocationOutput {
		select {
		case <-release:
			return api.InvocationOutput{Value: json.RawMessage(`"done"`)}
		case <-ctx.Done():
			return api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolFatal, Message: "it was given up"}}
		}
	})
	ctx, hangUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/v1/tools/execute", strings.NewReader(`{"tool_name":"Hooli.Slow","user_id":"alice"}`))
		if err != nil {
			first <- err
			return
		}
		req.Header.Set("Authorization", appKey)
		req.Header.Set("Idempotency-Key", "key-2")
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		first <- err
	}()
	<-w.Begun()
	hangUp()
	if err := <-first; err == nil {
		t.Error("the first call was answered")
	}
	close(release)
	done := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Slow","user_id":"alice"}`, "Idempotency-Key", "key-2", "Authorization", appKey).want(200, "")
	if done.str("output", "value") != "done" || len(w.History()) != 1 {
		t.Errorf("got %s after %d calls", done.text, len(w.History()))
	}
}

// An answer that is too large to be kept does not make the tool run again, for whoever repeats the
// request at the same time or later.
func TestRepeatedExecutionWithALargeAnswerRunsOnce(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	w := l.employ()
	body := `{"tool_name":"Hooli.Echo","user_id":"alice","input":{"text":"` + strings.Repeat("a", 70_000) + `"}}`
	got := make([]reply, 6)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = l.do("POST", "/v1/tools/execute", body, "Idempotency-Key", "large") })
	}
	all.Wait()
	answered := 0
	for _, r := range append(got, l.do("POST", "/v1/tools/execute", body, "Idempotency-Key", "large")) {
		if r.status == 200 && len(r.text) > 64<<10 {
			answered++
			continue
		}
		r.want(409, "conflict")
		if r.header.Get("x-should-retry") != "false" || !strings.Contains(r.str("message"), "not kept") {
			t.Errorf("got %s, want it final and to say that the answer is not kept", r.text)
		}
	}
	if n := len(w.History()); answered != 1 || n != 1 {
		t.Errorf("the tool ran %d times and was answered %d times, want once", n, answered)
	}
	l.clock.move(10 * time.Minute)
	l.do("POST", "/v1/tools/execute", body, "Idempotency-Key", "large").want(200, "")
}

// Nor does an answer that had to make room for later ones.
func TestExecutionWhoseAnswerWasDroppedDoesNotRunAgain(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	w := l.employ()
	const first = `{"tool_name":"Hooli.Echo","user_id":"alice","input":{"text":"first"}}`
	l.do("POST", "/v1/tools/execute", first, "Idempotency-Key", "first").want(200, "")
	large := `{"tool_name":"Hooli.Echo","user_id":"alice","input":{"text":"` + strings.Repeat("a", 63_000) + `"}}`
	for i := range 16<<20/63_000 + 1 {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/tools/execute", strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", adminKey)
		r.Header.Set("Idempotency-Key", fmt.Sprint("key-", i))
		l.server.Config.Handler.ServeHTTP(&discard{header: http.Header{}}, r)
	}
	ran := len(w.History())
	l.do("POST", "/v1/tools/execute", first, "Idempotency-Key", "first").want(409, "conflict")
	if n := len(w.History()); n != ran {
		t.Errorf("the tool ran %d times more", n-ran)
	}
}

func TestFailureOfAToolIsAnAnswer200(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	l.employ()
	done := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.Notify","user_id":"alice"}`).want(200, "")
	if done.at("success") != false || done.str("output", "error", "kind") != "TOOL_REQUIREMENTS_NOT_MET" || done.str("status") != "failed" {
		t.Errorf("got %s", done.text)
	}
}

func TestSecretsOfWorkersAreNeverShown(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	l.employ()
	l.do("POST", "/v1/workers", `{"id":"notes","type":"mcp","mcp":{"uri":"https://notes.example.com/mcp","timeout":5,"retry":0,
		"headers":{"Authorization":"Bearer ${secret:NOTES}"},"secrets":{"NOTES":"canary-notes-token"}}}`).want(201, "")
	l.do("POST", "/v1/workers", `{"id":"raw","type":"mcp","mcp":{"uri":"https://raw.example.com/mcp","headers":{"Authorization":"Bearer canary-raw","X-Team":"tea"}}}`).want(201, "")
	list := l.do("GET", "/v1/workers", "").want(200, "")
	if got := list.str("items", 2, "mcp", "headers", "Authorization") + list.str("items", 2, "mcp", "headers", "X-Team"); got != "${secret:HEADER_AUTHORIZATION}tea" {
		t.Errorf("got the headers %s", got)
	}
	if strings.Contains(list.text, "canary") {
		t.Errorf("the list shows a secret: %s", list.text)
	}
	if list.at("items", 0, "http", "secret", "exists") != true || list.at("items", 1, "mcp", "secrets", "NOTES", "exists") != true {
		t.Errorf("got %s, want it to say that there are secrets", list.text)
	}
}

func TestEngineWithoutToolsSaysSo(t *testing.T) {
	l := newLab(t, options{})
	for _, path := range []string{"/v1/tools", "/v1/tools/Hooli.Echo", "/v1/formatted_tools", "/v1/formatted_tools/Hooli.Echo", "/v1/scheduled_tools", "/v1/scheduled_tools/te_x", "/v1/workers/x/health", "/v1/workers/x/tools"} {
		l.do("GET", path, "").want(501, "not_implemented")
	}
	for _, path := range []string{"/v1/tools/authorize", "/v1/tools/execute", "/v1/tools/requirements", "/v1/workers/test"} {
		l.do("POST", path, "{}").want(501, "not_implemented")
	}
}

func TestResultsOfToolsComeThroughAsTheyAre(t *testing.T) {
	l := newLab(t, options{door: tools(t)})
	l.employ()
	l.authorizeTool("Hooli.ListProjects", "alice")
	done := l.do("POST", "/v1/tools/execute", `{"tool_name":"Hooli.ListProjects","user_id":"alice","input":{"text":"<&> é 1e400"}}`).want(200, "")
	var out struct {
		Output struct {
			Value struct {
				Inputs  map[string]string
				Context struct {
					UserID string `json:"user_id"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(done.text), &out); err != nil {
		t.Fatal(err)
	}
	if out.Output.Value.Inputs["text"] != "<&> é 1e400" || out.Output.Value.Context.UserID != "alice" {
		t.Errorf("got %+v", out)
	}
}
