package workers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/secret"
)

// playsServer makes this test binary an MCP server on its standard input and output.
const playsServer = "KEYBEARER_TEST_MCP_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(playsServer) != "" {
		server := newServer(&history{})
		if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// history counts what an MCP server was asked to do.
type history struct {
	adds, slow atomic.Int64
	// heard gets a value for each step of count that its caller has heard of.
	heard chan struct{}
}

type addInput struct {
	A int `json:"a" jsonschema:"the one number"`
	B int `json:"b"`
}

type addOutput struct {
	Sum int `json:"sum"`
}

// newServer is an MCP server with a few tools.
func newServer(h *history) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sums", Version: "2.1.0", Title: "Sums"}, nil)
	open := false
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "Adds.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: &open}},
		func(_ context.Context, _ *mcp.CallToolRequest, in addInput) (*mcp.CallToolResult, addOutput, error) {
			h.adds.Add(1)
			return nil, addOutput{in.A + in.B}, nil
		})
	text := func(parts ...string) *mcp.CallToolResult {
		r := &mcp.CallToolResult{}
		for _, p := range parts {
			r.Content = append(r.Content, &mcp.TextContent{Text: p})
		}
		return r
	}
	plain := func(name string, do func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error)) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: map[string]any{"type": "object"}}, do)
	}
	plain("say.hello", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return text("hello", "you"), nil
	})
	plain("picture", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{Data: []byte("x"), MIMEType: "image/png"}}}, nil
	})
	plain("fail", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		r := text("it does not add up")
		r.IsError = true
		return r, nil
	})
	plain("count", func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := 1; i <= 3; i++ {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: r.Params.GetProgressToken(), Progress: float64(i), Total: 3, Message: fmt.Sprint("step ", i),
			}); err != nil {
				return nil, err
			}
			<-h.heard
		}
		return text("done"), nil
	})
	plain("environment", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return text(os.Environ()...), nil
	})
	plain("ask", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, mcp.URLElicitationRequiredError([]*mcp.ElicitParams{{Mode: "url", URL: "https://sums.example.com/consent", ElicitationID: "e1", Message: "Sign in."}})
	})
	plain("die", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		os.Exit(3)
		return nil, nil
	})
	plain("slow", func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		h.slow.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	return s
}

// mcpServer serves it over streamable HTTP, and can forget its sessions, as a restart does.
type mcpServer struct {
	history
	url     string
	mu      sync.Mutex
	handler http.Handler
	server  *mcp.Server
	servers []*mcp.Server // all that there were
	headers []http.Header
	http    *httptest.Server
}

func startMCP(t *testing.T) *mcpServer {
	t.Helper()
	s := &mcpServer{history: history{heard: make(chan struct{}, 1)}}
	s.restart()
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.headers = append(s.headers, r.Header.Clone())
		handler := s.handler
		s.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
		for _, server := range s.servers {
			for session := range server.Sessions() {
				_ = session.Close()
			}
		}
	})
	s.url = s.http.URL + "/mcp"
	return s
}

func (s *mcpServer) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := newServer(&s.history)
	s.servers = append(s.servers, server)
	s.server, s.handler = server, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

func (l *lab) addMCP(url string, change func(*keybearer.WorkerDraft)) {
	l.t.Helper()
	d := keybearer.WorkerDraft{
		ID: "sum-tools", Type: keybearer.WorkerMCP, URI: url, Retry: number(1), Timeout: 5 * time.Second,
		Headers: map[string]string{"Authorization": "Bearer ${secret:TOKEN}", "X-Plain": "yes"},
		Secrets: map[string]secret.String{"TOKEN": secret.New("of the engine at the MCP server")},
	}
	if change != nil {
		change(&d)
	}
	must(l.admin.CreateWorker(l.t.Context(), d))(l.t)
}

