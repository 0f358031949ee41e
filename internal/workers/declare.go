package workers

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

const (
	maxTools       = 10_000
	maxDescription = 32 << 10
	maxParameters  = 500
	maxKeys        = 100
	maxComplaints  = 20
)

func cleaned(text string) string { return oauth.Clean(text, 500) }

// readTools reads a worker's list. One tool that cannot be understood costs no other one its place.
func readTools(worker string, body []byte) (tools []*Tool, complaints []string, err error) {
	var declared []json.RawMessage
	if err := json.Unmarshal(body, &declared); err != nil {
		return nil, nil, fmt.Errorf("the list of tools is no JSON array")
	}
	if len(declared) > maxTools {
		return nil, nil, fmt.Errorf("there are %d tools in the list, and at most %d are read", len(declared), maxTools)
	}
	for i, text := range declared {
		tool, err := readTool(worker, text)
		if err != nil {
			complaints = append(complaints, fmt.Sprintf("tool %d of the list: %v", i+1, err))
			continue
		}
		tools = append(tools, tool)
	}
	return tools, shortened(complaints), nil
}

func shortened(complaints []string) []string {
	if len(complaints) <= maxComplaints {
		return complaints
	}
	return append(complaints[:maxComplaints:maxComplaints], fmt.Sprintf("and %d more", len(complaints)-maxComplaints))
}

func readTool(worker string, text []byte) (*Tool, error) {
	var w api.WorkerTool
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("it cannot be read: %s", cleaned(err.Error()))
	}
	switch {
	case !toolNamePattern.MatchString(w.Name) || !toolNamePattern.MatchString(w.Toolkit.Name):
		return nil, fmt.Errorf("%q of %q is no name: tools and toolkits have 1 to 100 letters, digits, \"_\" and \"-\"", cleaned(w.Name), cleaned(w.Toolkit.Name))
	case !toolVersionPattern.MatchString(w.Toolkit.Version):
		return nil, fmt.Errorf("%q has the version %q, which is none", w.Name, cleaned(w.Toolkit.Version))
	case len(w.Description) > maxDescription || len(w.Input.Parameters) > maxParameters:
		return nil, fmt.Errorf("%q has a description of %d bytes and %d parameters: %d and %d are allowed", w.Name, len(w.Description), len(w.Input.Parameters), maxDescription, maxParameters)
	case len(w.Requirements.Secrets) > maxKeys || len(w.Requirements.Metadata) > maxKeys:
		return nil, fmt.Errorf("%q asks for more than %d secrets or metadata", w.Name, maxKeys)
	}
	var seen []string
	for i := range w.Input.Parameters {
		p := &w.Input.Parameters[i]
		if p.Name == "" || slices.Contains(seen, p.Name) {
			return nil, fmt.Errorf("%q has two parameters of one name, or one without", w.Name)
		}
		seen = append(seen, p.Name)
		if p.ValueSchema.ValType == "" {
			p.ValueSchema.ValType = "string"
		}
	}
	tool := &Tool{
		Definition: api.Tool{
			Name: w.Name, Description: w.Description, Toolkit: w.Toolkit, Input: w.Input, Output: w.Output, Metadata: w.Metadata,
			DeprecationMessage: w.DeprecationMessage, Worker: worker, Requirements: &api.ToolRequirements{},
		},
		wire: w.Name,
	}
	if a := w.Requirements.Authorization; a != nil && (a.ID != "" || a.ProviderID != "") {
		tool.Definition.Requirements.Authorization = &api.ToolAuthorization{
			ID: a.ID, ProviderID: a.ProviderID, ProviderType: a.ProviderType, OAuth2: &api.RequirementOAuth2{Scopes: a.OAuth2.Scopes},
		}
	}
	for _, s := range w.Requirements.Secrets {
		tool.Definition.Requirements.Secrets = append(tool.Definition.Requirements.Secrets, api.ToolSecretRequirement{Key: s.Key})
	}
	for _, m := range w.Requirements.Metadata {
		tool.metadata = append(tool.metadata, m.Key)
	}
	tool.InputSchema = inputSchema(w.Input)
	if w.Output != nil && w.Output.ValueSchema != nil {
		tool.OutputSchema = schemaJSON(valueSchema(*w.Output.ValueSchema, 0))
	}
	return tool.finish(), nil
}
