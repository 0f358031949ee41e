package policy

// FileName is what the file is called in the data folder.
const FileName = "policy.yaml"

// maxFile bounds it, in bytes.
const maxFile = 1 << 20

// File is a policy.yaml as written. Its tags are the one source of keys, bounds and allowed values: the
// reader obeys them, and the schema is generated from them.
type File struct {
	// Schema is the address of the JSON Schema, for editors.
	Schema string `yaml:"$schema,omitempty" jsonschema:"maxLength=1000"`
	// Version is the form of the file: 1.
	Version int `yaml:"version" jsonschema:"required,minimum=1,maximum=1"`
	// UnmatchedHosts is what happens to hosts that no connection serves and no rule names: tunnel passes
	// them through untouched, refuse does not.
	UnmatchedHosts string `yaml:"unmatched_hosts,omitempty" jsonschema:"default=tunnel,enum=tunnel,enum=refuse"`
	// Rules are gone through from the top, and the first that fits a request decides. What none fits is
	// refused.
	Rules []Rule `yaml:"rules" jsonschema:"required,maxItems=1000"`
}

// Rule says what happens to the requests that it fits. A list that is left out fits everything; of those
// that are there, each has to have something that fits.
type Rule struct {
	// Name is for messages and the log.
	Name string `yaml:"name,omitempty" jsonschema:"minLength=1,maxLength=100"`
	// Runs are names of runs or agents; * stands for any characters, as in review-*.
	Runs []string `yaml:"runs,omitempty" jsonschema:"maxItems=100"`
	// Connections are a provider, for all connections to it, or provider/name, as in atlassian/work; *
	// stands for any characters of either.
	Connections []string `yaml:"connections,omitempty" jsonschema:"maxItems=100"`
	// Hosts are api.example.com, *.example.com for all hosts below one, or * for any; on all ports, or on
	// the one that is written behind a colon. Rules without hosts are for hosts that a connection serves.
	Hosts []string `yaml:"hosts,omitempty" jsonschema:"maxItems=100"`
	// Methods are HTTP methods in capitals.
	Methods []string `yaml:"methods,omitempty" jsonschema:"maxItems=100"`
	// Paths begin with a slash; * stands for one segment or a part of one, ** for any number of segments.
	Paths []string `yaml:"paths,omitempty" jsonschema:"maxItems=100"`
	// ReadOnly true refuses what does more than read.
	ReadOnly bool `yaml:"read_only,omitempty"`
	// Rate is how many requests each run may send by this rule: 10/s, 60/m or 500/h.
	Rate string `yaml:"rate,omitempty" jsonschema:"pattern=^[1-9][0-9]{0\\,5}/[smh]$"`
	// Burst is how many of them may come at once. Default: the number in rate.
	Burst int `yaml:"burst,omitempty" jsonschema:"minimum=1,maximum=1000000"`
	// Verdict is allow, ask (a person is asked first), refuse, or tunnel (to hosts that no connection
	// serves). A rule with read_only or rate allows if it does not say; every other one has to.
	Verdict string `yaml:"verdict,omitempty" jsonschema:"enum=allow,enum=ask,enum=refuse,enum=tunnel"`
}
