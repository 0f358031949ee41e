package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer/api"
)

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
			e.discard(session)
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
