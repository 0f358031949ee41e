package workers

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// Tool is one tool of one worker, as the list has it. It is shared: nobody changes it.
type Tool struct {
	// Definition is what the API tells of it. Its requirements are what the tool declares, without what is
	// known of any user: Met is false, and there are no statuses.
	Definition api.Tool
	// InputSchema is a JSON Schema of type object. It is never empty.
	InputSchema json.RawMessage
	// OutputSchema is a JSON Schema, or nil where none is known.
	OutputSchema json.RawMessage

	// wire is what the worker calls it, and metadata the data that it wants to be told.
	wire     string
	metadata []string
	// words is what a search looks at, in lower case.
	words string

	openAI    func() json.RawMessage
	anthropic func() json.RawMessage
}

// finish fills in what follows from the definition.
func (t *Tool) finish() *Tool {
	d := &t.Definition
	d.QualifiedName = d.Toolkit.Name + "." + d.Name
	if d.FullyQualifiedName = d.QualifiedName; d.Toolkit.Version != "" {
		d.FullyQualifiedName += "@" + d.Toolkit.Version
	}
	if d.Input.Parameters == nil {
		d.Input.Parameters = []api.ToolParameter{} // strict clients want a list
	}
	if d.Requirements == nil {
		d.Requirements = &api.ToolRequirements{}
	}
	t.words = strings.ToLower(d.QualifiedName + "\n" + d.Description)
	t.openAI = sync.OnceValue(t.formatOpenAI)
	t.anthropic = sync.OnceValue(t.formatAnthropic)
	return t
}

// harmless reports whether a second call does no more than the first.
func (t *Tool) harmless() bool {
	if t.Definition.Metadata == nil || t.Definition.Metadata.Behavior == nil {
		return false
	}
	is := func(b *bool) bool { return b != nil && *b }
	return is(t.Definition.Metadata.Behavior.ReadOnly) || is(t.Definition.Metadata.Behavior.Idempotent)
}

// secrets are the keys that the tool asks for.
func (t *Tool) secrets() []string {
	var keys []string
	for _, s := range t.Definition.Requirements.Secrets {
		keys = append(keys, s.Key)
	}
	return keys
}

// authorization is what the tool needs of a user, or nil.
func (t *Tool) authorization() *keybearer.AuthorizeRequest {
	a := t.Definition.Requirements.Authorization
	if a == nil {
		return nil
	}
	ask := &keybearer.AuthorizeRequest{ID: keybearer.ProviderID(a.ID), ProviderID: a.ProviderID, ProviderType: a.ProviderType}
	if a.OAuth2 != nil {
		ask.Scopes = a.OAuth2.Scopes
	}
	return ask
}

// Filter selects tools. Empty fields select all.
type Filter struct {
	Toolkit string
	// AllVersions asks for every version; otherwise each tool is there once, in its latest one.
	AllVersions bool
	// Metadata is the JSON text of the parameter filter, or "".
	Metadata string
	// Search are words that must be in the name or the description, in any case.
	Search string
}

// Call is one tool to run for one user.
type Call struct {
	// Tool is Toolkit.Name or Toolkit_Name, in any case, with @version or without.
	Tool    string
	Version string
	User    keybearer.UserID
	// Input are the arguments by name; nil means none.
	Input map[string]json.RawMessage
	// At is when to run; zero means now.
	At time.Time
	// Stacktrace lets the worker's stack trace through.
	Stacktrace bool
	// NextURI is where the browser goes after an authorization, or "".
	NextURI string
	// Progress hears how far the tool is, where its worker tells; nil means that nobody listens. It is called
	// by one goroutine at a time, before Execute returns. Total is 0 where it is not known.
	Progress func(done, total float64, message string)
}
