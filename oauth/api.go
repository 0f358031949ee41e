package oauth

import (
	"regexp"
	"slices"
	"strings"
)

// API says where a provider's API is and how requests to it carry a credential: what a proxy needs to
// put a header on an agent's own request. (Ours.)
type API struct {
	// Hosts are the hosts of the API: "api.github.com", or "*.example.com" for all hosts below one (not
	// itself), which needs at least two labels behind the star. A port is named where it is not 443, and a
	// path where only what is below it is meant: "www.example.com:8443/api". The value "{{server_url}}"
	// stands for the server of [Definition.ServerURL], with its path. Requests go by https; by plain http
	// only to this machine, which is written "http://127.0.0.1:9100".
	Hosts []string `yaml:"hosts,omitempty" json:"hosts,omitempty"`
	// Replace are hosts that take the credential, too, but only where a program sends it by itself: nothing is added
	// to a request without one. Git's hosts are such, which want it in Basic, and of those alone who need it.
	Replace []string `yaml:"replace,omitempty" json:"replace,omitempty"`
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

func (a API) override(over API) API {
	setList(&a.Hosts, over.Hosts)
	setList(&a.Replace, over.Replace)
	set(&a.Header, over.Header)
	set(&a.Scheme, over.Scheme)
	set(&a.Query, over.Query)
	a.Env = merged(a.Env, over.Env)
	set(&a.KeyPrefix, over.KeyPrefix)
	set(&a.KeyLength, over.KeyLength)
	set(&a.KeyPattern, over.KeyPattern)
	set(&a.KeyHint, over.KeyHint)
	set(&a.KeysURL, over.KeysURL)
	return a
}

// fillServer names the server of one's own among the hosts.
func (a *API) fillServer(server string) {
	if !slices.Contains(a.Hosts, serverPlaceholder) {
		return
	}
	hosts := make([]string, 0, len(a.Hosts))
	for _, h := range a.Hosts {
		if h == serverPlaceholder {
			h = strings.TrimPrefix(server, "https://")
			if _, err := ParseHost(h); err != nil { // plain http to another machine: no proxy sends a token there
				continue
			}
		}
		hosts = append(hosts, h)
	}
	a.Hosts = hosts
}

// FitsKey reports whether a text can be a key of the provider.
func (a *API) FitsKey(key string) bool {
	if a.KeyPattern == "" {
		return true
	}
	pattern, err := regexp.Compile(`^(?:` + a.KeyPattern + `)$`)
	return err == nil && pattern.MatchString(key)
}

// All are Hosts and Replace: where a credential may go.
func (a *API) All() []string { return slices.Concat(a.Hosts, a.Replace) }

// KeysOnly reports whether the definition has no OAuth at all: its connections are keys that are given.
func (d *Definition) KeysOnly() bool {
	return d.AuthorizeRequest.Endpoint == "" && d.TokenRequest.Endpoint == "" && len(d.API.Hosts) > 0
}
