package yamlpos

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Resolve follows aliases to what they stand for.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Null reports a key with nothing behind it, or a written null.
func Null(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && n.Style&yaml.TaggedStyle == 0
}

// KindName says for people what a node is.
func KindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// Join makes the path of a key below another.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Key makes a key, as written, fit for a path.
func Key(name string) string {
	for _, r := range name {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'\:.[]`, r) {
			return Quoted(name)
		}
	}
	if name == "" || len(name) > 60 {
		return Quoted(name)
	}
	return name
}
