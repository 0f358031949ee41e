package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
)

// consent is the id of the one question that a call may ask: whether the user has opened the link.
const consent = "authorization"

// call runs one tool for one person. What is missing is asked for before anything runs, so the SDK may come
// again with the answer: nothing is executed twice.
func (s *server) call(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	p, err := personOf(req.Extra.TokenInfo)
	if err != nil {
		return nil, err
	}
	ctx, over := s.door.running.begin(ctx, ownerOf(req.Extra.TokenInfo, req.Session.ID()))
	defer over()
	name, _ := ctx.Value(wanted{}).(string)
	tool, err := s.find(ctx, p, name)
	if err != nil {
		return nil, err
	}
	input, err := arguments(req.Params.Arguments)
	if err != nil {
		return nil, err
	}
	answer, asked := req.Params.InputResponses[consent].(*mcp.ElicitResult)
	if asked && answer.Action == "accept" {
		if err := s.wait(ctx, p, keybearer.AuthorizationID(req.Params.RequestState)); err != nil {
			return s.result(nil, err)
		}
	}
	order := workers.Call{Tool: tool.Definition.QualifiedName, User: p.user, Input: input, Progress: progress(ctx, req)}
	done, err := s.door.cfg.Toolbox.Execute(ctx, p.view, order)
	missing, ok := errors.AsType[*keybearer.AuthorizationRequired](err)
	switch {
	case !ok:
		return s.result(&done, err)
	case !asked && opensLinks(req):
		return ask(missing), nil
	}
	return failure(missing.Error()), nil
}

// find looks a tool up among those that the person sees, and no others.
func (s *server) find(ctx context.Context, p person, name string) (*workers.Tool, error) {
	all, err := s.door.cfg.Toolbox.Tools(ctx, p.view, workers.Filter{})
	if err != nil {
		return nil, s.outside(err)
	}
	for _, t := range all {
		if isNamed(t, name) && s.gateway.offers(t) {
			return t, nil
		}
	}
	return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no tool of this name here: list the tools again"}
}

func arguments(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var input map[string]json.RawMessage
	if err := json.Unmarshal(raw, &input); err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the arguments must be a JSON object"}
	}
	return input, nil
}

// opensLinks reports whether the client can show its user a link and come back (elicitation in URL mode).
func opensLinks(req *mcp.CallToolRequest) bool {
	p := req.Session.InitializeParams()
	return p != nil && p.Capabilities != nil && p.Capabilities.Elicitation != nil && p.Capabilities.Elicitation.URL != nil
}

// ask has the client show the link. The state, which comes back with the answer, says which authorization it was.
func ask(missing *keybearer.AuthorizationRequired) *mcp.CallToolResult {
	return &mcp.CallToolResult{RequestState: string(missing.Authorization.ID), InputRequests: mcp.InputRequestMap{consent: &mcp.ElicitParams{
		Mode: "url", URL: missing.Authorization.URL, ElicitationID: string(missing.Authorization.ID),
		Message: missing.Tool + " needs your authorization at " + string(missing.Authorization.Provider) + ". The call goes on when you have given it.",
	}}}
}

// wait waits until the user has consented at the link that he was shown, or his time is over. Another authorization
// than that one must not be waited for: while he consents, asking for the tool again begins one that nobody opens.
// Nothing depends on what the client says here: whatever it waited for, the call has its own look.
func (s *server) wait(ctx context.Context, p person, id keybearer.AuthorizationID) error {
	a, err := p.view.Wait(ctx, id, s.door.cfg.Patience)
	if err != nil {
		return err
	}
	if a.Status == keybearer.AuthorizationFailure && a.Failure != nil && a.User == p.user {
		return a.Failure
	}
	return nil
}

// progress passes on how far a tool is, to a client that asked for it.
func progress(ctx context.Context, req *mcp.CallToolRequest) func(done, total float64, message string) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return func(done, total float64, message string) {
		// A client that does not hear it misses nothing that counts.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: done, Total: total, Message: message})
	}
}

// result says in the protocol's words how a call ended.
func (s *server) result(done *api.Execution, err error) (*mcp.CallToolResult, error) {
	switch {
	case err != nil && keybearer.KindOf(err) == keybearer.Internal:
		return nil, s.outside(err)
	case err != nil:
		return failure(err.Error()), nil // the model may do something about it
	case done.Output == nil:
		return &mcp.CallToolResult{Content: []mcp.Content{}}, nil
	case done.Output.Error != nil:
		return toolFailure(done.Output.Error), nil
	case done.Output.Authorization != nil && done.Output.Authorization.URL != "":
		return failure("authorization required: open " + done.Output.Authorization.URL + " and call the tool again"), nil
	}
	return success(done.Output.Value), nil
}

// success gives the value as text, and as it is where it is an object: older protocols have no other.
func success(value json.RawMessage) *mcp.CallToolResult {
	r := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text(value)}}}
	if isObject(value) {
		r.StructuredContent = value
	}
	return r
}

func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

func isObject(value json.RawMessage) bool {
	value = bytes.TrimSpace(value)
	return len(value) > 0 && value[0] == '{'
}

func failure(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// toolFailure tells the model what it can do something about, and nothing that is for developers.
func toolFailure(e *api.ToolError) *mcp.CallToolResult {
	said := e.Message
	if e.AdditionalPromptContent != "" {
		said += "\n\n" + e.AdditionalPromptContent
	}
	r := failure(said)
	r.Meta = mcp.Meta{"keybearer/error": map[string]any{"kind": e.Kind, "can_retry": e.CanRetry, "status_code": e.StatusCode, "retry_after_ms": e.RetryAfterMS}}
	return r
}
