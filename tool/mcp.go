package tool

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

const (
	// patience is how long a call waits for a user who has opened the link.
	patience = 5 * time.Minute
	// consent is the id of the one question that a call may ask.
	consent = "authorization"
)

// MCPServer makes an MCP server of a kit, whose tools get what they need from a source; nil means that there is none. A missing
// authorization is a link that the client shows (elicitation in URL mode), after which the call goes on; a client that shows none gets it as text.
// It panics for a kit that cannot be served, as [WorkerHandler] does.
func MCPServer(k *Kit, from Source) *mcp.Server {
	k.mustBeRight()
	if from == nil {
		from = nobody{env: func(string) string { return "" }}
	}
	version := k.Version
	if version == "" {
		version = "devel"
	}
	s := mcp.NewServer(&mcp.Implementation{Name: strings.ToLower(k.Name), Title: k.Name, Version: version}, &mcp.ServerOptions{Instructions: k.Description})
	for _, t := range k.Tools {
		s.AddTool(t.mcp(), (&served{tool: t, from: from}).call)
	}
	return s
}

// MCPHandler serves a kit by MCP over streamable HTTP, to those who send the token as Bearer. An empty token lets everybody in who reaches
// it: then let it listen on this machine only. Requests that other sites' pages make are refused.
func MCPHandler(k *Kit, from Source, token secret.String) http.Handler {
	return overHTTP(MCPServer(k, from), token)
}

func overHTTP(s *mcp.Server, token secret.String) http.Handler {
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{SessionTimeout: 30 * time.Minute, PropagateRequestCancellation: true})
	guarded := http.NewCrossOriginProtection().Handler(streamable)
	if token.IsZero() {
		return guarded
	}
	want := []byte(token.Reveal())
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		scheme, got, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(strings.TrimSpace(got)), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send the token of this server: Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		guarded.ServeHTTP(w, req)
	})
}

// mcp is the tool in the SDK's form.
func (t *Tool) mcp() *mcp.Tool {
	b := t.behavior
	m := &mcp.Tool{
		Name: t.name, Title: t.title, Description: t.description, InputSchema: t.input,
		Annotations: &mcp.ToolAnnotations{
			Title: t.title, DestructiveHint: b.Destructive, OpenWorldHint: b.OpenWorld,
			ReadOnlyHint: b.ReadOnly != nil && *b.ReadOnly, IdempotentHint: b.Idempotent != nil && *b.Idempotent,
		},
	}
	if t.deprecated != "" {
		m.Description = "Deprecated: " + t.deprecated + "\n\n" + m.Description
	}
	if t.output != nil && t.output.Type == "object" { // structured content has no other form in older protocols
		m.OutputSchema = t.output
	}
	return m
}

// served is a tool of an MCP server.
type served struct {
	tool *Tool
	from Source
}

// call runs the tool. What is missing is asked for before anything runs, so that the SDK may come again with the answer. It asks once in a
// call: older clients can be asked no more often.
func (s *served) call(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer, asked := req.Params.InputResponses[consent].(*mcp.ElicitResult)
	if asked && answer.Action == "accept" {
		if err := s.wait(ctx, keybearer.AuthorizationID(req.Params.RequestState)); err != nil {
			return failure(failed(err).Error), nil
		}
	}
	c, err := s.tool.borrow(ctx, s.from)
	if missing, ok := asMissing(err); ok && !asked && opensLinks(req) {
		return question(missing), nil
	}
	if err != nil {
		return failure(failed(err).Error), nil
	}
	c.progress = s.progress(ctx, req)
	var input map[string]json.RawMessage
	if len(req.Params.Arguments) > 0 {
		if err := json.Unmarshal(req.Params.Arguments, &input); err != nil {
			return failure(BadInput("the arguments must be a JSON object").wire()), nil
		}
	}
	out := s.tool.invoke(ctx, c, input)
	if more := out.RequiresAuthorization; more != nil {
		return s.more(ctx, !asked && opensLinks(req), more.Scopes)
	}
	return result(&out), nil
}

// wait waits until the user has consented at the link that was shown, or his time is over. What then is missing is found out by whoever
// borrows.
func (s *served) wait(ctx context.Context, id keybearer.AuthorizationID) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.from.Wait(waiting, id)
	if waiting.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// more asks for scopes that the tool found missing in the middle. With them the user's authorization has the declared ones, too, so
// the call that comes again finds it.
func (s *served) more(ctx context.Context, ask bool, scopes []string) (*mcp.CallToolResult, error) {
	if s.tool.requires == nil {
		return failure(&api.ToolError{Kind: api.ToolFatal, Message: "the tool asks for scopes of an authorization that it does not declare"}), nil
	}
	wider, requires := *s.tool, *s.tool.requires
	requires.Scopes = slices.Concat(requires.Scopes, scopes)
	wider.requires = &requires
	_, err := wider.borrow(ctx, s.from)
	missing, ok := asMissing(err)
	switch {
	case err == nil:
		return failure(&api.ToolError{Kind: api.ToolFatal, Message: "the tool asks for scopes that the user has granted already"}), nil
	case ok && ask:
		return question(missing), nil
	}
	return failure(failed(err).Error), nil
}

func opensLinks(req *mcp.CallToolRequest) bool {
	p := req.Session.InitializeParams()
	return p != nil && p.Capabilities != nil && p.Capabilities.Elicitation != nil && p.Capabilities.Elicitation.URL != nil
}

func question(missing *keybearer.AuthorizationRequired) *mcp.CallToolResult {
	a := &missing.Authorization
	return &mcp.CallToolResult{RequestState: string(a.ID), InputRequests: mcp.InputRequestMap{consent: &mcp.ElicitParams{
		Mode: "url", URL: a.URL, ElicitationID: string(a.ID),
		Message: missing.Tool + " needs your authorization at " + string(a.Provider) + ". The call goes on when you have given it.",
	}}}
}

func (s *served) progress(ctx context.Context, req *mcp.CallToolRequest) func(done, total float64, message string) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return func(done, total float64, message string) {
		// Who does not hear it misses nothing that counts.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: done, Total: total, Message: message})
	}
}

// result says in the protocol's words how a call ended. What the tool logged goes with it: notifications about logs are on their way
// out of the protocol.
func result(out *api.InvocationOutput) *mcp.CallToolResult {
	r := ended(out)
	if len(out.Logs) > 0 {
		if r.Meta == nil {
			r.Meta = mcp.Meta{}
		}
		r.Meta["keybearer/logs"] = out.Logs
	}
	return r
}

func ended(out *api.InvocationOutput) *mcp.CallToolResult {
	if out.Error != nil {
		return failure(out.Error)
	}
	text := string(out.Value)
	var plain string
	if json.Unmarshal(out.Value, &plain) == nil {
		text = plain
	}
	r := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
	if strings.HasPrefix(text, "{") && json.Valid(out.Value) && plain == "" {
		r.StructuredContent = out.Value
	}
	return r
}

// failure tells the model what it can do something about; what is for developers stays here.
func failure(e *api.ToolError) *mcp.CallToolResult {
	said := e.Message
	if e.AdditionalPromptContent != "" {
		said += "\n\n" + e.AdditionalPromptContent
	}
	return &mcp.CallToolResult{
		IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: said}},
		Meta: mcp.Meta{"keybearer/error": map[string]any{"kind": e.Kind, "can_retry": e.CanRetry, "status_code": e.StatusCode, "retry_after_ms": e.RetryAfterMS}},
	}
}
