package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/keybearer/keybearer/secret"
)

// Revoke ends tokens at the provider (RFC 7009), the refresh token first, since it ends the whole
// grant, and the second one whatever became of the first. A request whose templates name
// {{refresh_token}} or {{access_token}} instead of {{token}} is sent once. It does nothing without a
// revoke_request.
func (c *Client) Revoke(ctx context.Context, refresh, access secret.String) error {
	if c.Definition.RevokeRequest == nil {
		return nil
	}
	r := *c.Definition.RevokeRequest
	if r.Params == nil {
		r.Params = map[string]string{"token": "{{token}}", "client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	}
	tokens := slices.DeleteFunc([]secret.String{refresh, access}, secret.String.IsZero)
	if !r.names("token") {
		tokens = tokens[:min(1, len(tokens))]
	}
	var failed []error
	for _, token := range tokens {
		_, err := c.do(ctx, AtRevocation, http.MethodPost, r, values{
			"token": token.Reveal(), "access_token": access.Reveal(), "refresh_token": refresh.Reveal(),
		})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// names reports whether a placeholder stands anywhere in the templates of the request.
func (r Request) names(placeholder string) bool {
	return mentions(r.Params, placeholder) || mentions(r.Headers, placeholder) ||
		slices.Contains(names(r.AuthHeaderValueFormat), placeholder)
}
