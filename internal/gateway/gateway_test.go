package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/gateway"
	"github.com/keybearer/keybearer/internal/workertest"
)

func names(t *testing.T, session *mcp.ClientSession) []string {
	t.Helper()
	var all []string
	for tool, err := range session.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tool.Name)
	}
	return all
}

func TestEveryToolOfEveryWorkerIsListed(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	want := []string{"Hooli_Big", "Hooli_Create", "Hooli_Echo", "Hooli_Fail", "Hooli_ListProjects", "Hooli_More", "Hooli_Notify", "Hooli_Wait"}
	if diff := cmp.Diff(want, names(t, session)); diff != "" {
		t.Errorf("the tools (-want +got):\n%s", diff)
	}
	page := must(session.ListTools(t.Context(), nil))(t)
	i := slices.IndexFunc(page.Tools, func(m *mcp.Tool) bool { return m.Name == "Hooli_ListProjects" })
	if a := page.Tools[i].Annotations; a == nil || !a.ReadOnlyHint || !a.IdempotentHint {
		t.Errorf("got the annotations %+v, want read only and idempotent", a)
	}
}

func TestToolWithoutRequirementsRuns(t *testing.T) {
	l := open(t)
	r := must(l.client("/mcp", nil).CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Echo", Arguments: map[string]any{"text": "hello"}}))(t)
	if r.IsError || !strings.Contains(said(r), `"hello"`) || r.StructuredContent == nil {
		t.Errorf("got %q, want what was said, as text and as structure", said(r))
	}
	if got := l.worker.History()[0].Context.UserID; got != alice {
		t.Errorf("the worker was told of %q, want %s", got, alice)
	}
}

// links are a client that shows its user a link and says what he did.
func links(do func(url string) string) *mcp.ClientOptions {
	return &mcp.ClientOptions{
		Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: do(req.Params.URL)}, nil
		},
	}
}

func TestMissingAuthorizationIsALinkAfterWhichTheCallGoesOn(t *testing.T) {
	l := open(t)
	shown := 0
	session := l.client("/mcp", links(func(url string) string {
		shown++
		if err := l.consent(url); err != nil {
			t.Errorf("consenting at %s: %v", url, err)
		}
		return "accept"
	}))
	for range 2 {
		r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_ListProjects"}))(t)
		if r.IsError || !strings.Contains(said(r), `"token"`) {
			t.Fatalf("got %q, want the tool to have had a token", said(r))
		}
	}
	if calls := len(l.worker.History()); shown != 1 || calls != 2 {
		t.Errorf("the link was shown %d times and the worker called %d times, want 1 and 2", shown, calls)
	}
}

func TestCallWaitsForTheLinkThatWasShown(t *testing.T) {
	l := open(t)
	var consents sync.WaitGroup
	session := l.client("/mcp", links(func(url string) string {
		consents.Go(func() {
			if err := l.consent(url); err != nil {
				t.Errorf("consenting at %s: %v", url, err)
			}
		})
		return "accept" // as clients do: the link is open, and the user is still reading
	}))
	r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_ListProjects"}))(t)
	consents.Wait()
	if r.IsError {
		t.Errorf("got %q, want the call to go on", said(r))
	}
	if n := l.kept.count(keybearer.ActionAuthorize); n != 1 {
		t.Errorf("%d authorizations were asked for, want the one that was shown", n)
	}
}

func TestListTellsOfOutputsThatAreObjectsOnly(t *testing.T) {
	l := open(t)
	for name, output := range map[string]string{"Word": "string", "Words": "array", "Thing": "json"} {
		l.worker.Offer(api.WorkerTool{
			Name: name, FullyQualifiedName: "Hooli." + name, Toolkit: api.Toolkit{Name: "Hooli", Version: "1.0.0"},
			Output: &api.ToolOutput{AvailableModes: []string{"value"}, ValueSchema: &api.ValueSchema{ValType: output, InnerValType: "string"}},
		}, func(context.Context, api.Invocation) api.InvocationOutput { return api.InvocationOutput{} })
	}
	for tool, err := range l.client("/mcp", nil).Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if schema, ok := tool.OutputSchema.(map[string]any); tool.OutputSchema != nil && (!ok || schema["type"] != "object") {
			t.Errorf("%s has the output schema %v, which clients refuse", tool.Name, tool.OutputSchema)
		}
	}
}

func TestUserWhoDeclinesGetsTheLinkAndNothingRuns(t *testing.T) {
	l := open(t)
	for _, action := range []string{"decline", "cancel"} {
		r := must(l.client("/mcp", links(func(string) string { return action })).CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Create"}))(t)
		if !r.IsError || !strings.HasPrefix(said(r), "authorization required") || !strings.Contains(said(r), l.url+"/start/") {
			t.Errorf("%s: got %q, want the link", action, said(r))
		}
	}
	if n := len(l.worker.History()); n != 0 {
		t.Errorf("the worker was called %d times", n)
	}
}

func TestClientThatShowsNoLinksGetsItAsText(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Create"}))(t)
	if !r.IsError || !strings.HasPrefix(said(r), "authorization required") {
		t.Fatalf("got %q, want the link", said(r))
	}
	link := said(r)[strings.Index(said(r), l.url):]
	if err := l.consent(strings.Fields(link)[0]); err != nil {
		t.Fatal(err)
	}
	if r = must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Create"}))(t); r.IsError {
		t.Errorf("after consent: %s", said(r))
	}
}

