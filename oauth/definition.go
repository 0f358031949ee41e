package oauth

// Definition says how to talk to one kind of provider. It is data: written in engine.yaml, in the
// bundled catalogue or over the admin API. The zero value of each field means the documented default.
// Names follow the engine.yaml reference; what this project adds is marked so.
type Definition struct {
	// DisplayName is what people call the provider, for pages and messages. (Ours.)
	DisplayName string `yaml:"display_name,omitempty" json:"display_name,omitempty"`
	// ServerURL is the base URL of a server of one's own, with its context path:
	// https://jira.example.com/jira. It takes the place of {{server_url}} in the endpoints. In
	// engine.yaml it stands beside provider_id. (Ours.)
	ServerURL string `yaml:"-" json:"server_url,omitempty"`
	// Product chooses among Products. In engine.yaml it stands beside provider_id. (Ours.)
	Product string `yaml:"-" json:"product,omitempty"`
	// Products are what differs between the products that share a kind of server. Only the bundled
	// catalogue has them.
	Products map[string]Definition `yaml:"-" json:"-"`
	// Issuer is the issuer identifier (RFC 8414) that an iss parameter of the callback must equal
	// (RFC 9207). Empty: the iss must share its origin with an endpoint. (Ours.)
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	// ScopeDelimiter stands between scopes in requests and answers: " " (default) or ",".
	ScopeDelimiter string `yaml:"scope_delimiter,omitempty" json:"scope_delimiter,omitempty"`
	// Scopes are rules about scopes. (Ours.)
	Scopes ScopeRules `yaml:"scopes,omitempty" json:"scopes,omitzero"`
	// PKCE is off by default for definitions of one's own, as the reference says.
	PKCE PKCE `yaml:"pkce,omitempty" json:"pkce,omitzero"`

	AuthorizeRequest Request   `yaml:"authorize_request,omitempty" json:"authorize_request,omitzero"`
	TokenRequest     Request   `yaml:"token_request,omitempty" json:"token_request,omitzero"`
	RefreshRequest   *Request  `yaml:"refresh_request,omitempty" json:"refresh_request,omitempty"`
	UserInfoRequest  *UserInfo `yaml:"user_info_request,omitempty" json:"user_info_request,omitempty"`
	// SitesRequest asks which sites a token reaches, where a provider has such: Atlassian Cloud. (Ours.)
	SitesRequest              *UserInfo      `yaml:"sites_request,omitempty" json:"sites_request,omitempty"`
	TokenIntrospectionRequest *Introspection `yaml:"token_introspection_request,omitempty" json:"token_introspection_request,omitempty"`
	// RevokeRequest is sent when a connection is deleted (RFC 7009). (Ours.)
	RevokeRequest *Request `yaml:"revoke_request,omitempty" json:"revoke_request,omitempty"`
	// DeviceRequest asks for a device code and a user code (RFC 8628), for machines without a browser.
	// The token is asked for where token_request goes. (Ours.)
	DeviceRequest *Request `yaml:"device_authorization_request,omitempty" json:"device_authorization_request,omitempty"`

	// API says where the provider's API is, for a proxy. (Ours.)
	API API `yaml:"api,omitempty" json:"api,omitzero"`
	// Expiry says what holds when an answer does not. (Ours.)
	Expiry Expiry `yaml:"expiry,omitempty" json:"expiry,omitzero"`
	// Refresh is the policy of refreshing. (Ours.)
	Refresh RefreshPolicy `yaml:"refresh,omitempty" json:"refresh,omitzero"`
	// TokenTypes are accepted beside "bearer" (RFC 6750), which is always accepted. (Ours.)
	TokenTypes []string `yaml:"token_types,omitempty" json:"token_types,omitempty"`
	// Errors are the provider's own dialect of failure, looked at before the general rules. (Ours.)
	Errors []ErrorRule `yaml:"errors,omitempty" json:"errors,omitempty"`
}

// ScopeRules are rules about scopes.
type ScopeRules struct {
	// Always are added to every authorization request and are not compared with what was granted
	// (offline_access, which many providers accept and then do not list).
	Always []string `yaml:"always,omitempty" json:"always,omitempty"`
	// Default is asked for when the caller names none.
	Default []string `yaml:"default,omitempty" json:"default,omitempty"`
	// Levels are scopes of which each includes those before it: one is enough to ask for, and what a
	// grant reaches is counted with those below. There are no others, unless they are known as well.
	Levels []string `yaml:"levels,omitempty" json:"levels,omitempty"`
	// Known are all scopes that there are, where that is few: others are refused before a browser opens.
	Known []string `yaml:"known,omitempty" json:"known,omitempty"`
}

// PKCE is RFC 7636. The only supported method is S256.
type PKCE struct {
	Enabled             *bool  `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	CodeChallengeMethod string `yaml:"code_challenge_method,omitempty" json:"code_challenge_method,omitempty" jsonschema:"enum=S256"`
}

// On reports whether PKCE is used.
func (p PKCE) On() bool { return p.Enabled != nil && *p.Enabled }

// Expiry says what holds when an answer carries no usable lifetime.
type Expiry struct {
	// Default is the lifetime to assume. Zero: the token is used until it is refused.
	Default Duration `yaml:"default,omitempty" json:"default,omitempty"`
}

// RefreshPolicy is how the engine refreshes.
type RefreshPolicy struct {
	// Skew is how long before expiry a token counts as stale. Default 60s, and never more than a
	// tenth of the token's life, or a second where that is more.
	Skew Duration `yaml:"skew,omitempty" json:"skew,omitempty"`
	// ReuseGrace is how long the provider accepts a refresh token again after it was rotated.
	ReuseGrace Duration `yaml:"reuse_grace,omitempty" json:"reuse_grace,omitempty"`
	// IdleExpiry is how long a refresh token lives that nobody presents. Where it is known, it is
	// presented in time, though nobody ask for a token. Zero: unknown.
	IdleExpiry Duration `yaml:"idle_expiry,omitempty" json:"idle_expiry,omitempty"`
	// Ahead says which tokens are refreshed before they are asked for: used (default), those that were
	// handed out within about two of their lives; always; never.
	Ahead string `yaml:"ahead,omitempty" json:"ahead,omitempty" jsonschema:"enum=used,enum=always,enum=never"`
	// Rate is how many refreshes that nobody waits for are made in a second at most, by all replicas
	// together. Default 10.
	Rate int `yaml:"rate,omitempty" json:"rate,omitempty" jsonschema:"minimum=1,maximum=1000"`
	// OneGrantPerAccount: the provider keeps one grant for a client and an account, so that several
	// connections of one account have one fate, and are refreshed one after the other.
	OneGrantPerAccount *bool `yaml:"one_grant_per_account,omitempty" json:"one_grant_per_account,omitempty"`
}

// The values of [RefreshPolicy.Ahead].
const (
	AheadUsed   = "used"
	AheadAlways = "always"
	AheadNever  = "never"
)

const (
	defaultRate = 10
	maxRate     = 1000
)

// PerSecond is Rate with its default.
func (p RefreshPolicy) PerSecond() int {
	if p.Rate == 0 {
		return defaultRate
	}
	return p.Rate
}

// SharedFate reports whether OneGrantPerAccount is set.
func (p RefreshPolicy) SharedFate() bool { return p.OneGrantPerAccount != nil && *p.OneGrantPerAccount }

// Delimiter is the scope delimiter with its default.
func (d *Definition) Delimiter() string {
	if d.ScopeDelimiter == "" {
		return " "
	}
	return d.ScopeDelimiter
}
