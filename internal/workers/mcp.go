package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// stopWait is how long a command has to end by itself.
const stopWait = 2 * time.Second

// mcpEndpoint is an MCP server. It keeps one session, and makes another where that has ended. No user's token goes
// there: MCP has no place for one.
type mcpEndpoint struct {
	worker    keybearer.Worker
	toolkit   string
	version   string
	maxAnswer int64
	client    *http.Client // with the headers; nil for a command
	changed   func()
	life      context.Context

	mu       sync.Mutex
	session  *mcp.ClientSession
	shut     bool
	watching sync.WaitGroup
	progress sync.Map // token -> progressFunc
	tokens   atomic.Int64
}

func (t *Toolbox) mcpEndpoint(w *keybearer.Worker, s keybearer.WorkerSecrets, changed func()) *mcpEndpoint {
	e := &mcpEndpoint{worker: *w, toolkit: pascal(string(w.ID)), version: t.cfg.Version, maxAnswer: t.cfg.MaxAnswer, changed: changed, life: t.life}
	if len(w.Command) > 0 {
		return e
	}
	client := *t.cfg.HTTP(w.Origin)
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = &headed{next: client.Transport, headers: w.Headers, secrets: s, limit: t.cfg.MaxAnswer + maxList}
	e.client = &client
	return e
}

// connected gives the session, or makes one.
func (e *mcpEndpoint) connected(ctx context.Context) (*mcp.ClientSession, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut {
		return nil, errors.New("the engine is about to stop")
	}
	if e.session != nil {
		return e.session, nil
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "keybearer", Version: e.version}, &mcp.ClientOptions{
		Capabilities:                &mcp.ClientCapabilities{},
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { e.changed() },
		ProgressNotificationHandler: e.heard,
	})
	// The session lives on when this call is over.
	session, err := e.connect(ctx, client)
	if err != nil {
		return nil, err
	}
	e.session = session
	e.watching.Go(func() { // close ends the session, and waits
		_ = session.Wait()
		e.drop(session)
	})
	return session, nil
}

func (e *mcpEndpoint) connect(ctx context.Context, client *mcp.Client) (*mcp.ClientSession, error) {
	if len(e.worker.Command) > 0 {
		return client.Connect(ctx, &mcp.CommandTransport{Command: e.command(), TerminateDuration: stopWait}, nil)
	}
	return client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: e.worker.URI, HTTPClient: e.client, MaxRetries: 1, MaxEventSize: int(e.maxAnswer)}, nil)
}

// command has an environment of its own: the engine's has keys in it.
func (e *mcpEndpoint) command() *exec.Cmd {
	cmd := exec.CommandContext(e.life, e.worker.Command[0], e.worker.Command[1:]...)
	cmd.Env = []string{}
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA", "USERPROFILE"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for name, value := range e.worker.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.WaitDelay = stopWait
	return cmd
}

// drop forgets a session that is of no more use.
func (e *mcpEndpoint) drop(session *mcp.ClientSession) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == session {
		e.session = nil
	}
}

func (e *mcpEndpoint) close() {
	e.mu.Lock()
	session := e.session
	e.session, e.shut = nil, true
	e.mu.Unlock()
	if session != nil {
		_ = session.Close() // it is over, whatever the server says
	}
	e.watching.Wait()
}

// heard passes progress on to the call that it is about.
func (e *mcpEndpoint) heard(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
	if call, ok := e.progress.Load(fmt.Sprint(r.Params.ProgressToken)); ok {
		call.(progressFunc)(r.Params.Progress, r.Params.Total, cleaned(r.Params.Message))
	}
}

func (e *mcpEndpoint) health(ctx context.Context) (api.WorkerServerInfo, error) {
	session, err := e.connected(ctx)
	if err != nil {
		return api.WorkerServerInfo{}, e.away(err)
	}
	info := api.WorkerServerInfo{Name: string(e.worker.ID)}
	if about := session.InitializeResult(); about != nil && about.ServerInfo != nil {
		info.Name, info.Version, info.Description = cleaned(about.ServerInfo.Name), cleaned(about.ServerInfo.Version), cleaned(about.ServerInfo.Title)
	}
	return info, nil
}

func (e *mcpEndpoint) away(err error) *trouble {
	return &trouble{
		kind: api.ToolNetworkUnreachable, message: fmt.Sprintf("MCP server %s cannot be reached: see that it runs, and that its address and headers are right", e.worker.ID),
		detail: cleaned(err.Error()), unsent: true, cause: err,
	}
}

