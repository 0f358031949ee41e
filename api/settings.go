package api

import (
	"encoding/json"
	"errors"
)

// OAuth2Settings say how to talk to a provider: the settings object of engine.yaml as JSON. Package
// oauth explains each field (Definition); a test holds the two against each other.
type OAuth2Settings struct {
	// API says where the provider's API is and how requests to it carry a credential, for a proxy. (Ours.)
	API *ProviderAPI `json:"api,omitempty"`
	// DisplayName is what people call the provider. (Ours.)
	DisplayName *string `json:"display_name,omitempty"`
	// ServerURL is where a server of one's own is, for the types that have such: its base URL with the
	// context path. It takes the place of {{server_url}} in endpoints. (Ours.)
	ServerURL *string `json:"server_url,omitempty" jsonschema:"maxLength=900,example=https://jira.example.com/jira"`
	// Product is which of the type's products it is: jira or confluence for atlassian-data-center. (Ours.)
	Product *string `json:"product,omitempty" jsonschema:"maxLength=100,example=jira"`
	// Issuer is the issuer identifier that an iss parameter of the callback must equal. (Ours.)
	Issuer *string `json:"issuer,omitempty"`
	// ScopeDelimiter stands between scopes: a space, also when it is absent, or a comma.
	ScopeDelimiter *string `json:"scope_delimiter,omitempty" jsonschema:"enum= ,enum=\\,"`
	// Scopes are rules about scopes. (Ours.)
	Scopes *ScopeRules `json:"scopes,omitempty"`
	PKCE   *PKCE       `json:"pkce,omitempty"`

	AuthorizeRequest *RequestConfig `json:"authorize_request,omitempty"`
	TokenRequest     *RequestConfig `json:"token_request,omitempty"`
	RefreshRequest   *RequestConfig `json:"refresh_request,omitempty"`
	UserInfoRequest  *UserInfo      `json:"user_info_request,omitempty"`
	// SitesRequest asks which sites a token reaches. (Ours.)
	SitesRequest              *UserInfo      `json:"sites_request,omitempty"`
	TokenIntrospectionRequest *Introspection `json:"token_introspection_request,omitempty"`
	// RevokeRequest is sent when a connection is deleted. (Ours.)
	RevokeRequest *RequestConfig `json:"revoke_request,omitempty"`
	// DeviceRequest asks for a device code and a user code (RFC 8628). (Ours.)
	DeviceRequest *RequestConfig `json:"device_authorization_request,omitempty"`

	// Expiry says what holds when an answer carries no lifetime. (Ours.)
	Expiry *Expiry `json:"expiry,omitempty"`
	// Refresh is the policy of refreshing. (Ours.)
	Refresh *RefreshPolicy `json:"refresh,omitempty"`
	// TokenTypes are accepted beside bearer. (Ours.)
	TokenTypes []string `json:"token_types,omitempty"`
	// Errors are the provider's own dialect of failure. (Ours.)
	Errors []ErrorRule `json:"errors,omitempty"`
}

// ScopeRules are rules about scopes.
type ScopeRules struct {
	// Always are added to every authorization request.
	Always []string `json:"always,omitempty"`
	// Default is asked for when the caller names none.
	Default []string `json:"default,omitempty"`
	// Levels are scopes of which each includes those before it.
	Levels []string `json:"levels,omitempty"`
	// Known are all scopes that there are, beside Levels; others are refused at once.
	Known []string `json:"known,omitempty"`
}

// PKCE is RFC 7636.
type PKCE struct {
	Enabled *bool `json:"enabled,omitempty"`
	// CodeChallengeMethod is S256, also when it is absent.
	CodeChallengeMethod *string `json:"code_challenge_method,omitempty" jsonschema:"enum=S256"`
}

// RequestConfig describes one kind of HTTP request to the provider.
type RequestConfig struct {
	// Endpoint is needed unless the well-known type has one.
	Endpoint *string `json:"endpoint,omitempty" jsonschema:"maxLength=1000"`
	Method   *string `json:"method,omitempty" jsonschema:"example=POST"`
	// AuthMethod is empty or none, client_secret_basic, client_secret_post or bearer_access_token.
	AuthMethod            *string `json:"auth_method,omitempty"`
	AuthHeaderValueFormat *string `json:"auth_header_value_format,omitempty" jsonschema:"maxLength=200"`
	// BasicEncoding is form or raw. (Ours.)
	BasicEncoding *string `json:"basic_encoding,omitempty" jsonschema:"enum=form,enum=raw"`
	// SendCredentialsTwice keeps credentials in params beside client_secret_basic. (Ours.)
	SendCredentialsTwice *bool             `json:"send_credentials_twice,omitempty"`
	Params               map[string]string `json:"params,omitempty"`
	// Headers are templates, too. (Ours.)
	Headers             map[string]string `json:"headers,omitempty"`
	RequestContentType  *string           `json:"request_content_type,omitempty" jsonschema:"enum=application/x-www-form-urlencoded,enum=application/json"`
	ResponseContentType *string           `json:"response_content_type,omitempty" jsonschema:"enum=application/x-www-form-urlencoded,enum=application/json"`
	// ResponseMap says where in an answer the fields are.
	ResponseMap map[string]Expressions `json:"response_map,omitempty"`
}

