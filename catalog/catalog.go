// Package catalog is the bundled provider definitions: one YAML file for each well-known kind of
// provider, embedded in the binary.
//
// It owns the facts about particular providers. What a definition can say and how it is obeyed is
// the matter of package oauth; which providers are installed, with which client, and what an operator
// lays over a bundled definition ([oauth.Definition.Override]) is that of the engine.
package catalog

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/oauth"
)

//go:embed *.yaml
var files embed.FS

// shelf has a function for each kind, which reads its file at the first call. So a start costs what
// the installed providers need, however many are bundled.
var shelf = sync.OnceValue(func() map[string]func() oauth.Definition {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("catalog: listing the embedded files: %v", err))
	}
	kinds := make(map[string]func() oauth.Definition, len(entries))
	for _, entry := range entries {
		kinds[strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))] = sync.OnceValue(func() oauth.Definition {
			return read(entry.Name())
		})
	}
	return kinds
})

// entry is what stands in a file: a definition, and what differs between products that share it.
type entry struct {
	oauth.Definition `yaml:",inline"`
	Products         map[string]oauth.Definition `yaml:"products"`
}

// read decodes one file. A file that cannot be read is a programmer's mistake, which the test of this
// package finds.
func read(name string) oauth.Definition {
	var e entry
	data, err := files.ReadFile(name)
	if err == nil {
		err = yaml.Load(data, &e, yaml.WithKnownFields())
	}
	if err != nil {
		panic(fmt.Sprintf("catalog: reading %s: %v", name, err))
	}
	e.Definition.Products = e.Products
	return e.Definition
}

// Definition gives the bundled definition of a kind, such as "atlassian". The maps and lists in it
// are shared with all callers: do not change them, lay an override over them. A kind of server that
// people run themselves has {{server_url}} in its endpoints, and products to choose from, which
// [oauth.Definition.Install] fills in. It may be called concurrently.
func Definition(kind string) (oauth.Definition, bool) {
	open, ok := shelf()[kind]
	if !ok {
		return oauth.Definition{}, false
	}
	return open(), true
}

// Kinds lists the bundled kinds, sorted.
func Kinds() []string {
	kinds := make([]string, 0, len(shelf()))
	for kind := range shelf() {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}