func TestMCPServerIsAWorker(t *testing.T) {
	l := open(t, options{})
	s := startMCP(t)
	l.addMCP(s.url, nil)
	want := []string{"SumTools.add@2.1.0", "SumTools.ask@2.1.0", "SumTools.count@2.1.0", "SumTools.die@2.1.0", "SumTools.environment@2.1.0", "SumTools.fail@2.1.0", "SumTools.picture@2.1.0", "SumTools.say_hello@2.1.0", "SumTools.slow@2.1.0"}
	if diff := cmp.Diff(want, l.names(workers.Filter{Toolkit: "SumTools"})); diff != "" {
		t.Fatal(diff)
	}
	tool := must(l.box.Tool(t.Context(), l.app, "sumtools_add", ""))(t)
	if text := string(tool.InputSchema); !strings.Contains(text, "the one number") || !strings.Contains(text, `"additionalProperties":false`) {
		t.Errorf("got the schema %s, want the server's own", text)
	}
	if p := tool.Definition.Input.Parameters; len(p) != 2 || p[0].Name != "a" || !p[0].Required || p[0].ValueSchema.ValType != "integer" || p[0].Description != "the one number" {
		t.Errorf("got the parameters %+v", p)
	}
	if b := tool.Definition.Metadata.Behavior; !*b.ReadOnly || *b.OpenWorld || b.Destructive != nil {
		t.Errorf("got the behaviour %+v", b)
	}
	for name, c := range map[string]struct {
		input map[string]any
		want  string
	}{
		"SumTools.add":       {map[string]any{"a": 1, "b": 2}, `{"sum":3}`},
		"SumTools.say_hello": {nil, `"hello\nyou"`},
		"SumTools.picture":   {nil, `[{"type":"image","mimeType":"image/png","data":"eA=="}]`},
	} {
		if done := l.call(name, c.input); !done.Success || string(done.Output.Value) != c.want {
			t.Errorf("%s: got %s, want %s", name, done.Output.Value, c.want)
		}
	}
	wantError(t, l.call("SumTools.fail", nil), api.ToolFatal, "it does not add up")
	asks := l.call("SumTools.ask", nil)
	wantError(t, asks, api.ToolRequirementsNotMet, "open a page first", "Sign in.")
	if a := asks.Output.Authorization; a == nil || a.URL != "https://sums.example.com/consent" || a.Status != api.Pending {
		t.Errorf("got %+v, want the server's own link", a)
	}
	if got := must(l.box.Health(t.Context(), l.admin, "sum-tools"))(t); !got.Healthy {
		t.Errorf("got %+v, want it well", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.headers {
		if h.Get("Authorization") != "Bearer of the engine at the MCP server" || h.Get("X-Plain") != "yes" {
			t.Errorf("got the headers %v, want those of the worker", h)
		}
	}
	if strings.Contains(l.kept.logged(), "of the engine at") {
		t.Error("the log has the worker's secret")
	}
}

func TestMCPServerIsTried(t *testing.T) {
	l := open(t, options{})
	s := startMCP(t)
	got := must(l.box.Test(t.Context(), l.admin, keybearer.WorkerDraft{ID: "new", Type: keybearer.WorkerMCP, URI: s.url}))(t)
	if diff := cmp.Diff(api.WorkerTestResult{Success: true, Message: "the worker answers", ServerInfo: &api.WorkerServerInfo{Name: "sums", Version: "2.1.0", Description: "Sums"}}, got); diff != "" {
		t.Error(diff)
	}
	s.http.Close()
	got = must(l.box.Test(t.Context(), l.admin, keybearer.WorkerDraft{ID: "new", Type: keybearer.WorkerMCP, URI: s.url}))(t)
	if got.Success || !strings.Contains(got.Message, "cannot be reached") {
		t.Errorf("got %+v, want that nobody is there", got)
	}
}

func TestProgressOfAnMCPServerIsPassedOn(t *testing.T) {
	l := open(t, options{})
	s := startMCP(t)
	l.addMCP(s.url, nil)
	var steps []string
	done := must(l.box.Execute(t.Context(), l.app, workers.Call{
		Tool: "SumTools.count", User: alice, Progress: func(done, total float64, message string) {
			steps = append(steps, fmt.Sprint(done, "/", total, " ", message))
			s.heard <- struct{}{}
		},
	}))(t)
	if !done.Success {
		t.Fatalf("got %+v", done.Output.Error)
	}
	if diff := cmp.Diff([]string{"1/3 step 1", "2/3 step 2", "3/3 step 3"}, steps); diff != "" {
		t.Error(diff)
	}
}

func TestMCPServersListChanges(t *testing.T) {
	l := open(t, options{toolbox: func(c *workers.Config) { c.RunEvery = time.Hour }})
	s := startMCP(t)
	l.addMCP(s.url, nil)
	l.names(workers.Filter{})
	changed, stop := l.box.Changed()
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = l.box.Run(ctx) })
	defer running.Wait()
	defer cancel()
	s.server.RemoveTools("picture")
	<-changed
	if got := l.names(workers.Filter{Search: "picture"}); len(got) != 0 {
		t.Errorf("got %v, want it gone", got)
	}
}

