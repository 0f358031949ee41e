package oauth

import (
	"maps"
	"slices"
	"time"
)

// Definition says how to talk to one kind of provider. It is data: written in engine.yaml, in the
// bundled catalogue or over the admin API. The zero value of each field means the documented default.
// Names follow the engine.yaml reference; what this project adds is marked so.
type Definition struct {
	// DisplayName is what people call the provider, for pages and messages. (Ours.)
	DisplayName string `yaml:"display_name,omitempty" json:"display_name,omitempty"`
	// Issuer is the issuer identifier (RFC 8414) that an iss parameter of the callback must equal
	// (RFC 9207). Empty: the iss must share its origin with an endpoint. (Ours.)
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	// ScopeDelimiter stands between scopes in requests and answers: " " (default) or ",".
	ScopeDelimiter string `yaml:"scope_delimiter,omitempty" json:"scope_delimiter,omitempty"`
	// Scopes are rules about scopes. (Ours.)
	Scopes ScopeRules `yaml:"scopes,omitempty" json:"scopes,omitzero"`
	// PKCE is off by default for definitions of one's own, as the reference says.
	PKCE PKCE `yaml:"pkce,omitempty" json:"pkce,omitzero"`

	AuthorizeRequest          Request        `yaml:"authorize_request,omitempty" json:"authorize_request,omitzero"`
	TokenRequest              Request        `yaml:"token_request,omitempty" json:"token_request,omitzero"`
	RefreshRequest            *Request       `yaml:"refresh_request,omitempty" json:"refresh_request,omitempty"`
	UserInfoRequest           *UserInfo      `yaml:"user_info_request,omitempty" json:"user_info_request,omitempty"`
	TokenIntrospectionRequest *Introspection `yaml:"token_introspection_request,omitempty" json:"token_introspection_request,omitempty"`
	// RevokeRequest is sent when a connection is deleted (RFC 7009). (Ours.)
	RevokeRequest *Request `yaml:"revoke_request,omitempty" json:"revoke_request,omitempty"`

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
}

