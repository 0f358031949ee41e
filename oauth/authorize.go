package oauth

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

// AuthorizeOptions are what one authorization request asks for.
type AuthorizeOptions struct {
	// State is the state parameter.
	State secret.String
	// Verifier is the PKCE verifier whose challenge is sent; zero without PKCE.
	Verifier secret.String
	// Scopes are asked for, and Existing were granted before.
	Scopes, Existing []string
}

// AuthorizeURL builds the URL that the browser is sent to (RFC 6749 section 4.1.1). What stands in
// the endpoint's own query is kept, unless a parameter of the same name takes its place.
func (c *Client) AuthorizeURL(o AuthorizeOptions) (string, error) {
	d := c.Definition
	u, err := url.Parse(d.AuthorizeRequest.Endpoint)
	if err != nil || u.Host == "" {
		return "", &Error{At: AtCallback, Class: Misconfigured, Advice: "The authorization endpoint is not an absolute URL: repair authorize_request.endpoint"}
	}
	query := u.Query()
	for key, value := range expandParams(authorizeParams(d, o), c.authorizeValues(o), d.Delimiter()) {
		query.Set(key, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // Atlassian reads scopes only up to the first "+"
	return u.String(), nil
}

// AskedScopes are the scopes that the authorization request names, those included that the definition
// adds by itself, as a person should see them: of every parameter with scope in its name, sorted.
func (c *Client) AskedScopes(o AuthorizeOptions) []string {
	d := c.Definition
	var asked []string
	for key, value := range expandParams(authorizeParams(d, o), c.authorizeValues(o), d.Delimiter()) {
		if strings.Contains(strings.ToLower(key), "scope") {
			asked = append(asked, SplitScopes(value, d.Delimiter())...)
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked)
}

// authorizeParams adds what is sent whether or not the definition names it.
func authorizeParams(d *Definition, o AuthorizeOptions) map[string]string {
	params := maps.Clone(d.AuthorizeRequest.Params)
	if params == nil {
		params = map[string]string{
			"response_type": "code", "client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}",
			"scope": "{{scopes}} {{existing_scopes}}",
		}
	}
	params["state"] = "{{state}}"
	if o.Verifier.IsZero() { // a method without a challenge is refused
		delete(params, "code_challenge")
		delete(params, "code_challenge_method")
		return params
	}
	params["code_challenge"], params["code_challenge_method"] = "{{code_challenge}}", "{{code_challenge_method}}"
	return params
}

func (c *Client) authorizeValues(o AuthorizeOptions) values {
	d := c.Definition
	if len(d.Scopes.Levels) > 0 { // the highest of both lists is asked for, alone
		o.Scopes, o.Existing = d.Scopes.topmost(slices.Concat(o.Scopes, o.Existing)), nil
	}
	v := values{
		"client_id": c.ID, "redirect_uri": c.RedirectURI, "state": o.State.Reveal(),
		"scopes":          strings.Join(slices.Concat(o.Scopes, d.Scopes.Always), d.Delimiter()),
		"existing_scopes": strings.Join(o.Existing, d.Delimiter()),
	}
	if !o.Verifier.IsZero() {
		v["code_challenge"], v["code_challenge_method"] = challenge(o.Verifier), "S256"
	}
	return v
}
