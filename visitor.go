package keybearer

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// ConfirmPage says when the start page asks the person before it goes on to the provider.
type ConfirmPage string

// The choices.
const (
	ConfirmAuto   ConfirmPage = "auto"   // where no verifier proves afterwards who consented
	ConfirmAlways ConfirmPage = "always" //
	ConfirmNever  ConfirmPage = "never"  //
)

// Visitor is a browser, known by the secret in its cookie. It is what the page room works with; it
// has no API key and no rights but to walk the one flow whose URL it was given.
type Visitor struct {
	b       *Broker
	browser secret.String
}

// Visitor gives the view of a browser. The secret is what [NewBrowserSecret] drew for its cookie.
func (b *Broker) Visitor(browser secret.String) *Visitor { return &Visitor{b: b, browser: browser} }

// StartPage is what a person should know before going on to the provider.
type StartPage struct {
	Authorization AuthorizationID
	// App is who asks: the name of the API key.
	App string
	// Provider is its display name, and ProviderHost where the browser will go.
	Provider, ProviderHost string
	User                   UserID
	Scopes                 []string
	NeedsConfirmation      bool
	// Completed: there is nothing left to do; NextURI is where the app wants the browser.
	Completed bool
	NextURI   string
}

// Start looks at a flow without moving it. Kinds: NotFound, ProviderInactive, AuthorizationFailed,
// AuthorizationEnded.
func (v *Visitor) Start(ctx context.Context, id AuthorizationID) (StartPage, error) {
	f, p, err := v.flow(ctx, id)
	if err != nil {
		return StartPage{}, err
	}
	asked := (&oauth.Client{Definition: &p.Definition}).AskedScopes(f.authorizeOptions())
	page := StartPage{
		Authorization: f.ID, App: f.App, Provider: p.DisplayName(), ProviderHost: hostOf(p.Definition.AuthorizeRequest.Endpoint),
		User: f.User, Scopes: asked, NextURI: f.NextURI,
		Completed: f.State == FlowCompleted,
	}
	if page.NeedsConfirmation, err = v.b.confirms(ctx, f.Project); err != nil {
		return StartPage{}, err
	}
	return page, nil
}

// authorizeOptions are what the provider is asked for: the app's scopes, and those granted before.
func (f *Flow) authorizeOptions() oauth.AuthorizeOptions {
	return oauth.AuthorizeOptions{
		Scopes:   f.Scopes,
		Existing: slices.DeleteFunc(slices.Clone(f.Asked), func(s string) bool { return slices.Contains(f.Scopes, s) }),
	}
}

func (b *Broker) confirms(ctx context.Context, project ProjectID) (bool, error) {
	switch b.cfg.Confirm {
	case ConfirmAlways:
		return true, nil
	case ConfirmNever:
		return false, nil
	}
	how, err := b.verification(ctx, project)
	return how.UnsafeSkip, err
}

