package oauth

import (
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// Problem is something wrong or doubtful in a [Definition].
type Problem struct {
	// Path leads to the value: "token_request", "params", "code".
	Path []string
	// Message says what is wrong and what is allowed. It contains no values of params or headers.
	Message string
	// Warning: it works, but someone should look at it.
	Warning bool
}

// Options are what [Definition.Problems] has to know of the client.
type Options struct {
	// PublicClient: there is no client secret.
	PublicClient bool
	// AllowHTTP permits plain http to other machines (api.development).
	AllowHTTP bool
}

// Problems checks a complete definition. A definition with a problem that is no warning must not be used.
func (d *Definition) Problems(o Options) []Problem {
	c := &checker{options: o}
	c.api(d.API)
	if d.KeysOnly() {
		return c.problems
	}
	c.oneOf(d.ScopeDelimiter, []string{" ", ","}, "scope_delimiter")
	c.pkce(d.PKCE)
	c.product(d)
	c.serverURL(d)
	if d.Issuer != "" {
		c.endpoint(d.Issuer, "issuer")
	}
	c.authorize(d.AuthorizeRequest)
	c.exchange(d.TokenRequest)
	if r := d.RefreshRequest; r != nil {
		c.tokenRequest("refresh_request", *r)
	} else {
		c.warn("there is no refresh_request: refresh tokens are not used, and users have to authorize again when a token expires", "refresh_request")
	}
	if u := d.UserInfoRequest; u != nil {
		c.userInfo(*u)
	}
	if s := d.SitesRequest; s != nil {
		c.sites(*s)
	}
	if i := d.TokenIntrospectionRequest; i != nil && i.on() {
		c.introspection(*i)
	}
	if r := d.RevokeRequest; r != nil {
		c.needed("revoke_request", *r)
		c.request("revoke_request", *r)
	}
	if r := d.DeviceRequest; r != nil {
		c.device(*r)
	}
	c.refreshing(d)
	for i, rule := range d.Errors {
		c.rule(strconv.Itoa(i), rule)
	}
	return c.problems
}

type checker struct {
	options  Options
	problems []Problem
	server   string // a server URL that was refused already
}

func (c *checker) fail(message string, path ...string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message})
}

func (c *checker) warn(message string, path ...string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Warning: true})
}

// oneOf refuses what is set and not allowed.
func (c *checker) oneOf(value string, allowed []string, path ...string) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	if slices.Contains(allowed, " ") {
		allowed = []string{`" "`, `","`}
	}
	c.fail("allowed: "+strings.Join(allowed, ", "), path...)
}

func (c *checker) endpoint(raw string, path ...string) {
	if c.server != "" && (strings.HasPrefix(raw, c.server) || strings.HasPrefix(raw, serverPlaceholder)) {
		return // the server's URL is to be repaired
	}
	if err := CheckEndpoint(raw, c.options.AllowHTTP); err != nil {
		c.fail(err.Error(), path...)
	}
}

func (c *checker) needed(name string, r Request) {
	if r.Endpoint == "" {
		c.fail("an endpoint is needed: an absolute https URL", name, "endpoint")
	}
}

// request checks what all requests have in common.
func (c *checker) request(name string, r Request) {
	if r.Endpoint != "" {
		c.endpoint(r.Endpoint, name, "endpoint")
	}
	c.oneOf(r.Method, []string{"GET", "POST"}, name, "method")
	c.oneOf(r.AuthMethod, []string{AuthNone, AuthClientSecretBasic, AuthClientSecretPost, AuthBearerAccessToken}, name, "auth_method")
	c.oneOf(r.BasicEncoding, []string{"form", "raw"}, name, "basic_encoding")
	c.oneOf(r.RequestContentType, []string{ContentForm, ContentJSON}, name, "request_content_type")
	c.oneOf(r.ResponseContentType, []string{ContentForm, ContentJSON}, name, "response_content_type")
	for _, key := range slices.Sorted(maps.Keys(r.Params)) {
		c.template(name, r.Params[key], name, "params", key)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Headers)) {
		c.template(name, r.Headers[key], name, "headers", key)
		c.header(key, r.Headers[key], name, "headers", key)
	}
	c.template(name, r.AuthHeaderValueFormat, name, "auth_header_value_format")
	c.header("Authorization", r.AuthHeaderValueFormat, name, "auth_header_value_format")
}

func (c *checker) template(request, template string, path ...string) {
	if err := checkTemplate(request, template); err != nil {
		c.fail(err.Error(), path...)
	}
}

// header refuses what does not go into a header, or belongs to the transport.
func (c *checker) header(name, value string, path ...string) {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type":
		c.fail("this header is made by the request itself", path...)
		return
	}
	if !headerName(name) {
		c.fail("a header name has letters, digits and hyphens only", path...)
	}
	if !headerValue(value) {
		c.fail("a header value has no line breaks or control characters", path...)
	}
}

// mapKeys refuses keys of a response map that nobody reads.
func (c *checker) mapKeys(name string, m ResponseMap, allowed ...string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(allowed, key) {
			c.fail("allowed: "+strings.Join(allowed, ", "), name, "response_map", key)
		}
	}
}
