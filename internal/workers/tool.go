package workers

import (
	"encoding/json"
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
