package oauth

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

// ClientCredentials asks for a token of a service account (RFC 6749 section 4.4), whose own credential
// takes the place of the client's. It goes where token_request goes, with the credential where that has
// it. No refresh token comes of it: the credential is what the next token is asked for with, so asking
// twice harms nothing. scopes may be empty, where the provider knows by itself what the account may do.
//
// A credential that is refused is of the class Reconsent: whoever owns the account has to make another.
func (c *Client) ClientCredentials(ctx context.Context, id string, credential secret.String, scopes []string) (TokenResponse, error) {
	account := *c
	account.ID, account.Secret = id, credential
	r := c.Definition.TokenRequest
	r.Params = map[string]string{"grant_type": "client_credentials", "scope": "{{scopes}}", "client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	got, err := account.do(ctx, AtClientCredentials, http.MethodPost, r, values{
		"scopes": strings.Join(c.Definition.Scopes.topmost(scopes), c.Definition.Delimiter()),
	})
	if err != nil {
		return TokenResponse{}, ofAccount(err)
	}
	answer, err := account.readToken(AtClientCredentials, r, got, scopes)
	if err != nil {
		return TokenResponse{}, ofAccount(err)
	}
	answer.RefreshToken = secret.String{} // RFC 6749 section 4.4.3: there should be none
	return answer, nil
}

// ofAccount tells what is wrong with a service account from what is wrong with the provider.
func ofAccount(err error) error {
	e, ok := err.(*Error)
	if !ok || e.Class == Transient {
		return err
	}
	switch {
	case slices.Contains([]string{"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"}, e.Code), e.Status == http.StatusUnauthorized:
		e.Class, e.Advice = Reconsent, "The service account's credential is not accepted. It was revoked, has ended, or was copied wrongly: make another one"
	case e.Code == "invalid_scope":
		e.Class, e.Advice = Reconsent, "The service account may not have these scopes, or there are none of that name"
	case e.Code == "unsupported_grant_type":
		e.Advice = "This server has no service accounts with client credentials. At Data Center only the newest versions have them"
	}
	return e
}