// PKCE is RFC 7636. The only supported method is S256.
type PKCE struct {
	Enabled             *bool  `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	CodeChallengeMethod string `yaml:"code_challenge_method,omitempty" json:"code_challenge_method,omitempty" jsonschema:"enum=S256"`
}

// On reports whether PKCE is used.
func (p PKCE) On() bool { return p.Enabled != nil && *p.Enabled }

// Client authentication methods of a [Request].
const (
	AuthNone              = "none" // credentials, if any, are where params put them
	AuthClientSecretBasic = "client_secret_basic"
	AuthClientSecretPost  = "client_secret_post"
	AuthBearerAccessToken = "bearer_access_token"
)

// Content types of requests and answers.
const (
	ContentForm = "application/x-www-form-urlencoded"
	ContentJSON = "application/json"
)

// Request describes one kind of HTTP request to the provider.
type Request struct {
	// Endpoint is an absolute https URL (http only to this machine). Its query is kept.
	Endpoint string `yaml:"endpoint,omitempty" json:"endpoint,omitempty" jsonschema:"format=uri,maxLength=1000"`
	// Method is GET or POST. Default: GET for authorize and user info, POST for the others.
	Method string `yaml:"method,omitempty" json:"method,omitempty" jsonschema:"enum=GET,enum=POST"`
	// AuthMethod is one of the Auth constants. With client_secret_basic the credentials are taken
	// out of params, since strict servers refuse them twice (RFC 6749 section 2.3).
	AuthMethod string `yaml:"auth_method,omitempty" json:"auth_method,omitempty" jsonschema:"enum=none,enum=client_secret_basic,enum=client_secret_post,enum=bearer_access_token,enum="`
	// AuthHeaderValueFormat is a template for the whole Authorization header, in place of what
	// AuthMethod would send.
	AuthHeaderValueFormat string `yaml:"auth_header_value_format,omitempty" json:"auth_header_value_format,omitempty" jsonschema:"maxLength=200"`
	// BasicEncoding is "form" (default, RFC 6749 section 2.3.1) or "raw". (Ours.)
	BasicEncoding string `yaml:"basic_encoding,omitempty" json:"basic_encoding,omitempty" jsonschema:"enum=form,enum=raw"`
	// SendCredentialsTwice keeps client_id and client_secret in params beside client_secret_basic. (Ours.)
	SendCredentialsTwice bool `yaml:"send_credentials_twice,omitempty" json:"send_credentials_twice,omitempty"`
	// Params are templates; see [Placeholders]. A parameter that ends up empty is not sent. Absent
	// params mean the ordinary ones of RFC 6749 for this kind of request.
	Params map[string]string `yaml:"params,omitempty" json:"params,omitempty"`
	// Headers are templates, too. (Ours.)
	Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
	// RequestContentType is form (default) or JSON.
	RequestContentType string `yaml:"request_content_type,omitempty" json:"request_content_type,omitempty" jsonschema:"enum=application/x-www-form-urlencoded,enum=application/json"`
	// ResponseContentType is JSON (default) or form. The answer itself is believed first.
	ResponseContentType string `yaml:"response_content_type,omitempty" json:"response_content_type,omitempty" jsonschema:"enum=application/x-www-form-urlencoded,enum=application/json"`
	// ResponseMap finds the fields of the answer; a field that it does not name is looked for under
	// its standard name.
	ResponseMap ResponseMap `yaml:"response_map,omitempty" json:"response_map,omitempty"`
}

// Triggers say when user info or introspection is asked for.
type Triggers struct {
	OnTokenGrant   bool `yaml:"on_token_grant" json:"on_token_grant"`
	OnTokenRefresh bool `yaml:"on_token_refresh" json:"on_token_refresh"`
}

// UserInfo is the request for what the provider says of the user.
type UserInfo struct {
	Request  `yaml:",inline"`
	Triggers *Triggers `yaml:"triggers,omitempty" json:"triggers,omitempty"`
}

// Introspection is RFC 7662, for providers whose token answers lack expiry or scope.
type Introspection struct {
	Request `yaml:",inline"`
	Enabled *bool `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	// ExpirationFormat is absolute_unix_timestamp (default) or relative_seconds.
	ExpirationFormat string    `yaml:"expiration_format,omitempty" json:"expiration_format,omitempty" jsonschema:"enum=absolute_unix_timestamp,enum=relative_seconds"`
	Triggers         *Triggers `yaml:"triggers,omitempty" json:"triggers,omitempty"`
}

// Expiry says what holds when an answer carries no usable lifetime.
type Expiry struct {
	// Default is the lifetime to assume. Zero: the token is used until it is refused.
	Default Duration `yaml:"default,omitempty" json:"default,omitempty"`
}

// RefreshPolicy is how the engine refreshes.
type RefreshPolicy struct {
	// Skew is how long before expiry a token counts as stale. Default 60s, and never more than a
	// tenth of the token's life.
	Skew Duration `yaml:"skew,omitempty" json:"skew,omitempty"`
	// ReuseGrace is how long the provider accepts a refresh token again after it was rotated.
	ReuseGrace Duration `yaml:"reuse_grace,omitempty" json:"reuse_grace,omitempty"`
}

// ErrorRule recognises one failure in the provider's own dialect. All conditions that are set must
// hold; the first rule that fits decides.
type ErrorRule struct {
	// On is where it happens: callback, token (code exchange), refresh, user_info. Empty: anywhere.
	On string `yaml:"on,omitempty" json:"on,omitempty" jsonschema:"enum=callback,enum=token,enum=refresh,enum=user_info"`
	// Status is the HTTP status of the answer.
	Status int `yaml:"status,omitempty" json:"status,omitempty"`
	// Code is the error code (RFC 6749 section 5.2), compared exactly.
	Code string `yaml:"code,omitempty" json:"code,omitempty"`
	// Description is a part of the error description, compared without case.
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
	// Class is what kind of failure it is.
	Class Class `yaml:"class" json:"class" jsonschema:"enum=reconsent,enum=config,enum=scope,enum=transient,enum=user"`
	// Advice tells a person what to do next.
	Advice string `yaml:"advice" json:"advice"`
}

