package oauth

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// ResponseMap says where in an answer the fields are: field name to expression. Which names mean
// something depends on the request (see [Request]). A null expression stands for none.
type ResponseMap map[string]Expr

// Apply reads every field out of doc, a decoded JSON answer. Fields whose expression finds nothing
// are left out; the result is never nil. The values are shared with doc.
func (m ResponseMap) Apply(doc any) map[string]any {
	fields := make(map[string]any, len(m))
	for name, expr := range m {
		if value, ok := expr.Eval(doc); ok {
			fields[name] = value
		}
	}
	return fields
}

var (
	_ json.Marshaler   = Expr{}
	_ json.Unmarshaler = (*Expr)(nil)
	_ yaml.Marshaler   = Expr{}
	_ yaml.Unmarshaler = (*Expr)(nil)
	_ yaml.IsZeroer    = Expr{}
)

// plain is what is marshalled: nil, a string or a list of strings.
func (e Expr) plain() any {
	switch texts := e.texts(); len(texts) {
	case 0:
		return nil
	case 1:
		return texts[0]
	default:
		return texts
	}
}

// MarshalJSON writes a string, a list of strings, or null for the zero value.
func (e Expr) MarshalJSON() ([]byte, error) { return json.Marshal(e.plain()) }

// MarshalYAML writes a string, a list of strings, or null for the zero value.
func (e Expr) MarshalYAML() (any, error) { return e.plain(), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Expr) UnmarshalJSON(data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	switch value := value.(type) {
	case nil:
		*e = Expr{}
		return nil
	case string:
		return e.set(ParseExpr(value))
	case []any:
		texts := make([]string, len(value))
		for i, entry := range value {
			text, ok := entry.(string)
			if !ok {
				return fmt.Errorf("entry %d of the list: an expression is a string", i+1)
			}
			texts[i] = text
		}
		return e.set(ParseExprList(texts...))
	}
	return errors.New("an expression is a string or a list of strings")
}

// UnmarshalYAML reads what MarshalYAML writes. The place in the file is for the caller to add.
func (e *Expr) UnmarshalYAML(node *yaml.Node) error {
	node = aliased(node)
	if node.Kind == yaml.SequenceNode {
		texts := make([]string, len(node.Content))
		for i, entry := range node.Content {
			text, err := exprScalar(aliased(entry))
			if err != nil {
				return fmt.Errorf("entry %d of the list: %w", i+1, err)
			}
			texts[i] = text
		}
		return e.set(ParseExprList(texts...))
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		*e = Expr{}
		return nil
	}
	text, err := exprScalar(node)
	if err != nil {
		return err
	}
	return e.set(ParseExpr(text))
}

func aliased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func exprScalar(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("an expression is a string or a list of strings")
	case node.ShortTag() != "!!str":
		return "", fmt.Errorf("an expression is a string: put %s in quotes", node.Value)
	}
	return node.Value, nil
}

func (e *Expr) set(parsed Expr, err error) error {
	if err == nil {
		*e = parsed
	}
	return err
}