// UserInfo is the request for what the provider says of the user.
type UserInfo struct {
	RequestConfig
	Triggers *Triggers `json:"triggers,omitempty"`
}

// Introspection is RFC 7662.
type Introspection struct {
	RequestConfig
	Enabled *bool `json:"enabled,omitempty"`
	// ExpirationFormat is absolute_unix_timestamp, also when it is absent, or relative_seconds.
	ExpirationFormat *string   `json:"expiration_format,omitempty" jsonschema:"enum=absolute_unix_timestamp,enum=relative_seconds"`
	Triggers         *Triggers `json:"triggers,omitempty"`
}

// Triggers say when a request is made.
type Triggers struct {
	OnTokenGrant   *bool `json:"on_token_grant,omitempty"`
	OnTokenRefresh *bool `json:"on_token_refresh,omitempty"`
}

// Expiry says what holds when an answer carries no usable lifetime.
type Expiry struct {
	// Default is a duration such as 90s, 10m or 2160h.
	Default *string `json:"default,omitempty" jsonschema:"example=1h0m0s"`
}

// RefreshPolicy is how the engine refreshes.
type RefreshPolicy struct {
	// Skew is how long before its end a token counts as stale.
	Skew *string `json:"skew,omitempty" jsonschema:"example=1m0s"`
	// ReuseGrace is how long the provider accepts a refresh token again after it was rotated.
	ReuseGrace *string `json:"reuse_grace,omitempty" jsonschema:"example=10m0s"`
	// IdleExpiry is how long a refresh token lives that nobody presents.
	IdleExpiry *string `json:"idle_expiry,omitempty" jsonschema:"example=2160h0m0s"`
	// Ahead says which tokens are refreshed before they are asked for: those that are used, also when
	// it is absent, all, or none.
	Ahead *string `json:"ahead,omitempty" jsonschema:"enum=used,enum=always,enum=never"`
	// Rate is how many refreshes that nobody waits for are made in a second at most; 10 when it is absent.
	Rate *int `json:"rate,omitempty" jsonschema:"minimum=1,maximum=1000"`
	// OneGrantPerAccount: connections of one account share a grant at the provider.
	OneGrantPerAccount *bool `json:"one_grant_per_account,omitempty"`
}

// ErrorRule recognises one failure in the provider's own dialect.
type ErrorRule struct {
	On          string `json:"on,omitempty" jsonschema:"enum=callback,enum=token,enum=refresh,enum=user_info,enum=sites"`
	Status      int    `json:"status,omitempty"`
	Code        string `json:"code,omitempty"`
	Description string `json:"description,omitempty"`
	Class       string `json:"class" jsonschema:"enum=reconsent,enum=config,enum=scope,enum=transient,enum=user"`
	Advice      string `json:"advice"`
}

// Expressions are the ways to one field of an answer, of which the first to find something counts.
// In JSON they are a string where there is one, and a list of strings where there are several.
type Expressions []string

// MarshalJSON writes one expression as a string.
func (e Expressions) MarshalJSON() ([]byte, error) {
	if len(e) == 1 {
		return json.Marshal(e[0])
	}
	return json.Marshal([]string(e))
}

// UnmarshalJSON reads a string or a list of strings.
func (e *Expressions) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*e = Expressions{one}
		return nil
	}
	var several []string
	if json.Unmarshal(data, &several) != nil {
		return errors.New("a response_map holds strings or lists of strings")
	}
	*e = several
	return nil
}

// ProviderAPI says where a provider's API is and how requests to it carry a credential. (Ours.)
type ProviderAPI struct {
	// Hosts are host names, or *.example.com for all below one; with a port that is not 443, and with a path
	// where only what is below it is meant.
	Hosts []string `json:"hosts,omitempty"`
	// Replace are hosts that take the credential where a program sends it by itself: nothing is added there.
	Replace []string `json:"replace,omitempty"`
	// Header is where the credential goes when a request carries none; Authorization by default.
	Header string `json:"header,omitempty"`
	// Scheme stands before it, none for the credential alone.
	Scheme string `json:"scheme,omitempty"`
	// Query is a query parameter in place of the header.
	Query string `json:"query,omitempty"`
	// Env are the environment variables that programs read, by name: token, username, server_url or a text.
	Env map[string]string `json:"env,omitempty"`
	// KeyPrefix and KeyLength are the shape of the provider's own credentials.
	KeyPrefix string `json:"key_prefix,omitempty"`
	KeyLength int    `json:"key_length,omitempty"`
	// KeyPattern is a regular expression that an API key matches, and KeyHint says it in words.
	KeyPattern string `json:"key_pattern,omitempty"`
	KeyHint    string `json:"key_hint,omitempty"`
	// KeysURL is the page where people make one.
	KeysURL string `json:"keys_url,omitempty"`
}
