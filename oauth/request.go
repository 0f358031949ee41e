package oauth

// Client authentication methods of a [Request].
const (
	// AuthNone, like an empty method: credentials, if any, are where params put them.
	AuthNone = "none"
	// AuthClientSecretBasic puts them into the Authorization header. A client without a secret sends
	// its client_id as a parameter instead (RFC 6749 section 3.2.1).
	AuthClientSecretBasic = "client_secret_basic"
	// AuthClientSecretPost puts them into the params, if they are not there yet.
	AuthClientSecretPost = "client_secret_post"
	// AuthBearerAccessToken sends the access token in place of the client's credentials.
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

// Introspects reports whether introspection is asked for at this place: AtToken or AtRefresh.
func (d *Definition) Introspects(at string) bool {
	i := d.TokenIntrospectionRequest
	return i != nil && i.on() && i.Triggers.at(at)
}

// AsksUserInfo reports whether user info is asked for at this place: AtToken or AtRefresh.
func (d *Definition) AsksUserInfo(at string) bool {
	return d.UserInfoRequest != nil && d.UserInfoRequest.Triggers.at(at)
}

func (t *Triggers) at(place string) bool {
	return t != nil && (place == AtToken && t.OnTokenGrant || place == AtRefresh && t.OnTokenRefresh)
}

// on: the section alone switches introspection on, since the admin API's create request has no
// enabled.
func (i *Introspection) on() bool { return i.Enabled == nil || *i.Enabled }
