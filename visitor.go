package keybearer

import (
	"context"
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
