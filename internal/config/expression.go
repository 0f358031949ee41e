package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/oauth"
)

// expression reads an expression of a response map: one text, or a list of which the first that finds
// something counts.
func (b *binder) expression(n *yaml.Node, path string, into *oauth.Expr) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var texts []string
	expanded := false
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
			b.places[at] = place{value: yamlpos.Resolve(item)}
		}
		var text string
		if b.text(yamlpos.Resolve(item), at, &text); text != "" {
			texts = append(texts, text)
		}
		expanded = expanded || len(b.places[at].refs) > 0
	}
	if len(texts) == 0 {
		return
	}
	parsed, err := oauth.ParseExpr(texts[0])
	if len(texts) > 1 {
		parsed, err = oauth.ParseExprList(texts...)
	}
	switch {
	case err == nil:
		*into = parsed
		return
	case expanded && b.quiet:
		return
	case expanded: // the error quotes the text
		b.refuse(n, path, "the value after expansion is not an expression of a response map")
	default:
		b.refuse(n, path, "this is not an expression of a response map: "+err.Error())
	}
}
