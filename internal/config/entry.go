package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// entry is one key of a mapping, after merges and older spellings.
type entry struct {
	name       string // the key of today
	path       string // as written, below the path of the mapping
	key, value *yaml.Node
}

// entries lists the keys of a mapping with its merges (<<) written out: keys of its own win, then
// earlier merges.
func (b *binder) entries(n *yaml.Node, path string) []entry {
	if len(n.Content) > 2*maxEntries {
		b.refuse(n, path, fmt.Sprintf("%d keys are too many; allowed: at most %d", len(n.Content)/2, maxEntries))
		return nil
	}
	var own, merged []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		switch {
		case k.ShortTag() == "!!merge":
			merged = append(merged, b.merge(value, path)...)
		case yamlpos.Resolve(k).Kind != yaml.ScalarNode:
			b.fail(k, path, "a key must be a single text; a value that begins with {{ needs quotes around it")
		default:
			name := yamlpos.Resolve(k).Value
			own = append(own, entry{name: name, path: yamlpos.Key(name), key: k, value: value})
		}
	}
	for _, e := range merged {
		if !slices.ContainsFunc(own, func(o entry) bool { return o.name == e.name }) {
			own = append(own, e)
		}
	}
	return own
}

func (b *binder) merge(n *yaml.Node, path string) []entry {
	switch n = yamlpos.Resolve(n); n.Kind {
	case yaml.MappingNode:
		return b.entries(n, path)
	case yaml.SequenceNode:
		var out []entry
		for _, item := range n.Content {
			if item = yamlpos.Resolve(item); item.Kind == yaml.MappingNode {
				out = append(out, b.entries(item, path)...)
			}
		}
		return out
	}
	b.fail(n, path, "<< merges mappings only")
	return nil
}