func (e *mcpEndpoint) list(ctx context.Context) ([]*Tool, []string, error) {
	for try := 0; ; try++ {
		tools, complaints, err := e.listOnce(ctx)
		if err == nil || !again(ctx, try, e.worker.Retry) {
			return tools, complaints, err
		}
	}
}

func (e *mcpEndpoint) listOnce(ctx context.Context) (tools []*Tool, complaints []string, err error) {
	session, err := e.connected(ctx)
	if err != nil {
		return nil, nil, e.away(err)
	}
	version := ""
	if about := session.InitializeResult(); about != nil && about.ServerInfo != nil && toolVersionPattern.MatchString(about.ServerInfo.Version) {
		version = about.ServerInfo.Version
	}
	seen := map[string]bool{}
	for declared, err := range session.Tools(ctx, nil) {
		if err != nil {
			e.drop(session)
			return nil, nil, e.away(err)
		}
		if len(tools) >= maxTools {
			return nil, nil, fmt.Errorf("there are more than %d tools in the list", maxTools)
		}
		tool, err := e.tool(declared, version)
		switch {
		case err != nil:
			complaints = append(complaints, err.Error())
		case seen[dotted(tool.Definition.Name)]:
			complaints = append(complaints, fmt.Sprintf("there are two tools %q", tool.Definition.Name))
		default:
			seen[dotted(tool.Definition.Name)] = true
			tools = append(tools, tool)
		}
	}
	return tools, shortened(complaints), nil
}

// tool says in our words what an MCP server says of a tool.
func (e *mcpEndpoint) tool(m *mcp.Tool, version string) (*Tool, error) {
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '/' || r == ' ' || r == ':' {
			return '_'
		}
		return r
	}, m.Name)
	schema, err := json.Marshal(m.InputSchema)
	switch {
	case !toolNamePattern.MatchString(name):
		return nil, fmt.Errorf("%q is no name that a tool can have here", cleaned(m.Name))
	case len(m.Description) > maxDescription:
		return nil, fmt.Errorf("%q has a description of %d bytes: %d are allowed", name, len(m.Description), maxDescription)
	case err != nil || m.InputSchema == nil:
		schema = json.RawMessage(`{"type":"object"}`)
	}
	tool := &Tool{wire: m.Name, InputSchema: schema, Definition: api.Tool{
		Name: name, Description: m.Description, Toolkit: api.Toolkit{Name: e.toolkit, Version: version},
		Input: api.ToolInput{Parameters: parametersOf(schema)}, Worker: string(e.worker.ID),
	}}
	if m.OutputSchema != nil {
		if out, err := json.Marshal(m.OutputSchema); err == nil {
			tool.OutputSchema = out
			value := valueOf(out, 0)
			tool.Definition.Output = &api.ToolOutput{AvailableModes: []string{"value", "error"}, ValueSchema: &value}
		}
	}
	if a := m.Annotations; a != nil {
		tool.Definition.Metadata = &api.ToolMetadata{Behavior: &api.ToolBehavior{
			ReadOnly: &a.ReadOnlyHint, Destructive: a.DestructiveHint, Idempotent: &a.IdempotentHint, OpenWorld: a.OpenWorldHint,
		}}
	}
	return tool.finish(), nil
}

func (e *mcpEndpoint) invoke(ctx context.Context, tool *Tool, in api.Invocation, progress progressFunc) (api.InvocationResult, error) {
	params := &mcp.CallToolParams{Name: tool.wire, Arguments: in.Inputs}
	if progress != nil {
		token := fmt.Sprintf("%s-%d", e.toolkit, e.tokens.Add(1))
		params.SetProgressToken(token)
		hearing := &hearer{to: progress}
		e.progress.Store(token, progressFunc(hearing.hear))
		defer func() { e.progress.Delete(token); hearing.end() }()
	}
	for try := 0; ; try++ {
		result, sent, err := e.call(ctx, params)
		switch {
		case err == nil:
			return e.result(result)
		case wantsPage(err):
			return wanted(err), nil
		case sent || ctx.Err() != nil:
			return api.InvocationResult{}, e.trouble(ctx, err, sent)
		case !again(ctx, try, e.worker.Retry):
			return api.InvocationResult{}, e.away(err)
		}
	}
}

// call calls once. Sent is whether the call can have reached the server.
func (e *mcpEndpoint) call(ctx context.Context, params *mcp.CallToolParams) (result *mcp.CallToolResult, sent bool, err error) {
	session, err := e.connected(ctx)
	if err != nil {
		return nil, false, err
	}
	result, err = session.CallTool(ctx, params)
	if err == nil {
		return result, true, nil
	}
	if _, answered := errors.AsType[*jsonrpc.Error](err); !answered && ctx.Err() == nil {
		e.drop(session)
		_ = session.Close()
	}
	// A server that does not know the session has not looked at the call.
	return nil, !errors.Is(err, errUnsent) && !errors.Is(err, mcp.ErrSessionMissing), err
}

