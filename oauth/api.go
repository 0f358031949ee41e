package oauth

// API says where a provider's API is and how requests to it carry a credential: what a proxy needs to
// put a header on an agent's own request. (Ours.)
type API struct {
	// Hosts are the hosts of the API: "api.github.com", or "*.example.com" for all hosts below one (not
	// itself), which needs at least two labels behind the star. A port is named where it is not 443. The
	// value "{{server_url}}" stands for the server of [Definition.ServerURL], with its path.
	Hosts []string `yaml:"hosts,omitempty" json:"hosts,omitempty"`
	// Header is where the credential goes when a request carries none: Authorization by default.
	Header string `yaml:"header,omitempty" json:"header,omitempty"`
	// Scheme stands before it: by default the token's own, Bearer or Basic, where Header is Authorization,
	// and none in another header. The value "none" is for the credential alone.
	Scheme string `yaml:"scheme,omitempty" json:"scheme,omitempty"`
	// Query is a query parameter in place of the header.
	Query string `yaml:"query,omitempty" json:"query,omitempty"`
	// Env are the environment variables that programs read for this provider, by name, and what each
	// holds: token, username, server_url, or a text that is taken as it stands.
	Env map[string]string `yaml:"env,omitempty" json:"env,omitempty"`
	// KeyPrefix is how the provider's own credentials begin ("ghp_"), and KeyLength how long they are:
	// programs look at them. Placeholders get the same shape.
	KeyPrefix string `yaml:"key_prefix,omitempty" json:"key_prefix,omitempty"`
	KeyLength int    `yaml:"key_length,omitempty" json:"key_length,omitempty" jsonschema:"minimum=16,maximum=512"`
	// KeyPattern is a regular expression (RE2) that a whole API key has to match, and KeyHint says in words
	// what that is.
	KeyPattern string `yaml:"key_pattern,omitempty" json:"key_pattern,omitempty"`
	KeyHint    string `yaml:"key_hint,omitempty" json:"key_hint,omitempty"`
	// KeysURL is the page where people make one.
	KeysURL string `yaml:"keys_url,omitempty" json:"keys_url,omitempty"`
}

// The values of [API.Env] that stand for something.
const (
	EnvToken     = "token"
	EnvUsername  = "username"
	EnvServerURL = "server_url"
)

// SchemeNone is the value of [API.Scheme] for a credential that stands alone.
const SchemeNone = "none"
