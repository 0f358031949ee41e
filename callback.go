package keybearer

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// Callback is what the provider sent the browser back with (RFC 6749 section 4.1.2).
type Callback struct {
	// RedirectID is the provider's part of the redirect URI, or "" on the shared one.
	RedirectID  string
	State, Code secret.String
	// Error, ErrorDescription and ErrorURI are the provider's refusal.
	Error, ErrorDescription, ErrorURI string
	// Issuer is the iss parameter (RFC 9207), if HasIssuer.
	Issuer    string
	HasIssuer bool
}

// Landing says where the browser goes next.
type Landing struct {
	// Redirect is the custom verifier with the flow_id, or the app's next_uri, or "".
	Redirect string
	// SignIn: the built-in verifier wants the browser to be signed in as the user; then call
	// [Visitor.ConfirmSignedIn] with Flow.
	SignIn bool
	Flow   FlowID
	// User and Provider are for the success page, when there is nowhere else to go.
	User     UserID
	Provider string
}

var errForeign = Errorf(BadRequest, "this sign-in was not started in this browser, or was already finished: go back to the app and start a new one")

var errElsewhere = Errorf(BadRequest, "this authorization is being finished in another window, or was finished: go on there, or go back to the app and start a new one")

// Complete takes the browser's return from the provider. The state works once, in the browser that
// it was made for; then the code is redeemed at once, and the tokens wait for the verifier or are
// stored. Kinds: BadRequest (state unknown, used, or of another browser: the flow is not harmed),
// AuthorizationFailed, AuthorizationEnded, ProviderRefused, ProviderAway. No error contains what the
// callback carried, except the provider's cleaned error description.
func (v *Visitor) Complete(ctx context.Context, cb Callback) (Landing, error) {
	if cb.State.IsZero() {
		v.b.record(Event{Actor: "browser", Action: ActionCallback, Outcome: string(BadRequest), Reason: "there is no state"})
		return Landing{}, errForeign
	}
	a, err := v.b.cfg.Attempts.TakeAttempt(ctx, hashOf(cb.State))
	if errors.Is(err, NotFound) {
		v.b.record(Event{Actor: "browser", Action: ActionCallback, Outcome: string(BadRequest), Reason: "the state is unknown or was used before"})
		return Landing{}, errForeign
	}
	if err != nil {
		return Landing{}, err
	}
	f, p, err := v.flow(ctx, a.Flow)
	if err != nil {
		v.b.record(Event{
			Project: a.Project, Actor: "browser", Action: ActionCallback, Provider: a.Provider, Flow: a.Flow,
			Outcome: outcome(err), Reason: reason(err),
		})
		return Landing{}, err
	}
	if err := v.admit(&a, p, cb); err != nil {
		v.b.recordFlow(f, ActionCallback, err)
		return Landing{}, err
	}
	if !f.State.MayBecome(FlowExchanging) {
		v.b.recordFlow(f, ActionCallback, errElsewhere)
		return Landing{}, errElsewhere
	}
	if cb.Error != "" || cb.Code.IsZero() {
		return Landing{}, v.b.declined(ctx, f, p, cb)
	}
	// The code works once: the work goes on even if the browser hangs up. The flight has the name of the
	// attempt, not of the flow: where another browser lands is not told to this one.
	one, _ := v.b.flights.join("exchange "+string(a.StateHash), func() (any, error) {
		ctx, cancel := context.WithTimeout(v.b.life, flightLife)
		defer cancel()
		return v.b.redeem(ctx, f, &a, p, cb)
	})
	landing, err := one.wait(ctx)
	if err != nil {
		return Landing{}, err
	}
	return landing.(Landing), nil
}

// admit checks that the callback comes to the browser, the address and from the server that the
// attempt was made for. Mix-up defence: RFC 9700 section 4.4, RFC 9207.
func (v *Visitor) admit(a *Attempt, p *Provider, cb Callback) error {
	switch {
	case !v.b.now().Before(a.Deadline):
		return Errorf(AuthorizationEnded, "nobody finished the authorization in time: go back to the app and start a new one")
	case v.browser.IsZero() || subtle.ConstantTimeCompare(a.BrowserHash, hashOf(v.browser)) != 1:
		return errForeign
	case p.ID != a.Provider || cb.RedirectID != "" && cb.RedirectID != p.RedirectID():
		return errForeign
	case cb.HasIssuer && !p.Definition.IssuerFits(cb.Issuer):
		return Errorf(BadRequest, "the answer names another authorization server than %s: it is not trusted. "+
			"If that server is right, set issuer in the provider's oauth2 settings to what it calls itself", p.DisplayName())
	}
	return nil
}

// declined ends a flow that came back without a code.
func (b *Broker) declined(ctx context.Context, f *Flow, p *Provider, cb Callback) error {
	wire := &oauth.Error{At: oauth.AtCallback, Class: oauth.Misconfigured, Description: "the answer has neither a code nor an error"}
	if cb.Error != "" {
		wire = p.Definition.CallbackError(cb.Error, cb.ErrorDescription, cb.State, cb.Code)
	}
	if f.State != FlowPending { // in another tab the person has consented: that stands
		failure := asKind(AuthorizationFailed, wire)
		b.recordFlow(f, ActionCallback, failure)
		return failure
	}
	return b.fail(ctx, f, wire)
}
