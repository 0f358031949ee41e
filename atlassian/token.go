package atlassian

import (
	"context"
	"errors"
	"net/http"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

var _ keybearer.Renewer = source{}

// Token gives an access token that lives for ten seconds more, as far as its life is that long, and renews
// it before if it has to. While it lives that costs well under a microsecond and asks nobody. However many
// ask at its end, in all processes that share the store, one refresh is made; a caller who hangs up does
// not stop it. While the provider cannot be reached the old token is given to its very end.
//
// Kinds: NotFound ([ErrNotConnected]), Reauthorize (the grant has ended, or [ErrNoRefreshToken]),
// ProviderRefused, ProviderAway, Unavailable (the store failed; a renewed token waits in memory).
func (c *Client) Token(ctx context.Context) (keybearer.Token, error) {
	known := c.fresh.Load()
	if c.cfg.Now().Add(tokenBuffer).Before(known.ExpiresAt) {
		return *known, nil
	}
	token, err := c.view.Token(ctx, c.rows.ref)
	return c.remember(ctx, known, token, err)
}

// Renew is for a token that an API refused before its end: it makes a real refresh, once, however many
// report the same token. Kinds: those of [Client.Token].
func (c *Client) Renew(ctx context.Context, refused secret.String) (keybearer.Token, error) {
	known := c.fresh.Load()
	token, err := c.view.Renew(ctx, c.rows.ref, refused)
	return c.remember(ctx, known, token, err)
}

func (c *Client) remember(ctx context.Context, known *keybearer.Token, token keybearer.Token, err error) (keybearer.Token, error) {
	if err != nil {
		return keybearer.Token{}, c.why(ctx, err)
	}
	c.fresh.CompareAndSwap(known, &token) // or somebody was faster, and knows something newer
	return token, nil
}

// why says in the words of this package why there is no token.
func (c *Client) why(ctx context.Context, err error) error {
	if errors.Is(err, keybearer.NotFound) {
		return keybearer.Errorf(keybearer.NotFound, "%w", ErrNotConnected)
	}
	if errors.Is(err, keybearer.Reauthorize) {
		if row, rowErr := c.rows.Connection(ctx, c.rows.ref); rowErr == nil && !row.Refreshable {
			return keybearer.Errorf(keybearer.Reauthorize, "%w", ErrNoRefreshToken)
		}
	}
	return err
}

// source is the Client as programs know it that work with the root package.
type source struct{ c *Client }

// Source gives the client as a [keybearer.Renewer], for [keybearer.Transport] and others that take one. The
// ref is not looked at: a client has one connection.
func (c *Client) Source() keybearer.Renewer { return source{c} }

func (s source) Token(ctx context.Context, _ keybearer.Ref, scopes ...string) (keybearer.Token, error) {
	token, err := s.c.Token(ctx)
	if err == nil && !keybearer.Covers(token.Scopes, scopes) {
		return keybearer.Token{}, keybearer.Errorf(keybearer.Reauthorize, "the token lacks scopes: ask for those that are needed, and sign in again")
	}
	return token, err
}

func (s source) Renew(ctx context.Context, _ keybearer.Ref, refused secret.String) (keybearer.Token, error) {
	return s.c.Renew(ctx, refused)
}

// RateLimit is what the last answer that spoke of rates has said, whichever request it was for: how much is
// left, and, where one was refused, what has to wait until when. The client itself holds nothing back. Limit
// and Remaining are -1 where no answer has said them.
func (c *Client) RateLimit() RateLimit {
	if last := c.rate.Load(); last != nil {
		return *last
	}
	return RateLimit{Limit: -1, Remaining: -1}
}

func (c *Client) noteRate(res *http.Response) {
	if r := ReadRateLimit(res.StatusCode, res.Header, c.cfg.Now()); r.Limited || r.Near || r.Limit >= 0 || r.Remaining >= 0 {
		c.rate.Store(&r)
	}
}

// HTTPClient carries requests to the API with the token: see [Client.Do], which explains what comes back.
// An answer of 401, or one to nobody, is asked for once more with a renewed token, if the request has no
// body or one that GetBody gives anew; not so where the scope is wrong. Redirects are not followed: the
// answer has the Location. Requests that are not for the product's API are refused and not sent.
//
// On Cloud addresses of the site are sent to the gateway, so that a client which was written for
// https://{site}.atlassian.net works.
func (c *Client) HTTPClient() *http.Client { return c.api }
