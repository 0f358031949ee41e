package atlassian

import (
	"context"

	"github.com/keybearer/keybearer"
)

// Import takes over the map that AtlassianApiModule has stored for an integration, as a JSON object, in
// place of what is stored: token, scopes, valid_until, refresh_token, and a sign-in that waits (oauth_state,
// code_verifier). Nobody has to sign in again. Other keys are kept, and given back by [Client.Export].
//
// The app and the product have to be the same. From then on only one of the two may refresh: the other's
// refresh token is replaced. A [Store] that already holds the module's map needs no Import.
//
// Kind: BadRequest, where it is no such map, or one without tokens and without a sign-in.
func (c *Client) Import(ctx context.Context, stored []byte) error {
	moved, err := readState(stored)
	if err != nil || moved.other == nil {
		return bad("this is not the map of AtlassianApiModule: a JSON object with token, refresh_token, valid_until and scopes")
	}
	if !moved.connected() && moved.oauthState == "" && moved.verifier == "" {
		return bad("the map has neither a token nor a sign-in that waits: there is nothing to take over")
	}
	err = c.rows.change(ctx, func(s *state) error {
		id, version, turn := s.ours.ID, s.ours.Version, s.ours.Turn
		*s = moved.clone()
		s.ours = ours{ID: id, Version: version, Turn: turn}
		return nil
	})
	c.forget()
	return err
}

// Export gives what is stored as the map of AtlassianApiModule, a JSON object with its keys alone and those
// that came with [Client.Import]. It holds the tokens in the clear: keep it as a secret. Kind: NotFound
// where nothing is stored.
func (c *Client) Export(ctx context.Context) ([]byte, error) {
	_, s, err := c.rows.read(ctx)
	if err != nil {
		return nil, err
	}
	if !s.connected() && s.oauthState == "" && s.verifier == "" && len(s.other) == 0 {
		return nil, keybearer.Errorf(keybearer.NotFound, "%w", ErrNotConnected)
	}
	return s.export(), nil
}