func (e *mcpEndpoint) trouble(ctx context.Context, err error, sent bool) error {
	wire, answered := errors.AsType[*jsonrpc.Error](err)
	switch {
	case answered && wire.Code == jsonrpc.CodeInvalidParams:
		return &trouble{kind: api.ToolBadInput, message: cleaned(wire.Message), stale: true, cause: err}
	case answered && wire.Code == jsonrpc.CodeMethodNotFound:
		return &trouble{kind: api.ToolFatal, message: cleaned(wire.Message), stale: true, unsent: true, cause: err}
	case answered:
		return &trouble{kind: api.ToolFatal, message: cleaned(wire.Message), cause: err}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	t := troubleOf(string(e.worker.ID), err)
	t.unsent = !sent
	return t
}

// wantsPage reports whether a server wants its user to open a page before the tool can run.
func wantsPage(err error) bool {
	wire, answered := errors.AsType[*jsonrpc.Error](err)
	return answered && wire.Code == mcp.CodeURLElicitationRequired
}

// wanted says so in the words of the worker protocol: it is an authorization that the worker has begun itself.
func wanted(err error) api.InvocationResult {
	out := api.InvocationOutput{
		Error:                 &api.ToolError{Kind: api.ToolRequirementsNotMet, Message: "the MCP server wants its user to open a page first"},
		RequiresAuthorization: &api.WorkerAuthorizationRequest{},
	}
	var wants struct {
		Elicitations []struct {
			ID      string `json:"elicitationId"`
			URL     string `json:"url"`
			Message string `json:"message"`
		} `json:"elicitations"`
	}
	wire, _ := errors.AsType[*jsonrpc.Error](err)
	if json.Unmarshal(wire.Data, &wants) != nil || len(wants.Elicitations) == 0 {
		return api.InvocationResult{Output: api.InvocationOutput{Error: out.Error}}
	}
	first := wants.Elicitations[0]
	out.RequiresAuthorization.AuthorizationURL, out.RequiresAuthorization.AuthorizationID = first.URL, cleaned(first.ID)
	if first.Message != "" {
		out.Error.Message += ": " + cleaned(first.Message)
	}
	return api.InvocationResult{Output: out}
}

// result says in our words what an MCP server answered: structured content as the value, else the text, else the
// content as it is.
func (e *mcpEndpoint) result(m *mcp.CallToolResult) (api.InvocationResult, error) {
	content, err := json.Marshal(m.Content)
	if err != nil {
		return api.InvocationResult{}, &trouble{kind: api.ToolBadOutput, message: "the content of the answer cannot be read", cause: err}
	}
	text, whole := textOf(m.Content)
	if m.IsError {
		if text == "" {
			text = "the tool failed, and does not say why"
		}
		return api.InvocationResult{Output: api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolFatal, Message: text}}}, nil
	}
	value := json.RawMessage(content)
	switch {
	case m.StructuredContent != nil:
		if value, err = json.Marshal(m.StructuredContent); err != nil {
			return api.InvocationResult{}, &trouble{kind: api.ToolBadOutput, message: "the structured content of the answer cannot be read", cause: err}
		}
	case whole:
		if value, err = json.Marshal(text); err != nil {
			return api.InvocationResult{}, &trouble{kind: api.ToolBadOutput, message: "the text of the answer cannot be read", cause: err}
		}
	}
	if int64(len(value)) > e.maxAnswer {
		return api.InvocationResult{}, &trouble{kind: api.ToolBadOutput, message: fmt.Sprintf("the tool's answer has more than %d bytes, which is too much: ask it for less", e.maxAnswer)}
	}
	return api.InvocationResult{Success: true, Output: api.InvocationOutput{Value: value}}, nil
}

// textOf joins the texts of a content, and says whether there is nothing else in it.
func textOf(content []mcp.Content) (text string, whole bool) {
	var parts []string
	whole = true
	for _, c := range content {
		if t, ok := c.(*mcp.TextContent); ok {
			parts = append(parts, t.Text)
		} else {
			whole = false
		}
	}
	return strings.Join(parts, "\n"), whole
}

// hearer passes progress on until its call has ended, one at a time.
type hearer struct {
	mu sync.Mutex
	to progressFunc
}

func (h *hearer) hear(done, total float64, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.to != nil {
		h.to(done, total, message)
	}
}

func (h *hearer) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = nil
}
