package oauth

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// The spellings of Introspection.ExpirationFormat.
const (
	ExpirationAbsolute = "absolute_unix_timestamp"
	ExpirationRelative = "relative_seconds"
)

// UserInfo asks what the provider says of the user, as a JSON object: the whole answer, or what
// response_map takes out of it.
func (c *Client) UserInfo(ctx context.Context, access secret.String) (json.RawMessage, error) {
	r := c.Definition.UserInfoRequest.Request
	if r.AuthMethod == "" {
		r.AuthMethod = AuthBearerAccessToken
	}
	got, err := c.do(ctx, AtUserInfo, "GET", r, values{"access_token": access.Reveal()})
	if err != nil {
		return nil, err
	}
	doc, ok := decode(got.body)
	if !ok {
		return nil, &Error{
			At: AtUserInfo, Status: got.status, Class: Misconfigured,
			Description: unreadable(got), Advice: "User info must be a JSON object: check user_info_request.endpoint",
		}
	}
	if len(r.ResponseMap) > 0 {
		doc = r.ResponseMap.Apply(doc)
	}
	return json.Marshal(doc)
}

// Introspect asks for expiry and scope (RFC 7662) and lays them over what the token answer said.
func (c *Client) Introspect(ctx context.Context, t TokenResponse) (TokenResponse, error) {
	i := c.Definition.TokenIntrospectionRequest
	r := i.Request
	if r.AuthMethod == "" {
		r.AuthMethod = AuthClientSecretBasic
	}
	if r.Params == nil {
		r.Params = map[string]string{"token": "{{access_token}}"}
	}
	got, err := c.do(ctx, AtIntrospection, "GET", r, values{"access_token": t.AccessToken.Reveal()})
	if err != nil {
		return t, err
	}
	doc, ok := decode(got.body)
	if !ok {
		return t, &Error{At: AtIntrospection, Status: got.status, Class: Misconfigured, Description: unreadable(got)}
	}
	fields := r.ResponseMap.Apply(doc)
	if list := scopeList(fields["scope"], c.Definition.Delimiter()); len(list) > 0 {
		t.Scopes = list
	}
	if expires, err := strconv.ParseFloat(strings.TrimSpace(text(fields["expires_in"])), 64); err == nil && expires > 0 {
		if i.ExpirationFormat == ExpirationRelative {
			t.ExpiresAt = c.now().Add(time.Duration(min(expires, maxLifetime.Seconds()) * float64(time.Second)))
		} else {
			t.ExpiresAt = time.Unix(int64(min(expires, 1e11)), 0)
		}
	}
	return t, nil
}

// Introspects reports whether introspection is asked for at this place: AtToken or AtRefresh.
func (d *Definition) Introspects(at string) bool {
	i := d.TokenIntrospectionRequest
	return i != nil && (i.Enabled == nil || *i.Enabled) && i.Triggers.at(at)
}

// AsksUserInfo reports whether user info is asked for at this place: AtToken or AtRefresh.
func (d *Definition) AsksUserInfo(at string) bool {
	return d.UserInfoRequest != nil && d.UserInfoRequest.Triggers.at(at)
}

func (t *Triggers) at(place string) bool {
	return t != nil && (place == AtToken && t.OnTokenGrant || place == AtRefresh && t.OnTokenRefresh)
}

// Revoke ends tokens at the provider (RFC 7009), the refresh token first, since it ends the whole
// grant. It does nothing without a revoke_request.
func (c *Client) Revoke(ctx context.Context, refresh, access secret.String) error {
	if c.Definition.RevokeRequest == nil {
		return nil
	}
	r := *c.Definition.RevokeRequest
	if r.Params == nil {
		r.Params = map[string]string{"token": "{{token}}", "client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	}
	var first error
	for _, token := range []secret.String{refresh, access} {
		if token.IsZero() {
			continue
		}
		_, err := c.do(ctx, AtRevocation, "POST", r, values{
			"token": token.Reveal(), "access_token": access.Reveal(), "refresh_token": refresh.Reveal(),
		})
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// CallbackError is what a provider's error parameters of the callback mean (RFC 6749 section 4.1.2.1).
func (d *Definition) CallbackError(code, description string) *Error {
	e := &Error{At: AtCallback, Code: clean(code, 80), Description: clean(description, 300)}
	d.classify(e, false)
	return e
}

// IssuerFits reports whether an iss parameter of a callback names this provider: the configured
// issuer to the letter (RFC 9207 section 2.4), or, where none is configured, the origin of its
// authorization or token endpoint.
func (d *Definition) IssuerFits(issuer string) bool {
	if d.Issuer != "" {
		return issuer == d.Issuer
	}
	origin := originOf(issuer)
	return origin != "" && (origin == originOf(d.AuthorizeRequest.Endpoint) || origin == originOf(d.TokenRequest.Endpoint))
}

func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}