// A server that has forgotten the session has not looked at the call: another one is made, and the call comes once.
func TestMCPSessionIsMadeAnew(t *testing.T) {
	l := open(t, options{})
	s := startMCP(t)
	l.addMCP(s.url, nil)
	for i := range 3 {
		if done := l.call("SumTools.add", map[string]any{"a": 1, "b": 2}); !done.Success {
			t.Fatalf("got %+v in round %d", done.Output.Error, i)
		}
		s.restart()
	}
	if got := s.adds.Load(); got != 3 {
		t.Errorf("got %d executions of 3 calls", got)
	}
}

// A list that does not come leaves nothing behind, and the next one does.
func TestMCPServerWhoseListHangs(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := open(t, options{})
	s := startMCP(t)
	l.addMCP(s.url, func(d *keybearer.WorkerDraft) { d.Timeout, d.Retry = time.Second, number(0) })
	var hung atomic.Bool
	release := make(chan struct{}) // the server may not hear that nobody waits any more
	t.Cleanup(func() { close(release) })
	s.server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
			if method == "tools/list" && hung.CompareAndSwap(false, true) {
				select {
				case <-ctx.Done():
				case <-release:
				}
			}
			return next(ctx, method, r)
		}
	})
	_, err := l.box.WorkerTools(t.Context(), l.admin, "sum-tools")
	wantKind(t, err, keybearer.Unavailable)
	l.box.Forget()
	if done := l.call("SumTools.add", map[string]any{"a": 1, "b": 2}); !done.Success {
		t.Errorf("got %+v, want success", done.Output.Error)
	}
}

func TestMCPServerInTrouble(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := open(t, options{})
	s := startMCP(t)
	l.addMCP(s.url, func(d *keybearer.WorkerDraft) { d.Timeout = time.Second })
	l.names(workers.Filter{})
	wantError(t, l.call("SumTools.slow", nil), api.ToolNetworkTimeout, "may have run")
	if got := s.slow.Load(); got != 1 {
		t.Errorf("got %d executions, want 1", got)
	}
	if done := l.call("SumTools.add", map[string]any{"a": 1, "b": 2}); !done.Success {
		t.Errorf("got %+v after the slow one, want success", done.Output.Error)
	}
	wantError(t, l.call("SumTools.add", map[string]any{"a": "one"}), api.ToolFatal)
	s.http.CloseClientConnections()
	s.http.Close()
	if e := wantError(t, l.call("SumTools.add", map[string]any{"a": 1, "b": 2}), api.ToolNetworkUnreachable, "cannot be reached"); !e.CanRetry {
		t.Error("nothing was sent, so it can be tried again")
	}
	if got := s.adds.Load(); got != 1 {
		t.Errorf("got %d executions, want 1", got)
	}
}

// A command is started when it is needed, has an environment of its own, and is started again when it has died.
func TestCommandIsAWorker(t *testing.T) {
	t.Setenv("KEYBEARER_TEST_ROOT_KEY", "of the engine alone")
	l := open(t, options{broker: func(c *keybearer.Config) {
		c.StaticWorkers = []keybearer.Worker{{
			ID: "local", Type: keybearer.WorkerMCP, Enabled: true, Timeout: 10 * time.Second, Command: []string{os.Args[0]}, Env: map[string]string{playsServer: "1"},
		}}
	}})
	add := func() {
		t.Helper()
		if done := l.call("Local.add", map[string]any{"a": 1, "b": 2}); !done.Success || string(done.Output.Value) != `{"sum":3}` {
			t.Errorf("got %+v with %s", done.Output.Error, done.Output.Value)
		}
	}
	add()
	if got := string(l.call("Local.environment", nil).Output.Value); strings.Contains(got, "of the engine alone") || !strings.Contains(got, playsServer) {
		t.Errorf("got the environment %s, want one of its own", got)
	}
	wantError(t, l.call("Local.die", nil), api.ToolNetworkUnmapped, "may have run")
	add()
	_, err := l.admin.UpdateWorker(t.Context(), "local", func(*keybearer.WorkerDraft) error { return nil })
	wantKind(t, err, keybearer.BadRequest)
	_, err = l.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "mine", Type: keybearer.WorkerMCP, Command: []string{"sh"}})
	wantKind(t, err, keybearer.BadRequest)
}
