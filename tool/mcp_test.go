package tool_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
)

// source lends alice a token once she has consented.
type source struct {
	mu        sync.Mutex
	consented bool
	asked     []string // scopes
	waited    keybearer.AuthorizationID
}

func (s *source) User() string { return "alice" }

func (s *source) Authorize(_ context.Context, r tool.Requirement) (keybearer.Authorization, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, strings.Join(r.Scopes, " "))
	a := keybearer.Authorization{ID: "ac_1", User: "alice", Provider: "hooli", Status: keybearer.AuthorizationPending, URL: "https://keys.example.com/start/ac_1"}
	if s.consented {
		a.Status, a.URL, a.Token = keybearer.AuthorizationCompleted, "", &keybearer.Token{Access: secret.New("TOKEN")}
	}
	return a, nil
}

func (s *source) Wait(_ context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited = id
	if !s.consented {
		return keybearer.Authorization{}, keybearer.Errorf(keybearer.AuthorizationFailed, "alice said no at hooli")
	}
	return keybearer.Authorization{ID: "ac_1", Status: keybearer.AuthorizationCompleted}, nil
}

func (s *source) consent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consented = true
}

func (s *source) withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consented = false
}

func (s *source) Secret(_ context.Context, key string) (secret.String, error) {
	if key == "HOOK" {
		return secret.New("-HOOK"), nil
	}
	return secret.String{}, keybearer.NotFound
}

// client speaks MCP to a kit, in memory.
func client(t *testing.T, from tool.Source, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	server, err := tool.MCPServer(kit(t), from).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, o).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		_ = server.Wait()
	})
	return session
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

func call(t *testing.T, session *mcp.ClientSession, name string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	r, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func said(r *mcp.CallToolResult) string {
	text, _ := r.Content[0].(*mcp.TextContent)
	return text.Text
}

func TestToolsAreServedByMCP(t *testing.T) {
	session := client(t, nil, nil)
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Tools, func(m *mcp.Tool) bool { return m.Name == "Greet" })
	if i < 0 || !list.Tools[i].Annotations.ReadOnlyHint || list.Tools[i].Title != "Greet" || list.Tools[i].OutputSchema == nil {
		t.Fatalf("got %+v", list.Tools)
	}
	r := call(t, session, "Greet", map[string]any{"name": "Alice"})
	if r.IsError || r.StructuredContent.(map[string]any)["text"] != "kind Alice" {
		t.Errorf("got %+v", r)
	}
	if r = call(t, session, "Greet", map[string]any{"tone": "loud"}); !r.IsError || !strings.Contains(said(r), "arguments of Greet") {
		t.Errorf("wrong arguments: got %q", said(r))
	}
	if r = call(t, session, "Fail", map[string]any{"how": "retry"}); !r.IsError || said(r) != "not like this\n\nsay please" {
		t.Errorf("a failure: got %q", said(r))
	}
	if r = call(t, session, "Lend", map[string]any{"name": "Alice"}); !r.IsError || !strings.Contains(said(r), "HOOK") {
		t.Errorf("a secret that is not there: got %q", said(r))
	}
}

func TestMissingAuthorizationIsALinkAfterWhichTheCallGoesOn(t *testing.T) {
	from, shown := &source{}, ""
	session := client(t, from, links(func(url string) string { shown = url; from.consent(); return "accept" }))
	if r := call(t, session, "Lend", map[string]any{"name": "Alice"}); r.IsError || r.StructuredContent.(map[string]any)["with"] != "TOKEN-HOOK" {
		t.Errorf("got %q", said(r))
	}
	if shown != "https://keys.example.com/start/ac_1" {
		t.Errorf("the link was %q", shown)
	}
}

func TestUserWhoSaysNoGetsTheLinkOrTheReason(t *testing.T) {
	for action, want := range map[string]string{"decline": "authorization required: alice has to open https://keys.example.com/start/ac_1", "accept": "alice said no at hooli"} {
		r := call(t, client(t, &source{}, links(func(string) string { return action })), "Lend", map[string]any{"name": "Alice"})
		if !r.IsError || !strings.HasPrefix(said(r), want) {
			t.Errorf("%s: got %q, want %q", action, said(r), want)
		}
	}
	r := call(t, client(t, &source{}, nil), "Lend", map[string]any{"name": "Alice"})
	if !r.IsError || !strings.HasPrefix(said(r), "authorization required") {
		t.Errorf("a client without links: got %q", said(r))
	}
}