func TestFailureOfAToolIsForTheModel(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Notify"}))(t)
	if !r.IsError || !strings.Contains(said(r), "HOOK") {
		t.Errorf("got %q, want it to name the secret", said(r))
	}
	if got := r.Meta["keybearer/error"].(map[string]any)["kind"]; got != api.ToolRequirementsNotMet {
		t.Errorf("got the kind %v", got)
	}
	l.worker.Down()
	r = must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Echo"}))(t)
	if !r.IsError {
		t.Errorf("got %q of a worker that is down", said(r))
	}
}

func TestClientThatLeavesEndsTheCall(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "Hooli_Wait"})
		ended <- err
	}()
	<-l.worker.Begun()
	leave()
	if err := <-ended; err == nil {
		t.Error("the call that was left ended well")
	}
	if n := len(l.worker.History()); n != 1 {
		t.Errorf("the tool was called %d times, want once", n)
	}
}

// The SDK alone would wait for the worker, which waits for as long as its timeout.
func TestSessionThatIsGivenUpTakesItsCallsWithIt(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Wait"}) // however it ends
	}()
	<-l.worker.Begun()
	began := time.Now()
	l.do("DELETE", "/mcp", "", "", "Authorization", "Bearer "+l.key.Reveal(), "Arcade-User-ID", alice, "Mcp-Session-Id", session.ID())
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("giving the session up took %v", took)
	}
	_ = session.Close()
	<-over
}

func TestNobodyGetsInWithoutAKeyAndAUser(t *testing.T) {
	l := open(t, gateway.Gateway{ID: "office", Users: "*@office.example"}, gateway.Gateway{ID: "ci", Callers: []string{"key:ci"}})
	limited := l.limitedKey()
	for name, c := range map[string]struct {
		path    string
		headers map[string]string
	}{
		"nothing":              {"/mcp", nil},
		"no user":              {"/mcp", map[string]string{"Authorization": "Bearer " + l.key.Reveal()}},
		"a wrong key":          {"/mcp", map[string]string{"Authorization": "Bearer wrong", "Arcade-User-ID": alice}},
		"two users":            {"/mcp", map[string]string{"Authorization": l.key.Reveal(), "Arcade-User-ID": alice, "Keybearer-User-ID": "bob@example.com"}},
		"a user of elsewhere":  {"/mcp/office", map[string]string{"Authorization": l.key.Reveal(), "Arcade-User-ID": alice}},
		"a key of elsewhere":   {"/mcp/ci", map[string]string{"Authorization": l.key.Reveal(), "Arcade-User-ID": alice}},
		"a gateway that's not": {"/mcp/none", map[string]string{"Authorization": l.key.Reveal(), "Arcade-User-ID": alice}},
	} {
		if session, err := l.connect(c.path, nil, c.headers); err == nil {
			t.Errorf("%s: got in, as %s", name, session.ID())
		}
	}
	session, err := l.connect("/mcp", nil, map[string]string{"Authorization": limited, "Arcade-User-ID": "bob@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Create"}))(t)
	if !r.IsError || !strings.Contains(said(r), "may not act for this user") {
		t.Errorf("got %q, want the limits of the key to hold", said(r))
	}
}

// limitedKey is an API key for the users of one house.
func (l *lab) limitedKey() string {
	l.t.Helper()
	_, key, err := l.admin.CreateKey(l.t.Context(), keybearer.KeyDraft{Name: "limited", Scope: keybearer.ScopeApp, Users: "*@office.example"})
	if err != nil {
		l.t.Fatal(err)
	}
	return key.Reveal()
}

func TestSessionIsOfWhoOpenedIt(t *testing.T) {
	l := open(t)
	session := l.client("/mcp", nil)
	if session.ID() == "" {
		t.Fatal("the client has no session")
	}
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)))(t)
	for name, value := range map[string]string{
		"Authorization": l.key.Reveal(), "Arcade-User-ID": "bob@example.com", "Mcp-Session-Id": session.ID(),
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
	} {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res := must(transport.RoundTrip(req))(t)
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("another user in the session: got %d, want 403", res.StatusCode)
	}
}

func TestGatewayShowsItsToolsOnly(t *testing.T) {
	l := open(t, gateway.Gateway{ID: "some", Allow: []string{"hooli.*"}, Deny: []string{"*.create", "*.Big"}}, gateway.Gateway{ID: "read", ReadOnly: true})
	some := l.client("/mcp/some", nil)
	if diff := cmp.Diff([]string{"Hooli_Echo", "Hooli_Fail", "Hooli_ListProjects", "Hooli_More", "Hooli_Notify", "Hooli_Wait"}, names(t, some)); diff != "" {
		t.Errorf("allowed and denied (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Hooli_Big", "Hooli_ListProjects"}, names(t, l.client("/mcp/read", nil))); diff != "" {
		t.Errorf("read only (-want +got):\n%s", diff)
	}
	if _, err := some.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_Create"}); err == nil {
		t.Error("a tool that is not in the list was called")
	}
}

func TestClientsHearOfChanges(t *testing.T) {
	l := open(t)
	heard := make(chan struct{}, 10)
	session := l.client("/mcp", &mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { heard <- struct{}{} }})
	names(t, session)
	l.worker.Offer(api.WorkerTool{Name: "New", Toolkit: api.Toolkit{Name: "Hooli", Version: "1.0.0"}}, workertest.Hooli()[0].Run)
	<-heard
	for !slices.Contains(names(t, session), "Hooli_New") {
		<-heard
	}
}
