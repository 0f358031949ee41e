package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

const authorization = "Authorization"

// lay puts a token on the request: in the place of its placeholder, else where the provider's rule says.
// Credentials of the agent's own are taken off, unless the policy lets them out: what reaches the host is
// the connection's and nobody else's.
func (x *exchange) lay(to *url.URL, h *held) *refusal {
	api := &x.via.API
	own, stood, refused := x.sift(api, to, h)
	if refused != nil {
		return refused
	}
	if !x.ruling.Own {
		x.query = withoutParameter(x.query, bearerParameter, x.found)
	}
	if x.found.text != "" && strings.Contains(x.query, x.found.text) {
		x.query, stood = x.found.replaceInQuery(x.query, h.token.Access.Reveal()), true
	}
	switch {
	case stood:
	case own:
		x.own = true
	case x.found.text != "":
		return refuse(http.StatusBadRequest, CodePlaceholderPath, keybearer.BadRequest, "the placeholder of %s stands in the path, where no credential is put: it would be in logs", named(x.found.ref))
	case api.Query != "":
		x.query = withParameter(x.query, api.Query, h.token.Access.Reveal())
	default:
		name, value := credentialHeader(api, h)
		x.header[name] = []string{value}
	}
	to.RawQuery = x.query
	return nil
}

// sift goes through the headers: it replaces the placeholder, and takes off credentials that it is not in.
func (x *exchange) sift(api *oauth.API, to *url.URL, h *held) (own, stood bool, refused *refusal) {
	header := api.Header
	if header == "" {
		header = authorization
	}
	for name, values := range x.header {
		credential := isCredential(name, header)
		if credential && len(values) > 1 {
			return own, stood, refuse(http.StatusBadRequest, CodeTwo, keybearer.BadRequest, "the header %s is there more than once", name)
		}
		put, replaced := x.replaced(name, values, to, h)
		switch {
		case replaced:
			x.header[name], stood = put, true
		case credential && x.ruling.Own:
			own = true
		case credential:
			delete(x.header, name)
		}
	}
	return own, stood, nil
}

// replaced is a header's values with the credential where the placeholder stands.
func (x *exchange) replaced(name string, values []string, to *url.URL, h *held) ([]string, bool) {
	if x.found.text == "" {
		return values, false
	}
	for i, value := range values {
		put := x.found.replaceIn(value, h.token.Access.Reveal())
		if put == value {
			continue
		}
		if name == authorization && x.otherScheme(value, to, h) {
			put = h.header
		}
		values = slices.Clone(values)
		values[i] = put
		next, _ := x.replaced(name, values, to, h)
		return next, true
	}
	return values, false
}

// otherScheme reports an Authorization whose scheme would not do for the token: Bearer for one that goes
// with a user name, and at the gateway Basic for one that does not. Programs are configured for API tokens,
// and the connection may be of another kind.
func (x *exchange) otherScheme(value string, to *url.URL, h *held) bool {
	scheme, _, _ := strings.Cut(value, " ")
	if h.token.Username != "" {
		return strings.EqualFold(scheme, "Bearer")
	}
	return strings.EqualFold(scheme, "Basic") && x.via.Gateway != "" && to.Scheme+"://"+to.Host == x.via.Gateway
}

// credentialHeader is what the provider's rule puts on a request that has no credential.
func credentialHeader(api *oauth.API, h *held) (name, value string) {
	name = authorization
	if api.Header != "" {
		name = http.CanonicalHeaderKey(api.Header)
	}
	access := h.token.Access.Reveal()
	switch {
	case api.Scheme == "" && name == authorization:
		return name, h.header
	case api.Scheme == "" || api.Scheme == oauth.SchemeNone:
		return name, access
	case strings.EqualFold(api.Scheme, "Basic") && h.token.Username != "":
		return name, basicValue(h.token.Username, access)
	case strings.EqualFold(api.Scheme, "Basic"): // a key that stands alone is the user, by custom
		return name, basicValue(access, "")
	}
	return name, api.Scheme + " " + access
}

// bearerParameter is where RFC 6750 section 2.3 permits a token that is not in a header.
const bearerParameter = "access_token"

// withParameter sets one parameter of a query, and leaves the others as they were written.
func withParameter(query, name, value string) string {
	query = withoutParameter(query, name, placeholder{})
	if query != "" {
		query += "&"
	}
	return query + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

// withoutParameter takes one parameter off, unless it has the placeholder.
func withoutParameter(query, name string, held placeholder) string {
	if query == "" {
		return ""
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(key)
		if err != nil || plain != name || held.text != "" && strings.Contains(value, held.text) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
