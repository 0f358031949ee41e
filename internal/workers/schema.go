package workers

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/keybearer/keybearer/api"
)

// maxSchemaDepth bounds how deep a schema is followed: what is below is any value.
const maxSchemaDepth = 20

// inputSchema is the JSON Schema of a tool's parameters.
func inputSchema(in api.ToolInput) json.RawMessage {
	properties := map[string]any{}
	required := []string{}
	for _, p := range in.Parameters {
		s := valueSchema(p.ValueSchema, 0)
		if p.Description != "" {
			s["description"] = p.Description
		}
		properties[p.Name] = s
		if p.Required {
			required = append(required, p.Name)
		}
	}
	return schemaJSON(map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

func schemaJSON(schema map[string]any) json.RawMessage {
	text, err := json.Marshal(schema)
	if err != nil { // of texts, lists and maps of such
		return json.RawMessage(`{"type":"object"}`)
	}
	return text
}

// valueSchema says in JSON Schema what the worker protocol says of a value.
func valueSchema(v api.ValueSchema, depth int) map[string]any {
	s := map[string]any{}
	switch v.ValType {
	case "string", "integer", "number", "boolean":
		s["type"] = v.ValType
	case "array":
		s["type"] = "array"
		items := map[string]any{}
		if v.InnerValType != "" {
			items = valueSchema(api.ValueSchema{
				ValType: v.InnerValType, Enum: v.Enum, Properties: v.InnerProperties, RequiredKeys: v.InnerRequiredKeys,
			}, depth+1)
		}
		s["items"] = items
	case "json":
		s["type"] = "object"
		s["additionalProperties"] = true
	}
	if len(v.Enum) > 0 && v.ValType != "array" {
		s["enum"] = v.Enum
	}
	if v.Description != "" {
		s["description"] = v.Description
	}
	if v.Nullable && s["type"] != nil {
		s["type"] = []any{s["type"], "null"}
	}
	if v.ValType == "json" && len(v.Properties) > 0 && depth < maxSchemaDepth {
		properties := map[string]any{}
		for name, p := range v.Properties {
			properties[name] = valueSchema(p, depth+1)
		}
		s["properties"] = properties
		s["additionalProperties"] = false
		if len(v.RequiredKeys) > 0 {
			s["required"] = v.RequiredKeys
		}
	}
	return s
}

// jsonSchema is the part of JSON Schema that has a word in the worker protocol.
type jsonSchema struct {
	Type        any                        `json:"type"`
	Description string                     `json:"description"`
	Enum        []any                      `json:"enum"`
	Items       json.RawMessage            `json:"items"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Required    []string                   `json:"required"`
}

// parametersOf says in the words of the worker protocol, as far as it has words, what a JSON Schema asks for.
func parametersOf(schema json.RawMessage) []api.ToolParameter {
	var s jsonSchema
	if json.Unmarshal(schema, &s) != nil {
		return []api.ToolParameter{}
	}
	parameters := make([]api.ToolParameter, 0, len(s.Properties))
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		v := valueOf(s.Properties[name], 0)
		description := v.Description
		v.Description = ""
		parameters = append(parameters, api.ToolParameter{
			Name: name, Description: description, Required: slices.Contains(s.Required, name), ValueSchema: v,
		})
	}
	return parameters
}

func valueOf(schema json.RawMessage, depth int) api.ValueSchema {
	var s jsonSchema
	if depth > maxSchemaDepth || json.Unmarshal(schema, &s) != nil {
		return api.ValueSchema{ValType: "json"}
	}
	v := api.ValueSchema{ValType: "json", Description: s.Description}
	types, _ := s.Type.([]any)
	if one, ok := s.Type.(string); ok {
		types = []any{one}
	}
	for _, t := range types {
		switch t {
		case "null":
			v.Nullable = true
		case "string", "integer", "number", "boolean", "array":
			v.ValType, _ = t.(string)
		}
	}
	for _, e := range s.Enum {
		if text, ok := e.(string); ok {
			v.Enum = append(v.Enum, text)
		}
	}
	switch v.ValType {
	case "array":
		inner := valueOf(s.Items, depth+1)
		v.InnerValType, v.InnerProperties, v.InnerRequiredKeys = inner.ValType, inner.Properties, inner.RequiredKeys
		if v.Enum == nil {
			v.Enum = inner.Enum
		}
	case "json":
		for name, p := range s.Properties {
			if v.Properties == nil {
				v.Properties = map[string]api.ValueSchema{}
			}
			v.Properties[name] = valueOf(p, depth+1)
		}
		v.RequiredKeys = s.Required
	}
	return v
}
