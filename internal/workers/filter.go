package workers

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

const (
	maxFilter = 16 << 10
	maxSearch = 1000
)

// metadataFilter is the JSON of the parameter filter. What it names must hold; a tool that says nothing of it is
// left out.
type metadataFilter struct {
	ServiceDomains *wordsFilter               `json:"service_domains"`
	Operations     *wordsFilter               `json:"operations"`
	ReadOnly       *bool                      `json:"read_only"`
	Destructive    *bool                      `json:"destructive"`
	Idempotent     *bool                      `json:"idempotent"`
	OpenWorld      *bool                      `json:"open_world"`
	Extras         map[string]json.RawMessage `json:"extras"`
}

// wordsFilter is a list, which means any of it, or an object.
type wordsFilter struct {
	AnyOf  []string `json:"any_of"`
	AllOf  []string `json:"all_of"`
	NoneOf []string `json:"none_of"`
}

// UnmarshalJSON reads both forms.
func (f *wordsFilter) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		return json.Unmarshal(text, &f.AnyOf)
	}
	type plain wordsFilter
	return strictly(text, (*plain)(f))
}

func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func readFilter(text string) (*metadataFilter, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxFilter {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the filter is longer than %d bytes", maxFilter)
	}
	if !json.Valid([]byte(text)) {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the filter is no JSON: give an object like {\"operations\": [\"read\"]}")
	}
	f := &metadataFilter{}
	if err := strictly([]byte(text), f); err != nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the filter cannot be read (%s): it may have service_domains, operations, "+
			"read_only, destructive, idempotent, open_world and extras", oauth.Clean(err.Error(), 200))
	}
	for name, value := range f.Extras {
		f.Extras[name] = compacted(value)
	}
	return f, nil
}

func (f *metadataFilter) match(m *api.ToolMetadata) bool {
	if f == nil {
		return true
	}
	var (
		domains  []string
		behavior api.ToolBehavior
		extras   map[string]json.RawMessage
	)
	if m != nil {
		if m.Classification != nil {
			domains = m.Classification.ServiceDomains
		}
		if m.Behavior != nil {
			behavior = *m.Behavior
		}
		extras = m.Extras
	}
	if !f.ServiceDomains.match(domains) || !f.Operations.match(behavior.Operations) {
		return false
	}
	for _, pair := range [][2]*bool{
		{f.ReadOnly, behavior.ReadOnly},
		{f.Destructive, behavior.Destructive},
		{f.Idempotent, behavior.Idempotent},
		{f.OpenWorld, behavior.OpenWorld},
	} {
		if want, has := pair[0], pair[1]; want != nil && (has == nil || *has != *want) {
			return false
		}
	}
	for name, want := range f.Extras {
		if has, ok := extras[name]; !ok || !bytes.Equal(compacted(has), want) {
			return false
		}
	}
	return true
}

func (f *wordsFilter) match(words []string) bool {
	if f == nil {
		return true
	}
	has := func(word string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
	}
	if len(f.AnyOf) > 0 && !slices.ContainsFunc(f.AnyOf, has) || slices.ContainsFunc(f.NoneOf, has) {
		return false
	}
	return !slices.ContainsFunc(f.AllOf, func(word string) bool { return !has(word) })
}

// compacted is the same for the same JSON, but for the order of an object's keys and the forms of numbers.
func compacted(text json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return text
	}
	return out.Bytes()
}

// search are the words that all must be there.
func search(text string) ([]string, error) {
	if len(text) > maxSearch {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the search is longer than %d bytes", maxSearch)
	}
	return strings.Fields(strings.ToLower(text)), nil
}

// selected gives the tools that a filter lets through.
func selected(tools []*Tool, f Filter) ([]*Tool, error) {
	metadata, err := readFilter(f.Metadata)
	if err != nil {
		return nil, err
	}
	words, err := search(f.Search)
	if err != nil {
		return nil, err
	}
	if metadata == nil && len(words) == 0 && f.Toolkit == "" {
		return slices.Clone(tools), nil
	}
	var out []*Tool
	for _, t := range tools {
		if f.Toolkit != "" && !strings.EqualFold(f.Toolkit, t.Definition.Toolkit.Name) {
			continue
		}
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(t.words, w) }) {
			continue
		}
		if metadata.match(t.Definition.Metadata) {
			out = append(out, t)
		}
	}
	return out, nil
}
