package atlassian

import (
	"context"
	"crypto/subtle"
	"slices"

	"github.com/keybearer/keybearer"
)

// Complete finishes a sign-in with what the browser came back with: the whole callback URL, pasted from the
// address bar, or the code from it. The code is redeemed at once, and the tokens are stored.
//
// Give the whole URL: its state shows that the sign-in was started here, and which one it was; it works
// once. A bare code shows nothing, and is taken for the sign-in that was started last. On Data Center a code
// lives for 10 seconds: where a person copies it, its admin has to set a longer life.
//
// Kinds: BadRequest (what was given is no callback or code, or its state is unknown, missing or used; nothing
// is redeemed), AuthorizationFailed (the user declined, or the code was not taken), AuthorizationEnded (too
// late), ProviderRefused, ProviderAway. After an error other than BadRequest call Start again.
func (c *Client) Complete(ctx context.Context, codeOrCallbackURL string) (Status, error) {
	p, err := readPasted(codeOrCallbackURL, c.cfg.CallbackURL)
	if err != nil {
		return Status{}, err
	}
	var l login
	if err := c.rows.change(ctx, func(s *state) error {
		if l, err = c.pick(s, p); err == nil {
			s.finish(l)
		}
		return err
	}); err != nil {
		return Status{}, err
	}
	err = c.redeem(ctx, l, p)
	c.forget()
	if err != nil {
		return Status{}, err
	}
	status, err := c.Status(ctx)
	if err == nil && !status.Refreshes {
		c.cfg.Log.Warn("there is no refresh token, and the connection ends with the access token: on Cloud add offline_access", "expires", status.ExpiresAt)
	}
	return status, err
}

// pick finds the sign-in that is meant. The state is compared before anything is redeemed: a code that
// somebody else has slipped in would connect their account (RFC 6749 section 10.12).
func (c *Client) pick(s *state, p pasted) (login, error) {
	all := c.open(s)
	now := c.cfg.Now()
	if p.state.IsZero() {
		for _, l := range slices.Backward(all) {
			if !l.Done && now.Before(l.Deadline) && (p.bare || len(l.State) == 0) {
				return l, nil
			}
		}
		if p.bare {
			return login{}, bad("no sign-in waits for a code: call Start, and open the URL that it gives")
		}
		return login{}, bad("the callback URL has no state, so nobody knows whether this sign-in was started here: copy the whole URL, or call Start again")
	}
	hash := hashState(p.state)
	for _, l := range all {
		switch {
		case subtle.ConstantTimeCompare(l.State, hash) != 1:
		case l.Done:
			return login{}, bad("this sign-in was already finished: its state works once. If there is no connection, call Start again")
		case !now.Before(l.Deadline):
			return login{}, keybearer.Errorf(keybearer.AuthorizationEnded, "nobody finished this sign-in in time: call Start again")
		default:
			return l, nil
		}
	}
	return login{}, bad("this sign-in was not started here, or was finished long ago: its state is unknown. The code was not used; call Start, and open the URL that it gives")
}

// redeem hands the code to the Broker, as the browser's return to a flow that is made for it.
func (c *Client) redeem(ctx context.Context, l login, p pasted) error {
	a, err := c.view.AuthorizeAgain(ctx, c.request(l.Scopes))
	if err != nil {
		return err
	}
	browser, handle := keybearer.NewBrowserSecret(), p.state
	if handle.IsZero() {
		handle = keybearer.NewBrowserSecret()
	}
	attempt := keybearer.Attempt{
		StateHash: hashState(handle), Flow: a.ID, Project: c.rows.ref.Project, Provider: c.rows.ref.Provider,
		BrowserHash: hashState(browser), RedirectURI: l.Redirect, CreatedAt: l.Started, Deadline: l.Deadline,
	}
	if l.Verifier != "" {
		if attempt.Verifier, err = c.rows.sealer.Seal([]byte(l.Verifier), attempt.VerifierPlace()); err != nil {
			return keybearer.Errorf(keybearer.Internal, "sealing the code verifier: %w", err)
		}
	}
	if err := c.logins.PutAttempt(ctx, attempt); err != nil {
		return err
	}
	_, err = c.broker.Visitor(browser).Complete(ctx, keybearer.Callback{
		State: handle, Code: p.code, Error: p.refusal, ErrorDescription: p.reason, Issuer: p.issuer, HasIssuer: p.hasIssuer,
	})
	return err
}