// Duration is a time.Duration written as "90s", "10m", "2160h" in YAML and JSON.
type Duration time.Duration

// D gives the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalText writes it as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads; it refuses negative durations.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return &durationError{string(text)}
	}
	*d = Duration(v)
	return nil
}

type durationError struct{ text string }

func (e *durationError) Error() string {
	return `"` + e.text + `" is not a duration: write a number with a unit, like 90s, 10m or 720h`
}

// Delimiter is the scope delimiter with its default.
func (d *Definition) Delimiter() string {
	if d.ScopeDelimiter == "" {
		return " "
	}
	return d.ScopeDelimiter
}

// Override lays the fields that are set in over on top of d: requests and params are merged piece
// by piece, lists are replaced. Neither argument is changed.
func (d Definition) Override(over Definition) Definition {
	set(&d.DisplayName, over.DisplayName)
	set(&d.Issuer, over.Issuer)
	set(&d.ScopeDelimiter, over.ScopeDelimiter)
	setList(&d.Scopes.Always, over.Scopes.Always)
	setList(&d.Scopes.Default, over.Scopes.Default)
	set(&d.PKCE.Enabled, over.PKCE.Enabled)
	set(&d.PKCE.CodeChallengeMethod, over.PKCE.CodeChallengeMethod)
	d.AuthorizeRequest = d.AuthorizeRequest.override(over.AuthorizeRequest)
	d.TokenRequest = d.TokenRequest.override(over.TokenRequest)
	d.RefreshRequest = overridePtr(d.RefreshRequest, over.RefreshRequest, Request.override)
	d.UserInfoRequest = overridePtr(d.UserInfoRequest, over.UserInfoRequest, UserInfo.override)
	d.TokenIntrospectionRequest = overridePtr(d.TokenIntrospectionRequest, over.TokenIntrospectionRequest, Introspection.override)
	d.RevokeRequest = overridePtr(d.RevokeRequest, over.RevokeRequest, Request.override)
	set(&d.Expiry.Default, over.Expiry.Default)
	set(&d.Refresh.Skew, over.Refresh.Skew)
	set(&d.Refresh.ReuseGrace, over.Refresh.ReuseGrace)
	setList(&d.TokenTypes, over.TokenTypes)
	if len(over.Errors) > 0 { // the operator's rules are looked at first
		d.Errors = slices.Concat(over.Errors, d.Errors)
	}
	return d
}

func (r Request) override(over Request) Request {
	set(&r.Endpoint, over.Endpoint)
	set(&r.Method, over.Method)
	set(&r.AuthMethod, over.AuthMethod)
	set(&r.AuthHeaderValueFormat, over.AuthHeaderValueFormat)
	set(&r.BasicEncoding, over.BasicEncoding)
	set(&r.SendCredentialsTwice, over.SendCredentialsTwice)
	set(&r.RequestContentType, over.RequestContentType)
	set(&r.ResponseContentType, over.ResponseContentType)
	r.Params = merged(r.Params, over.Params)
	r.Headers = merged(r.Headers, over.Headers)
	r.ResponseMap = merged(r.ResponseMap, over.ResponseMap)
	return r
}

func (u UserInfo) override(over UserInfo) UserInfo {
	u.Request = u.Request.override(over.Request)
	set(&u.Triggers, over.Triggers)
	return u
}

func (i Introspection) override(over Introspection) Introspection {
	i.Request = i.Request.override(over.Request)
	set(&i.Enabled, over.Enabled)
	set(&i.ExpirationFormat, over.ExpirationFormat)
	set(&i.Triggers, over.Triggers)
	return i
}

func overridePtr[T any](base, over *T, override func(T, T) T) *T {
	switch {
	case over == nil:
		return base
	case base == nil:
		return over
	}
	merged := override(*base, *over)
	return &merged
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

func setList(field *[]string, value []string) {
	if value != nil {
		*field = value
	}
}

func merged[M ~map[string]V, V any](base, over M) M {
	if len(over) == 0 {
		return base
	}
	out := maps.Clone(base)
	if out == nil {
		out = make(M, len(over))
	}
	maps.Copy(out, over)
	return out
}
