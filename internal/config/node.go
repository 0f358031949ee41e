package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kind(n *yaml.Node) yaml.Kind { return resolve(n).Kind }

func null(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && n.Style&yaml.TaggedStyle == 0
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// join makes the path of a key below another; key makes a written key fit for a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func key(name string) string {
	for _, r := range name {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'\:.[]`, r) {
			return quoted(name)
		}
	}
	if name == "" || len(name) > 60 {
		return quoted(name)
	}
	return name
}
