package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// TokenResponse is a provider's answer to an exchange or a refresh (RFC 6749 section 5.1), read.
type TokenResponse struct {
	AccessToken, RefreshToken, IDToken secret.String
	TokenType                          string
	// IssuedAt is our clock when the answer arrived; ExpiresAt is zero when the lifetime is unknown.
	IssuedAt, ExpiresAt time.Time
	// Scopes are what was granted, sorted: what the answer says, or else what was asked for
	// (RFC 6749 section 5.1).
	Scopes []string
	// Warnings are deviations that were tolerated, for the log. They contain no secrets.
	Warnings []string
}

// maxLifetime caps what a provider claims: beyond it a number is taken for a mistake of units.
const maxLifetime = 10 * 365 * 24 * time.Hour

// decode reads a body as JSON, or as a form if it looks like one, whatever the content type says:
// providers send JSON as text/plain and forms as application/json. HTML and scraps give false.
func decode(body []byte) (map[string]any, bool) {
	text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return nil, false
	}
	switch text[0] {
	case '{':
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var doc map[string]any
		if err := dec.Decode(&doc); err != nil || dec.More() {
			return nil, false
		}
		return doc, true
	case '<', '[', '"':
		return nil, false
	}
	if !bytes.ContainsRune(text, '=') || bytes.ContainsAny(text, " \n<>{}") {
		return nil, false
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, false
	}
	doc := make(map[string]any, len(form))
	for key, list := range form {
		doc[key] = list[0]
	}
	return doc, true
}

// errorFields finds the error code and description in the dialects that are met.
func errorFields(doc map[string]any) (code, description string) {
	switch e := doc["error"].(type) {
	case string:
		code = e
	case map[string]any: // {"error":{"code":…,"message":…}}
		code, description = text(e["code"]), text(e["message"])
		if code == "" {
			code = text(e["type"])
		}
	}
	for _, key := range []string{"error_description", "error_message", "message", "errmsg", "msg", "detail"} {
		if description == "" {
			description = text(doc[key])
		}
	}
	return code, description
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// readToken reads a 2xx answer. At a refresh it is as tolerant as can be: an answer that is refused
// there may carry the only copy of a rotated refresh token.
func (c *Client) readToken(at string, r Request, got answer, requested []string) (TokenResponse, error) {
	e := &Error{At: at, Status: got.status, Class: Misconfigured, Uncertain: true}
	doc, ok := decode(got.body)
	if !ok {
		e.Description, e.Advice = unreadable(got), "Check the endpoint: it does not answer like a token endpoint"
		return TokenResponse{}, e
	}
	fields := standardFields(doc)
	for key, value := range r.ResponseMap.Apply(doc) {
		fields[key] = value
	}
	access := text(fields["access_token"])
	code, description := errorFields(doc)
	if ok, isFlag := doc["ok"].(bool); isFlag && !ok && code == "" {
		code = "not_ok"
	}
	if code != "" || access == "" {
		// HTTP 200 with an error inside: GitHub, Slack, TikTok and others.
		e.Code, e.Description = clean(code, 80), clean(description, 300)
		if code == "" {
			e.Description, e.Advice = "the answer has no access_token", "Check response_map: the answer may hold the token under another name"
			return TokenResponse{}, e
		}
		e.Uncertain = false
		c.Definition.classify(e, false)
		return TokenResponse{}, e
	}
	out := TokenResponse{
		AccessToken: secret.New(access), RefreshToken: secret.New(text(fields["refresh_token"])),
		IDToken: secret.New(text(fields["id_token"])), TokenType: clean(text(fields["token_type"]), 40),
		IssuedAt: c.now(), Scopes: requested,
	}
	if err := c.checkTokenType(out.TokenType); err != nil {
		e.Err, e.Advice = err, "List it under token_types if this provider's token is used like a bearer token"
		return TokenResponse{}, e
	}
	if scope, given := fields["scope"]; given {
		if list := scopeList(scope, c.Definition.Delimiter()); len(list) > 0 {
			out.Scopes = list
		}
	}
	out.Scopes = slices.Sorted(slices.Values(out.Scopes))
	lifetime, err := lifetime(fields["expires_in"])
	switch {
	case err != nil && at == AtToken:
		e.Err, e.Advice = err, "Check response_map.expires_in"
		return TokenResponse{}, e
	case err != nil:
		out.Warnings = append(out.Warnings, err.Error())
	}
	if lifetime == 0 {
		lifetime = c.Definition.Expiry.Default.D()
	}
	if lifetime > 0 {
		out.ExpiresAt = out.IssuedAt.Add(lifetime)
	}
	return out, nil
}

// checkTokenType refuses tokens that need a proof with every use: a DPoP token that is sent as a
// bearer token fails, or worse, works (RFC 9449 section 7.2).
func (c *Client) checkTokenType(kind string) error {
	if kind == "" || strings.EqualFold(kind, "bearer") {
		return nil
	}
	for _, allowed := range c.Definition.TokenTypes {
		if strings.EqualFold(kind, allowed) {
			return nil
		}
	}
	return errors.New("the token has the type " + strconv.Quote(kind) + ", not Bearer")
}

func standardFields(doc map[string]any) map[string]any {
	fields := make(map[string]any, 6)
	for _, key := range []string{"access_token", "refresh_token", "token_type", "scope", "expires_in", "id_token"} {
		if value, ok := doc[key]; ok && value != nil {
			fields[key] = value
		}
	}
	if _, ok := fields["scope"]; !ok { // Bitbucket and HubSpot spell it so
		if scopes, ok := doc["scopes"]; ok && scopes != nil {
			fields["scope"] = scopes
		}
	}
	return fields
}

func scopeList(value any, delimiter string) []string {
	switch v := value.(type) {
	case string:
		return SplitScopes(v, delimiter)
	case []any: // Twitch, Linear
		var out []string
		for _, item := range v {
			out = append(out, SplitScopes(text(item), delimiter)...)
		}
		return out
	}
	return nil
}

// lifetime reads expires_in: a number, a numeric text or a fraction, in seconds. Absent and 0 are
// unknown (0 means "never" at Mailchimp); what is negative or no number is an error; what is
// absurdly long is capped.
func lifetime(value any) (time.Duration, error) {
	if value == nil {
		return 0, nil
	}
	raw := strings.TrimSpace(text(value))
	if raw == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && seconds > 0:
		return maxLifetime, nil
	case err != nil || math.IsNaN(seconds):
		return 0, errors.New("expires_in is not a number")
	case seconds < 0:
		return 0, errors.New("expires_in is negative")
	case seconds >= maxLifetime.Seconds():
		return maxLifetime, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func unreadable(got answer) string {
	switch body := bytes.TrimSpace(got.body); {
	case len(body) == 0:
		return "the answer is empty"
	case body[0] == '<':
		return "the answer is HTML"
	}
	return "the answer is neither JSON nor a form"
}
