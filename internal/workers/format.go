package workers

import (
	"encoding/json"
	"strings"
)

// OpenAI is the tool as the function calling of OpenAI has it. The text is shared.
func (t *Tool) OpenAI() json.RawMessage { return t.openAI() }

// Anthropic is the tool as Anthropic's tool use has it. The text is shared.
func (t *Tool) Anthropic() json.RawMessage { return t.anthropic() }

// FormattedName is the tool's name where models allow no dot: Toolkit_Name.
func (t *Tool) FormattedName() string {
	return strings.ReplaceAll(t.Definition.QualifiedName, ".", "_")
}

func (t *Tool) formatOpenAI() json.RawMessage {
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	return formatted(struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{"function", function{t.FormattedName(), t.Definition.Description, t.InputSchema}})
}

func (t *Tool) formatAnthropic() json.RawMessage {
	return formatted(struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"input_schema"`
	}{t.FormattedName(), t.Definition.Description, t.InputSchema})
}

// formatted writes what is made of texts and of JSON that was read before.
func formatted(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}")
	}
	return text
}
