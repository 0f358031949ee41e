package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The spellings of Introspection.ExpirationFormat.
const (
	ExpirationAbsolute = "absolute_unix_timestamp"
	ExpirationRelative = "relative_seconds"
)

// Introspect asks for expiry and scope (RFC 7662) and lays them over what the token answer said. With
// an error t comes back as it was. Without a token_introspection_request nothing is asked.
func (c *Client) Introspect(ctx context.Context, t TokenResponse) (TokenResponse, error) {
	i := c.Definition.TokenIntrospectionRequest
	if i == nil {
		return t, nil
	}
	r := i.Request
	if r.AuthMethod == "" {
		r.AuthMethod = AuthClientSecretBasic
	}
	if r.Params == nil {
		r.Params = map[string]string{"token": "{{access_token}}"}
	}
	got, err := c.do(ctx, AtIntrospection, http.MethodGet, r, values{"access_token": t.AccessToken.Reveal()})
	if err != nil {
		return t, err
	}
	doc, err := decode(got)
	if err != nil {
		return t, unreadable(AtIntrospection, got, err)
	}
	if statesError(doc) {
		return t, c.errorIn(AtIntrospection, got, doc)
	}
	return c.introspected(t, i, got, doc)
}

func (c *Client) introspected(t TokenResponse, i *Introspection, got answer, doc any) (TokenResponse, error) {
	refuse := func(why, advice string) (TokenResponse, error) {
		return t, &Error{At: AtIntrospection, Status: got.status, Class: Misconfigured, Err: errors.New(why), Advice: advice}
	}
	object, _ := doc.(map[string]any)
	if active, given := object["active"].(bool); given && !active {
		return refuse("the provider says that the token is not active", "Check that this client may introspect its own tokens")
	}
	fields, format := introspectionFields(object, doc, i)
	expires, known, err := expiry(fields["expires_in"], format, got.sent)
	if err != nil {
		return refuse(err.Error(), "Check expiration_format and response_map.expires_in")
	}
	if known {
		t.ExpiresAt = expires
	}
	if list := scopeList(fields["scope"], c.Definition.Delimiter()); len(list) > 0 {
		t.Scopes = unique(slices.Sorted(slices.Values(list)))
	}
	return t, nil
}

// introspectionFields are what the map finds, and beside it what RFC 7662 section 2.2 calls scope and
// exp, which is always absolute.
func introspectionFields(object map[string]any, doc any, i *Introspection) (fields map[string]any, format string) {
	fields, format = i.ResponseMap.Apply(doc), i.ExpirationFormat
	if i.ResponseMap["scope"].IsZero() {
		fields["scope"] = object["scope"]
	}
	if i.ResponseMap["expires_in"].IsZero() {
		fields["expires_in"], format = object["exp"], ExpirationAbsolute
	}
	return fields, format
}

// expiry reads when a token ends, in an answer to what was sent then. A moment that is past, or ten years
// ahead, is the other format.
func expiry(value any, format string, sent time.Time) (at time.Time, known bool, err error) {
	raw := strings.TrimSpace(text(value))
	if raw == "" || raw == "0" {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return time.Time{}, false, errNoNumber
	}
	if format != ExpirationRelative {
		seconds -= float64(sent.UnixMilli()) / 1000
	}
	if !(seconds > 0 && seconds < maxLifetime.Seconds()) {
		return time.Time{}, false, errors.New("the expiry is in the past, or too far ahead")
	}
	return sent.Add(time.Duration(seconds * float64(time.Second))), true, nil
}
