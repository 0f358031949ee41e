package keybearer

import (
	"encoding/json"
	"time"

	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Grant is what a provider gave, in the open. No verb hands one out: see [Token]. It is for programs that
// hold the [Sealer], and so could open what is stored anyway: a store that keeps another form than the
// sealed one, or a move of connections from elsewhere.
type Grant struct {
	Access, Refresh, IDToken secret.String
	TokenType                string
	UserInfo                 json.RawMessage
	// ClientID and TokenEndpoint say whom the refresh token was given to and by whom. It is shown to
	// nobody else.
	ClientID, TokenEndpoint string
	// Elsewhere are the endpoints at other servers at which the refresh token was to be used.
	Elsewhere []string
	// RedirectURI is the one of the consent, or "": the provider's present one.
	RedirectURI string
	// Sites is a [SiteList] as JSON, or nil.
	Sites json.RawMessage
	// Flow is the consent that it goes back to, or "".
	Flow AuthorizationID
	// ConsentedAt is when the consent was redeemed, to the second; zero if that is not known.
	ConsentedAt time.Time

	// kept is the grant as it was opened: what has no field here goes with it. It is behind a pointer so that
	// it is not printed.
	kept *grant
}

// OpenGrant opens the grant of a connection as stores keep it. Kind: Internal, where it is damaged, or was
// sealed by another key or for another connection.
func OpenGrant(s Sealer, c *Connection) (Grant, error) {
	plain, err := s.Open(c.Grant, c.GrantPlace())
	if err != nil {
		return Grant{}, Errorf(Internal, "opening the grant of %s: %w", c.Ref, err)
	}
	g, err := readGrant(plain)
	if err != nil {
		return Grant{}, Errorf(Internal, "reading the grant of %s: %w", c.Ref, err)
	}
	return Grant{
		Access: secret.New(g.AccessToken), Refresh: secret.New(g.RefreshToken), IDToken: secret.New(g.IDToken),
		TokenType: g.TokenType, UserInfo: g.UserInfo, ClientID: g.ClientID, TokenEndpoint: g.TokenEndpoint,
		Elsewhere: g.Elsewhere, RedirectURI: g.RedirectURI, Flow: g.Flow, ConsentedAt: g.ConsentedAt, Sites: g.Sites, kept: &g,
	}, nil
}

// SealGrant gives what Connection.Grant has to be for a grant. The rest of the row, such as its scopes and
// whether it can be refreshed, is the caller's to fill in.
func SealGrant(s Sealer, c *Connection, g Grant) (seal.Value, error) {
	var plain grant
	if g.kept != nil {
		plain = *g.kept
	}
	plain.AccessToken, plain.RefreshToken, plain.IDToken = g.Access.Reveal(), g.Refresh.Reveal(), g.IDToken.Reveal()
	plain.TokenType, plain.UserInfo, plain.ClientID, plain.TokenEndpoint = g.TokenType, g.UserInfo, g.ClientID, g.TokenEndpoint
	plain.Elsewhere, plain.RedirectURI, plain.Flow = g.Elsewhere, g.RedirectURI, g.Flow
	plain.ConsentedAt, plain.Sites = g.ConsentedAt, g.Sites
	sealed, err := s.Seal(plain.form(), c.GrantPlace())
	if err != nil {
		return nil, Errorf(Internal, "sealing the grant of %s: %w", c.Ref, err)
	}
	return sealed, nil
}