func TestMoreScopesAreAskedForTogetherWithTheDeclaredOnes(t *testing.T) {
	from := &source{}
	needs := &tool.Kit{Name: "More", Tools: []*tool.Tool{tool.New("Write", "Writes.", func(context.Context, *tool.Call, struct{}) (any, error) {
		return nil, tool.NeedMore("write")
	}, tool.Requires(tool.Provider("hooli", "read")))}}
	from.consent()
	here, there := mcp.NewInMemoryTransports()
	server, err := tool.MCPServer(needs, from).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close(); _ = server.Wait() }()
	call(t, session, "Write", nil)
	if got := strings.Join(from.asked, ", "); got != "read, read write" {
		t.Errorf("asked for %q", got)
	}
}

func TestCallGoesOnWithTheScopesThatItAskedFor(t *testing.T) {
	from := &source{}
	from.consent()
	calls := 0
	k := &tool.Kit{Name: "More", Tools: []*tool.Tool{tool.New("Write", "Writes.", func(context.Context, *tool.Call, struct{}) (string, error) {
		if calls++; calls == 1 {
			from.withdraw() // as if the wider authorization was not there
			return "", tool.NeedMore("write")
		}
		return "written", nil
	}, tool.Requires(tool.Provider("hooli", "read")))}}
	here, there := mcp.NewInMemoryTransports()
	server, err := tool.MCPServer(k, from).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, links(func(string) string { from.consent(); return "accept" })).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close(); _ = server.Wait() }()
	if r := call(t, session, "Write", nil); r.IsError || said(r) != "written" || from.waited != "ac_1" {
		t.Errorf("got %q after waiting for %q", said(r), from.waited)
	}
}

func TestMCPOverHTTPWantsItsToken(t *testing.T) {
	s := httptest.NewServer(tool.MCPHandler(kit(t), nil, secret.New("canary-token")))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, header := range []string{"", "Bearer wrong", "Basic canary-token"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q: got %d", header, res.StatusCode)
		}
	}
	site, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	site.Header.Set("Authorization", "Bearer canary-token")
	site.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(site)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: got %d", res.StatusCode)
	}
}

func TestProgramServesOverStdio(t *testing.T) {
	toServer, fromClient := io.Pipe()
	fromServer, toClient := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- tool.Run(t.Context(), kit(t), tool.World{Stdin: toServer, Stdout: toClient, Stderr: io.Discard, Getenv: func(string) string { return "" }})
		toClient.Close()
	}()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.IOTransport{Reader: fromServer, Writer: fromClient}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := call(t, session, "Greet", map[string]any{"name": "Alice"}); r.IsError {
		t.Errorf("got %q", said(r))
	}
	if r := call(t, session, "Fail", map[string]any{"how": "nothing"}); r.IsError {
		t.Errorf("got %q", said(r))
	}
	_ = session.Close()
	if err := <-ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestProgramSaysWhatIsWrong(t *testing.T) {
	for arguments, want := range map[string]string{
		"serve":                      "usage",
		"worker":                     "KEYBEARER_WORKER_SECRET",
		"worker --port 7":            "usage",
		"mcp --listen 0.0.0.0:0":     "KEYBEARER_MCP_TOKEN",
		"mcp --listen nowhere:x:y":   "KEYBEARER_MCP_TOKEN",
		"stdio --listen 127.0.0.1:0": "KEYBEARER_API_KEY",
	} {
		var err error
		env := map[string]string{}
		if strings.HasPrefix(arguments, "stdio") {
			env["ARCADE_API_URL"] = "http://localhost:9099"
		}
		err = tool.Run(t.Context(), kit(t), tool.World{
			Args: strings.Fields(arguments), Stdin: io.NopCloser(strings.NewReader("")), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(name string) string { return env[name] },
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %s", arguments, err, want)
		}
	}
	var help strings.Builder
	if err := tool.Run(t.Context(), kit(t), tool.World{Args: []string{"help"}, Stderr: &help}); err != nil || !strings.Contains(help.String(), "--listen") {
		t.Errorf("help: got %v, %q", err, help.String())
	}
}

func TestWorkerStopsWhenItIsTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	said, log := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- tool.Run(ctx, kit(t), tool.World{
			Args: []string{"worker", "--listen", "127.0.0.1:0"}, Stderr: log, Getenv: func(name string) string {
				return map[string]string{"ARCADE_WORKER_SECRET": shared}[name]
			},
		})
		log.Close()
	}()
	line := make([]byte, 500)
	n, err := said.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "the worker Hooli is serving") {
		t.Errorf("got %q, %v", line[:n], err)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
