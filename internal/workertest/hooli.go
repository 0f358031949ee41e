package workertest

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/keybearer/keybearer/api"
)

// Tool is a tool with what it does.
type Tool struct {
	Tool api.WorkerTool
	Run  Run
}

// Hooli is the toolkit that a worker begins with.
//
//   - Echo gives what it was told: inputs, token, user, secrets and metadata. It needs nothing, and is idempotent.
//   - ListProjects needs the scope read of the provider hooli, and is read only; it gives the same as Echo.
//   - Create needs that, too, and changes things.
//   - Notify needs the secret HOOK.
//   - Fail fails as its input says: kind, message, can_retry, status_code; with a stack trace, and the token in its message.
//   - More asks for the scope write in the middle.
//   - Big gives a text of as many bytes as its input says.
//   - Wait runs until whoever called it goes away.
func Hooli() []Tool {
	yes, no := true, false
	behavior := func(readOnly, idempotent *bool, operations ...string) *api.ToolMetadata {
		return &api.ToolMetadata{
			Classification: &api.ToolClassification{ServiceDomains: []string{"project_management"}},
			Behavior:       &api.ToolBehavior{Operations: operations, ReadOnly: readOnly, Idempotent: idempotent},
			Extras:         map[string]json.RawMessage{"team": json.RawMessage(`"nucleus"`)},
		}
	}
	read := &api.Requirement{ID: "hooli", ProviderType: "oauth2", OAuth2: api.RequirementOAuth2{Scopes: []string{"read"}}}
	tool := func(name, description string, meta *api.ToolMetadata, needs api.WorkerToolRequirements, parameters ...api.ToolParameter) api.WorkerTool {
		return api.WorkerTool{
			Name: name, FullyQualifiedName: "Hooli." + name, Description: description,
			Toolkit: api.Toolkit{Name: "Hooli", Description: "Tools of Hooli.", Version: "1.0.0"}, Input: api.ToolInput{Parameters: parameters},
			Output: &api.ToolOutput{AvailableModes: []string{"value", "error"}, ValueSchema: &api.ValueSchema{ValType: "json"}}, Requirements: needs, Metadata: meta,
		}
	}
	text := func(name string) api.ToolParameter {
		return api.ToolParameter{Name: name, Description: "The " + name + ".", ValueSchema: api.ValueSchema{ValType: "string"}}
	}
	number := api.ToolParameter{Name: "bytes", Required: true, ValueSchema: api.ValueSchema{ValType: "integer"}}
	return []Tool{
		{tool("Echo", "Says what it was told.", behavior(&no, &yes, "read"), api.WorkerToolRequirements{
			Metadata: []api.Keyed{{Key: "client_id"}, {Key: "coordinator_url"}},
		}, text("text")), echo},
		{tool("ListProjects", "Lists the projects of a user.", behavior(&yes, &yes, "read"), api.WorkerToolRequirements{
			Authorization: read, Metadata: []api.Keyed{{Key: "client_id"}, {Key: "coordinator_url"}},
		}), echo},
		{tool("Create", "Creates a project.", behavior(&no, &no, "create"), api.WorkerToolRequirements{Authorization: read}, text("text")), echo},
		{tool("Notify", "Tells the team.", nil, api.WorkerToolRequirements{Secrets: []api.Keyed{{Key: "HOOK"}}}, text("text")), echo},
		{tool("Fail", "Fails.", nil, api.WorkerToolRequirements{Authorization: read}, text("kind"), text("message")), fail},
		{tool("More", "Asks for more.", nil, api.WorkerToolRequirements{Authorization: read}), more},
		{tool("Big", "Says much.", behavior(&yes, &yes, "read"), api.WorkerToolRequirements{}, number), big},
		{tool("Wait", "Waits.", nil, api.WorkerToolRequirements{}), wait},
	}
}

func value(v any) api.InvocationOutput {
	text, err := json.Marshal(v)
	if err != nil {
		return api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolBadOutput, Message: err.Error()}}
	}
	return api.InvocationOutput{Value: text, Logs: []api.ToolLog{{Level: "info", Message: "it works"}}}
}

func echo(_ context.Context, in api.Invocation) api.InvocationOutput {
	return value(map[string]any{"inputs": in.Inputs, "context": in.Context})
}

func fail(_ context.Context, in api.Invocation) api.InvocationOutput {
	e := &api.ToolError{Kind: api.ToolFatal, Message: "it failed", Stacktrace: "at line 1"}
	text, _ := json.Marshal(in.Inputs)
	if err := json.Unmarshal(text, e); err != nil {
		return api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolBadInput, Message: err.Error()}}
	}
	if in.Context.Authorization != nil {
		e.DeveloperMessage = "sent with " + in.Context.Authorization.Token
	}
	return api.InvocationOutput{Error: e, Logs: []api.ToolLog{{Level: "error", Message: e.DeveloperMessage}}}
}

func more(context.Context, api.Invocation) api.InvocationOutput {
	return api.InvocationOutput{RequiresAuthorization: &api.WorkerAuthorizationRequest{Scopes: []string{"write"}}}
}

func big(_ context.Context, in api.Invocation) api.InvocationOutput {
	var bytes int
	if err := json.Unmarshal(in.Inputs["bytes"], &bytes); err != nil {
		return api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolBadInput, Message: err.Error()}}
	}
	return value(strings.Repeat("x", bytes))
}

func wait(ctx context.Context, _ api.Invocation) api.InvocationOutput {
	<-ctx.Done()
	return api.InvocationOutput{Error: &api.ToolError{Kind: api.ToolFatal, Message: "nobody waits any more"}}
}
