package oauth

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// credentialParams gives the params of a request with the client's credentials in one place only:
// RFC 6749 section 2.3 allows one method per request, and Okta refuses two.
func (c *Client) credentialParams(r Request) map[string]string {
	params := maps.Clone(r.Params)
	if params == nil {
		params = map[string]string{}
	}
	switch {
	case c.secretInHeader(r):
		if !r.SendCredentialsTwice {
			maps.DeleteFunc(params, func(name, template string) bool {
				return name == "client_id" || name == "client_secret" || slices.Contains(names(template), "client_secret")
			})
		}
	case r.AuthMethod == AuthClientSecretPost:
		ensure(params, "client_id")
		ensure(params, "client_secret")
	case r.AuthMethod == AuthClientSecretBasic:
		ensure(params, "client_id") // a public client only says who it is (section 3.2.1)
	}
	return params
}

func ensure(params map[string]string, name string) {
	if !mentions(params, name) {
		params[name] = "{{" + name + "}}"
	}
}

func (c *Client) secretInHeader(r Request) bool {
	if r.AuthHeaderValueFormat != "" {
		return slices.Contains(names(r.AuthHeaderValueFormat), "client_secret")
	}
	return r.AuthMethod == AuthClientSecretBasic && !c.Secret.IsZero()
}

// authorization sets the Authorization header, if the request has one.
func (c *Client) authorization(req *http.Request, r Request, v values) {
	switch {
	case r.AuthHeaderValueFormat != "":
		req.Header.Set("Authorization", v.expand(r.AuthHeaderValueFormat))
	case r.AuthMethod == AuthBearerAccessToken:
		req.Header.Set("Authorization", "Bearer "+v["access_token"])
	case r.AuthMethod != AuthClientSecretBasic || c.Secret.IsZero():
	case r.BasicEncoding == "raw":
		req.SetBasicAuth(c.ID, c.Secret.Reveal())
	default: // RFC 6749 section 2.3.1 form-encodes both halves
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret.Reveal()))
	}
}
