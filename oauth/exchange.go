package oauth

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

// Exchange redeems a code (RFC 6749 section 4.1.3). The code is sent once: a timeout counts as spent.
// requested are the scopes that stand when the answer names none.
func (c *Client) Exchange(ctx context.Context, code, verifier secret.String, requested []string) (TokenResponse, error) {
	r := c.Definition.TokenRequest
	r.Params = exchangeParams(r.Params)
	got, err := c.do(ctx, AtToken, http.MethodPost, r, values{
		"redirect_uri": c.RedirectURI, "code": code.Reveal(), "code_verifier": verifier.Reveal(), "state": c.State.Reveal(),
		"scopes": strings.Join(slices.Concat(requested, c.Definition.Scopes.Always), c.Definition.Delimiter()),
	})
	if err != nil {
		return TokenResponse{}, err
	}
	answer, err := c.readToken(AtToken, r, got, requested)
	if err != nil {
		return TokenResponse{}, err
	}
	if c.CanRefresh() && answer.RefreshToken.IsZero() && !answer.ExpiresAt.IsZero() {
		answer.Warnings = append(answer.Warnings, "the answer has no refresh token: the user has to authorize again when the access token expires")
	}
	return answer, nil
}

// exchangeParams adds what is sent whether or not the definition names it, unless another parameter
// carries it already (TikTok calls the code auth_code).
func exchangeParams(params map[string]string) map[string]string {
	params = maps.Clone(params)
	if params == nil {
		params = map[string]string{
			"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}",
			"client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
		}
	}
	for _, name := range []string{"code", "code_verifier"} {
		if !mentions(params, name) {
			params[name] = "{{" + name + "}}"
		}
	}
	return params
}