// flow finds a flow that a browser may see, with its provider.
func (v *Visitor) flow(ctx context.Context, id AuthorizationID) (*Flow, *Provider, error) {
	f, err := v.b.cfg.Flows.Flow(ctx, DefaultProject, id)
	if errors.Is(err, NotFound) || err == nil && f.DryRun {
		return nil, nil, Errorf(NotFound, "this link leads nowhere: it may be mistyped or too old. Go back to the app and start again")
	}
	if err != nil {
		return nil, nil, err
	}
	switch v.b.stateOf(&f) {
	case FlowFailed, FlowExpired:
		return nil, nil, failed(&f).Failure
	}
	p, err := v.b.provider(ctx, f.Project, f.Provider)
	if err != nil {
		return nil, nil, err
	}
	if p.Status != ProviderActive {
		return nil, nil, inactive(p.ID)
	}
	return &f, p, nil
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// Begin makes an attempt for this browser and gives the provider's URL to go to. Each call makes one:
// a second tab or a link preview does not break the first.
func (v *Visitor) Begin(ctx context.Context, id AuthorizationID) (string, error) {
	if v.browser.IsZero() { // every browser without a cookie would do at the callback
		return "", Errorf(BadRequest, "this browser has no cookie of ours: allow cookies, then open the link again")
	}
	f, p, err := v.flow(ctx, id)
	if err != nil {
		return "", err
	}
	if !f.State.MayBecome(FlowExchanging) {
		return "", errElsewhere
	}
	client, err := v.b.client(p)
	if err != nil {
		return "", err
	}
	state := randomSecret()
	now := v.b.now()
	a := Attempt{
		StateHash: hashOf(state), Flow: f.ID, Project: f.Project, Provider: p.ID, BrowserHash: hashOf(v.browser),
		RedirectURI: client.RedirectURI, CreatedAt: now, Deadline: f.Deadline,
	}
	var verifier secret.String
	if p.Definition.PKCE.On() {
		verifier = oauth.NewVerifier()
		if a.Verifier, err = v.b.cfg.Sealer.Seal([]byte(verifier.Reveal()), a.VerifierPlace()); err != nil {
			return "", Errorf(Internal, "sealing the code verifier: %w", err)
		}
	}
	if err := v.b.cfg.Attempts.PutAttempt(ctx, a); err != nil {
		return "", err
	}
	asked := f.authorizeOptions()
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{
		State: state, Verifier: verifier, Scopes: asked.Scopes, Existing: asked.Existing,
	})
	v.b.recordFlow(f, ActionStart, err)
	if err != nil {
		return "", Errorf(ProviderRefused, "%w", err)
	}
	return to, nil
}

// recordFlow writes an audit line for something that a browser did.
func (b *Broker) recordFlow(f *Flow, action string, err error) {
	b.record(Event{
		Project: f.Project, Actor: "browser", Action: action, User: f.User, Provider: f.Provider, Flow: f.ID,
		Outcome: outcome(err), Reason: reason(err),
	})
}

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
	one := v.b.flights.join("exchange "+string(a.StateHash), func() (any, error) {
		ctx, cancel := context.WithTimeout(v.b.life, flightLife)
		defer cancel()
		return v.b.redeem(ctx, f, &a, p, cb)
	})
	select {
	case <-one.landed:
	case <-ctx.Done():
		return Landing{}, gaveUp(ctx)
	}
	if one.err != nil {
		return Landing{}, one.err
	}
	return one.result.(Landing), nil
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

// fail ends a flow with a reason that apps and people are told, also when the time of whoever asked is
// over.
func (b *Broker) fail(ctx context.Context, f *Flow, cause error) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	failure := asKind(AuthorizationFailed, cause)
	f.Kind, f.Reason, f.Grant = KindOf(failure), oauth.Clean(failure.Error(), 500), nil
	b.recordFlow(f, ActionCallback, failure)
	if err := b.move(ctx, f, FlowFailed); err != nil {
		b.log.Error("a failed authorization could not be marked", "authorization", f.ID, "error", err)
	}
	return failure
}

// move takes a flow along one arrow of the state machine, and wakes who waits for it. It is Conflict
// if somebody else has moved the flow since it was read. An app that asks for the same authorization
// again may write its next_uri meanwhile, which is no move.
func (b *Broker) move(ctx context.Context, f *Flow, to FlowState) error {
	for {
		if !f.State.MayBecome(to) {
			return Errorf(Conflict, "an authorization that is %s cannot become %s", f.State, to)
		}
		next := *f
		next.State = to
		moved, err := b.cfg.Flows.AdvanceFlow(ctx, next)
		if err == nil {
			*f = moved
			b.wakes.wake(f.ID)
			return nil
		}
		if !errors.Is(err, Conflict) {
			return err
		}
		now, lost := b.cfg.Flows.Flow(ctx, f.Project, f.ID)
		if lost != nil || now.State != f.State || now.Version == f.Version {
			return err
		}
		f.Version, f.NextURI = now.Version, now.NextURI
	}
}
