package oauth

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

// CanRefresh reports whether the definition uses refresh tokens.
func (c *Client) CanRefresh() bool { return c.Definition.RefreshRequest != nil }

// Refresh gets a new access token (RFC 6749 section 6). It is sent once; the caller keeps others
// from refreshing the same grant meanwhile. The answer holds the refresh token to keep: the new one
// if there is one, else the old one. granted are the scopes that stand when the answer names none.
//
// An answer without a usable access token is an error, and may still carry the next refresh token,
// the old one being spent: then the TokenResponse beside the error has that one and nothing else.
func (c *Client) Refresh(ctx context.Context, refreshToken, accessToken secret.String, granted []string) (TokenResponse, error) {
	if !c.CanRefresh() {
		return TokenResponse{}, &Error{At: AtRefresh, Class: Reconsent, Advice: "This provider is configured without refresh_request: authorize again"}
	}
	r := c.refreshRequest()
	if refreshToken.IsZero() && mentions(r.Params, "refresh_token") {
		return TokenResponse{}, &Error{At: AtRefresh, Class: Reconsent, Advice: "The provider gave no refresh token: authorize again"}
	}
	scopes := strings.Join(granted, c.Definition.Delimiter())
	got, err := c.do(ctx, AtRefresh, http.MethodPost, r, values{
		"redirect_uri": c.RedirectURI, "refresh_token": refreshToken.Reveal(), "access_token": accessToken.Reveal(),
		"scopes": scopes, "granted_scopes": scopes,
	})
	if err != nil {
		return TokenResponse{}, err
	}
	answer, err := c.readToken(AtRefresh, r, got, granted)
	if err != nil {
		return TokenResponse{RefreshToken: answer.RefreshToken}, err
	}
	if answer.RefreshToken.IsZero() {
		answer.RefreshToken = refreshToken
	}
	return answer, nil
}

// refreshRequest is the definition's, with what it leaves out.
func (c *Client) refreshRequest() Request {
	r := *c.Definition.RefreshRequest
	if r.Endpoint == "" {
		r.Endpoint = c.Definition.TokenRequest.Endpoint
	}
	params, given := maps.Clone(r.Params), r.Params != nil
	switch {
	case given:
	case r.AuthMethod == AuthBearerAccessToken: // the token is the authentication
		params = map[string]string{}
	default:
		params = map[string]string{"client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	}
	if !mentions(params, "refresh_token") && !mentions(params, "access_token") {
		params["refresh_token"] = "{{refresh_token}}" // a documented sample leaves it out
	}
	// Where the exchange names its grant_type the refresh needs one as well; some providers know
	// neither (Shopify, Basecamp).
	exchange := c.Definition.TokenRequest.Params
	if _, named := params["grant_type"]; !named && (!given || exchange == nil || exchange["grant_type"] != "") {
		params["grant_type"] = "refresh_token"
	}
	r.Params = params
	return r
}
