package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer/api"
)

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
		e.discard(session)
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
