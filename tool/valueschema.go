package tool

import (
	"encoding/json"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/keybearer/keybearer/api"
)

// maxDepth is how deep a type is described in the words of the worker protocol.
const maxDepth = 8

// valueSchema is a JSON Schema in the words of the worker protocol, which have six types.
func valueSchema(s *jsonschema.Schema, depth int) api.ValueSchema {
	out := api.ValueSchema{ValType: "json", Description: s.Description}
	kind, nullable := typeOf(s)
	out.Nullable = nullable
	switch kind {
	case "string", "integer", "number", "boolean":
		out.ValType = kind
	case "array":
		out.ValType, out.InnerValType = "array", "json"
		if s.Items != nil && depth < maxDepth {
			inner := valueSchema(s.Items, depth+1)
			out.InnerValType, out.Enum = inner.ValType, inner.Enum
			out.InnerProperties, out.InnerRequiredKeys = inner.Properties, inner.RequiredKeys
		}
		return out
	case "object":
		if depth < maxDepth {
			out.Properties, out.RequiredKeys = properties(s, depth), s.Required
		}
		return out
	}
	for _, v := range s.Enum {
		if text, ok := v.(string); ok {
			out.Enum = append(out.Enum, text)
		}
	}
	return out
}

func properties(s *jsonschema.Schema, depth int) map[string]api.ValueSchema {
	if len(s.Properties) == 0 {
		return nil
	}
	out := make(map[string]api.ValueSchema, len(s.Properties))
	for name, property := range s.Properties {
		out[name] = valueSchema(property, depth+1)
	}
	return out
}

// typeOf is the schema's one type beside null.
func typeOf(s *jsonschema.Schema) (kind string, nullable bool) {
	if s.Type != "" {
		return s.Type, false
	}
	for _, t := range s.Types {
		if t == "null" {
			nullable = true
		} else if kind == "" {
			kind = t
		}
	}
	return kind, nullable
}

// parameters are the arguments in the words of the worker protocol, in the order of the struct's fields.
func (t *Tool) parameters() []api.ToolParameter {
	out := make([]api.ToolParameter, 0, len(t.input.Properties))
	for _, name := range t.input.PropertyOrder {
		property, ok := t.input.Properties[name]
		if !ok {
			continue
		}
		schema := valueSchema(property, 0)
		schema.Description = ""
		out = append(out, api.ToolParameter{
			Name: name, Description: property.Description, Required: slices.Contains(t.input.Required, name), ValueSchema: schema, Inferrable: new(true),
		})
	}
	return out
}

// wire is the tool in the words of the worker protocol.
func (t *Tool) wire(k *Kit) api.WorkerTool {
	out := api.WorkerTool{
		Name: t.name, FullyQualifiedName: k.Name + "." + t.name, Description: t.description,
		Toolkit: api.Toolkit{Name: k.Name, Description: k.Description, Version: k.Version},
		Input:   api.ToolInput{Parameters: t.parameters()},
		Output:  &api.ToolOutput{AvailableModes: []string{"value", "error"}},
		Requirements: api.WorkerToolRequirements{
			Authorization: t.requires.wire(), Secrets: keyed(t.secrets), Metadata: keyed(t.metadata),
		},
		DeprecationMessage: t.deprecated,
	}
	if t.output != nil {
		schema := valueSchema(t.output, 0)
		out.Output.Description, schema.Description = schema.Description, ""
		out.Output.ValueSchema = &schema
	}
	behavior := t.behavior
	out.Metadata = &api.ToolMetadata{Behavior: &behavior}
	if len(t.domains) > 0 {
		out.Metadata.Classification = &api.ToolClassification{ServiceDomains: t.domains}
	}
	if t.title != "" {
		text, err := json.Marshal(t.title)
		if err == nil {
			out.Metadata.Extras = map[string]json.RawMessage{"title": text}
		}
	}
	return out
}

func keyed(keys []string) []api.Keyed {
	if len(keys) == 0 {
		return nil
	}
	out := make([]api.Keyed, len(keys))
	for i, key := range keys {
		out[i].Key = key
	}
	return out
}
