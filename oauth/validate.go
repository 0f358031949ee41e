package oauth

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
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
	if d.ScopeDelimiter != "" && d.ScopeDelimiter != " " && d.ScopeDelimiter != "," {
		c.fail("use \" \" or \",\"", "scope_delimiter")
	}
	if m := d.PKCE.CodeChallengeMethod; m != "" && m != "S256" {
		c.fail("the only supported method is S256 (RFC 7636 section 4.2 forbids falling back to plain)", "pkce", "code_challenge_method")
	}
	switch {
	case !d.PKCE.On() && o.PublicClient:
		c.fail("a client without client_secret needs PKCE: set pkce.enabled to true, or give the client_secret", "pkce")
	case !d.PKCE.On():
		c.warn("PKCE is off: set pkce.enabled to true unless this server refuses it (RFC 9700 section 2.1.1)", "pkce")
	}
	if d.Issuer != "" {
		c.endpoint(d.Issuer, "issuer")
	}
	c.request("authorize_request", d.AuthorizeRequest, true)
	c.request("token_request", d.TokenRequest, true)
	if r := d.RefreshRequest; r != nil {
		c.request("refresh_request", *r, false)
	} else {
		c.warn("there is no refresh_request: refresh tokens are not used, and users have to authorize again when a token expires", "refresh_request")
	}
	if u := d.UserInfoRequest; u != nil {
		c.request("user_info_request", u.Request, true)
		if u.AuthMethod != "" && u.AuthMethod != AuthBearerAccessToken {
			c.fail("the only supported value is bearer_access_token", "user_info_request", "auth_method")
		}
		if u.Triggers == nil {
			c.fail("say when user info is asked for: triggers: {on_token_grant: true, on_token_refresh: false}", "user_info_request", "triggers")
		}
	}
	if i := d.TokenIntrospectionRequest; i != nil && (i.Enabled == nil || *i.Enabled) {
		c.request("token_introspection_request", i.Request, true)
		if f := i.ExpirationFormat; f != "" && f != ExpirationAbsolute && f != ExpirationRelative {
			c.fail("use absolute_unix_timestamp or relative_seconds", "token_introspection_request", "expiration_format")
		}
		for key := range i.ResponseMap {
			if key != "expires_in" && key != "scope" {
				c.fail("only expires_in and scope are read from here", "token_introspection_request", "response_map", key)
			}
		}
	}
	if r := d.RevokeRequest; r != nil {
		c.request("revoke_request", *r, true)
	}
	for i, rule := range d.Errors {
		if !slices.Contains([]Class{Reconsent, Misconfigured, ScopeMissing, Transient, UserChoice}, rule.Class) {
			c.fail("use reconsent, config, scope, transient or user", "errors", fmt.Sprint(i), "class")
		}
	}
	return c.problems
}

type checker struct {
	options  Options
	problems []Problem
}

func (c *checker) fail(message string, path ...string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message})
}

func (c *checker) warn(message string, path ...string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Warning: true})
}

func (c *checker) endpoint(raw string, path ...string) {
	if err := CheckEndpoint(raw, c.options.AllowHTTP); err != nil {
		c.fail(err.Error(), path...)
	}
}

var tokenMapKeys = []string{"access_token", "refresh_token", "token_type", "scope", "expires_in", "id_token"}

func (c *checker) request(name string, r Request, needsEndpoint bool) {
	if r.Endpoint != "" {
		c.endpoint(r.Endpoint, name, "endpoint")
	} else if needsEndpoint {
		c.fail("an endpoint is needed: an absolute https URL", name, "endpoint")
	}
	oneOf := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			c.fail("allowed: "+strings.Join(allowed, ", "), name, field)
		}
	}
	oneOf("method", r.Method, "GET", "POST")
	oneOf("auth_method", r.AuthMethod, AuthNone, AuthClientSecretBasic, AuthClientSecretPost, AuthBearerAccessToken)
	oneOf("basic_encoding", r.BasicEncoding, "form", "raw")
	oneOf("request_content_type", r.RequestContentType, ContentForm, ContentJSON)
	oneOf("response_content_type", r.ResponseContentType, ContentForm, ContentJSON)
	if name == "token_request" && r.AuthMethod == AuthBearerAccessToken {
		c.fail("there is no access token yet at this request", name, "auth_method")
	}
	for key, template := range r.Params {
		if err := checkTemplate(name, template); err != nil {
			c.fail(err.Error(), name, "params", key)
		}
	}
	for key, template := range r.Headers {
		if err := checkTemplate(name, template); err != nil {
			c.fail(err.Error(), name, "headers", key)
		}
	}
	if err := checkTemplate(name, r.AuthHeaderValueFormat); err != nil {
		c.fail(err.Error(), name, "auth_header_value_format")
	}
	if name == "token_request" || name == "refresh_request" {
		for key := range r.ResponseMap {
			if !slices.Contains(tokenMapKeys, key) {
				c.fail("allowed: "+strings.Join(tokenMapKeys, ", "), name, "response_map", key)
			}
		}
	}
}

// CheckEndpoint says what is wrong with a URL that secrets are sent to: it must be absolute, https
// (or http to this machine, or anywhere with allowHTTP), without user info and fragment.
func CheckEndpoint(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || !u.IsAbs() || len(raw) > 1000:
		return fmt.Errorf("%q is not an absolute URL of at most 1000 bytes, like https://login.example.com/oauth/token", clean(raw, 100))
	case u.User != nil:
		return fmt.Errorf("the URL of %s must not contain user info", u.Host)
	case u.Fragment != "":
		return fmt.Errorf("the URL of %s must not contain a fragment", u.Host)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("http to %s would send secrets in clear: use https (http is for this machine only, or with api.development: true)", u.Host)
	}
	return fmt.Errorf("the scheme %q is not supported: use https", u.Scheme)
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
