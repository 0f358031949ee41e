package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// TokenResponse is a provider's answer to an exchange or a refresh (RFC 6749 section 5.1), read.
type TokenResponse struct {
	AccessToken, RefreshToken, IDToken secret.String
	TokenType                          string
	// IssuedAt is our clock when the request was sent: the life began then or later, however slow the
	// answer was. ExpiresAt is zero when the lifetime is unknown.
	IssuedAt, ExpiresAt time.Time
	// Scopes are what was granted, sorted: what the answer says, or else what was asked for
	// (RFC 6749 section 5.1).
	Scopes []string
	// Warnings are deviations that were tolerated, for the log. They contain no secrets.
	Warnings []string
}

// readToken reads a 2xx answer. At a refresh it is as tolerant as can be, since the answer may carry
// the only copy of a rotated refresh token; an exchange can be done again, and its first answer is
// where a wrong definition has to show. With an error the TokenResponse has the refresh token, if
// there is one.
func (c *Client) readToken(at string, r Request, got answer, requested []string) (TokenResponse, error) {
	doc, err := decode(got)
	if err != nil {
		return TokenResponse{}, unreadable(at, got, err)
	}
	fields := tokenFields(doc, r.ResponseMap)
	out := TokenResponse{
		AccessToken: token(fields["access_token"]), RefreshToken: token(fields["refresh_token"]), IDToken: token(fields["id_token"]),
		TokenType: Clean(text(fields["token_type"]), maxCode), IssuedAt: got.sent, Scopes: requested,
	}
	got.hide.add(out.AccessToken.Reveal(), out.RefreshToken.Reveal(), out.IDToken.Reveal())
	switch denied := statesError(doc); {
	case out.AccessToken.IsZero(), denied && redeems(at):
		return out, c.noToken(at, got, doc)
	case denied:
		out.Warnings = append(out.Warnings, "the answer holds a token and an error: "+c.errorIn(at, got, doc).Code)
	}
	if err := c.unusable(at, got, out.AccessToken, text(fields["token_type"])); err != nil {
		return out, err
	}
	if list := scopeList(fields["scope"], c.Definition.Delimiter()); len(list) > 0 {
		out.Scopes = list
	}
	out.Scopes = unique(slices.Sorted(slices.Values(c.Definition.Scopes.implied(out.Scopes))))
	life, err := lifetime(fields["expires_in"])
	if err != nil && redeems(at) {
		return out, &Error{At: at, Status: got.status, Class: Misconfigured, Uncertain: true, Err: err, Advice: "Check response_map.expires_in, then start the authorization again"}
	}
	if err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	if life == 0 {
		life = c.Definition.Expiry.Default.D()
	}
	if life > 0 {
		out.ExpiresAt = out.IssuedAt.Add(life)
	}
	return out, nil
}

// unreadable is an answer that is no document. In front of an endpoint that worked before it passes;
// at an exchange it may be the wrong endpoint.
func unreadable(at string, got answer, err error) *Error {
	e := &Error{At: at, Status: got.status, Class: Transient, Uncertain: true, Err: err, Advice: laterAdvice(at)}
	if at != AtRefresh && at != AtClientCredentials && err != errBroken {
		e.Class = Misconfigured
		e.Advice = "Check the endpoint at " + got.host + ": it does not answer as it should"
	}
	return e
}

// noToken is an answer that is an error although its status is 2xx, or has no token in it.
func (c *Client) noToken(at string, got answer, doc any) *Error {
	e := c.errorIn(at, got, doc)
	if e.Code == "" && !statesError(doc) {
		e.Class, e.Uncertain, e.Err = Misconfigured, true, errors.New("the answer has no access_token")
		e.Advice = "Check response_map: the answer may hold the token under another name"
	}
	return e
}

// unusable refuses what does not go into an Authorization header: a text that would end it, and tokens
// that need a proof with every use. A DPoP token that is sent as a bearer token fails, or worse, works
// (RFC 9449 section 7.2).
func (c *Client) unusable(at string, got answer, access secret.String, kind string) error {
	e := &Error{At: at, Status: got.status, Class: Misconfigured, Uncertain: true}
	if strings.ContainsFunc(access.Reveal(), func(r rune) bool { return r < ' ' || r > '~' }) { // RFC 6749 appendix A.12
		e.Err = errors.New("the access token has characters that a token may not have")
		e.Advice = "Check response_map.access_token: it finds something else than a token"
		return e
	}
	for _, allowed := range append([]string{"", "bearer"}, c.Definition.TokenTypes...) {
		if strings.EqualFold(kind, allowed) {
			return nil
		}
	}
	e.Err = fmt.Errorf("the token has the type %q, not Bearer", got.hide.clean(kind, maxCode))
	e.Advice = "List it under token_types if this provider's token is used like a bearer token"
	return e
}
