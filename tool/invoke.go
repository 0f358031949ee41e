package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/keybearer/keybearer/api"
)

// maxOutput is the most that a tool may give, as JSON: more helps no model.
const maxOutput = 5 << 20

// invoke runs a tool and says how it ended. It never panics.
func (t *Tool) invoke(ctx context.Context, c *Call, sent map[string]json.RawMessage) (out api.InvocationOutput) {
	if client, ok := ctx.Value(clientKey{}).(*http.Client); ok {
		c.client = client
	}
	c.tool = t
	defer func() {
		if p := recover(); p != nil {
			out = api.InvocationOutput{Error: &api.ToolError{
				Kind: api.ToolFatal, Message: "the tool " + t.name + " has a defect and was ended",
				DeveloperMessage: fmt.Sprintf("a panic with a value of type %T", p), // which may hold anything, also a token
				Stacktrace:       string(debug.Stack()),
			}}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		out.Logs = c.logs
	}()
	input, err := t.arguments(sent)
	if err != nil {
		return failed(err)
	}
	value, err := t.run(ctx, c, input)
	if err != nil {
		return failed(err)
	}
	return given(value)
}

// given is a tool's value as JSON. Nothing is an empty text, as the published workers have it.
func given(value any) api.InvocationOutput {
	text, err := json.Marshal(value)
	switch {
	case err != nil:
		return failed(&Error{Kind: api.ToolBadOutput, Message: "what the tool gave cannot be JSON", DeveloperMessage: err.Error()})
	case len(text) > maxOutput:
		return failed(&Error{
			Kind: api.ToolBadOutput, Message: fmt.Sprintf("the tool gave %d bytes, more than the %d that a result may have", len(text), maxOutput),
			Prompt: "Ask for less: fewer items, or a narrower search.",
		})
	case string(text) == "null":
		text = []byte(`""`)
	}
	return api.InvocationOutput{Value: text}
}

func failed(err error) api.InvocationOutput {
	if more, ok := errors.AsType[*needMore](err); ok {
		return api.InvocationOutput{RequiresAuthorization: &api.WorkerAuthorizationRequest{Scopes: more.scopes, Status: string(api.NotStarted)}}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return api.InvocationOutput{Error: e.wire()}
	}
	e := &api.ToolError{Kind: api.ToolFatal, Message: err.Error()}
	slow, mayBeSlow := errors.AsType[net.Error](err) // as any error of net/http is
	_, unreachable := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled):
		e.Message = "the call was given up"
	case errors.Is(err, context.DeadlineExceeded), mayBeSlow && slow.Timeout():
		e.Kind = api.ToolNetworkTimeout
	case unreachable:
		e.Kind = api.ToolNetworkUnreachable
	}
	return api.InvocationOutput{Error: e}
}
