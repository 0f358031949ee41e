package keybearer

import (
	"context"
	"errors"
	"net/url"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// redeem exchanges the code, asks for user info, and hands over to the verifier. It runs to its end
// even if the browser has gone. Only one of all attempts of a flow comes beyond its first step.
func (b *Broker) redeem(ctx context.Context, f *Flow, a *Attempt, p *Provider, cb Callback) (Landing, error) {
	// What a former attempt left waiting for a verifier that was never asked is forgotten.
	f.Grant, f.VerificationID = nil, ""
	err := b.move(ctx, f, FlowExchanging)
	if errors.Is(err, Conflict) {
		return Landing{}, errElsewhere
	}
	if err != nil {
		return Landing{}, err
	}
	client, err := b.client(p)
	if err != nil {
		return Landing{}, b.fail(ctx, f, err)
	}
	client.RedirectURI = a.RedirectURI // to the letter the one that was sent, whatever the file says now
	client.State = cb.State
	var verifier secret.String
	if len(a.Verifier) > 0 {
		plain, err := b.cfg.Sealer.Open(a.Verifier, a.VerifierPlace())
		if err != nil {
			return Landing{}, b.fail(ctx, f, Errorf(Internal, "opening the code verifier: %w", err))
		}
		verifier = secret.New(string(plain))
	}
	answer, err := client.Exchange(ctx, cb.Code, verifier, f.Asked)
	if err != nil {
		return Landing{}, b.fail(ctx, f, exchangeError(err))
	}
	for _, w := range answer.Warnings {
		b.log.Warn("odd answer to an exchange was tolerated", "provider", p.ID, "warning", w)
	}
	answer = b.introspected(ctx, client, oauth.AtToken, answer)
	g := grant{
		ClientID: client.ID, TokenEndpoint: client.Definition.TokenRequest.Endpoint, Elsewhere: elsewhere(client.Definition), Flow: f.ID,
	}
	g.take(answer)
	if p.Definition.AsksUserInfo(oauth.AtToken) {
		if g.UserInfo, err = client.UserInfo(ctx, answer.AccessToken); err != nil {
			b.log.Warn("user info could not be had; the grant is kept without it", "provider", p.ID, "error", err)
		}
	}
	if missing := missingScopes(answer.Scopes, f.Scopes); len(missing) > 0 {
		b.log.Warn("the provider granted less than was asked for", "provider", p.ID, "authorization", f.ID, "missing", missing)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	f.Granted, f.IssuedAt, f.ExpiresAt = answer.Scopes, answer.IssuedAt, answer.ExpiresAt
	f.Refreshable = g.RefreshToken != ""
	if f.Grant, err = b.sealGrant(g, f.GrantPlace()); err != nil {
		return Landing{}, b.fail(ctx, f, err)
	}
	b.recordFlow(f, ActionCallback, nil)
	how, err := b.verification(ctx, f.Project)
	if err != nil {
		return Landing{}, b.fail(ctx, f, err)
	}
	if how.UnsafeSkip {
		if err := b.finish(ctx, f); err != nil {
			return Landing{}, b.fail(ctx, f, err)
		}
		return Landing{Redirect: f.NextURI, User: f.User, Provider: p.DisplayName()}, nil
	}
	f.VerificationID = FlowID(randomID("af_"))
	if err := b.move(ctx, f, FlowVerifying); err != nil {
		return Landing{}, b.fail(ctx, f, err)
	}
	if how.VerifierURL == "" {
		return Landing{SignIn: true, Flow: f.VerificationID, User: f.User, Provider: p.DisplayName()}, nil
	}
	return Landing{Redirect: withFlowID(how.VerifierURL, f.VerificationID)}, nil
}

// exchangeError gives a provider's refusal the kind of a failed authorization: the code is spent,
// so the way on is always a new one.
func exchangeError(err error) error {
	if wire, ok := errors.AsType[*oauth.Error](err); ok {
		kind := kindOfClass(wire.Class)
		if kind == Reauthorize {
			kind = AuthorizationFailed
		}
		return Errorf(kind, "%w", wire)
	}
	return err
}

func missingScopes(granted, wanted []string) []string {
	var missing []string
	for _, w := range wanted {
		if !Covers(granted, []string{w}) {
			missing = append(missing, w)
		}
	}
	return missing
}

func withFlowID(verifier string, id FlowID) string {
	u, err := url.Parse(verifier)
	if err != nil {
		return verifier
	}
	q := u.Query()
	q.Set("flow_id", string(id))
	u.RawQuery = q.Encode()
	return u.String()
}

// finish stores the waiting grant as the user's connection and completes the flow.
func (b *Broker) finish(ctx context.Context, f *Flow) error {
	plain, err := b.cfg.Sealer.Open(f.Grant, f.GrantPlace())
	if err != nil {
		return Errorf(Internal, "opening the grant of %s: %w: %w", f.ID, errUnopened, err)
	}
	fresh, err := readGrant(plain)
	if err != nil {
		return Errorf(Internal, "reading the grant of %s: %w: %w", f.ID, errUnopened, err)
	}
	for range tries { // a refresh of the former grant may be going on
		var stored Connection
		if stored, err = b.connect(ctx, f, fresh); err == nil {
			f.Grant = nil
			if err := b.move(ctx, f, FlowCompleted); err != nil && !errors.Is(err, Conflict) {
				return err
			}
			b.record(Event{
				Project: f.Project, Actor: "engine", Action: ActionComplete, User: f.User, Provider: f.Provider, Connection: stored.ID, Flow: f.ID,
			})
			return nil
		}
		if !errors.Is(err, Conflict) {
			return err
		}
	}
	return outrun(f.Ref)
}

// connect writes the connection row, on top of the one that is there. What this flow brought is
// written once: by a second time it may have been refreshed, and its refresh token be spent.
func (b *Broker) connect(ctx context.Context, f *Flow, fresh grant) (Connection, error) {
	now := b.now()
	c, err := b.cfg.Connections.Connection(ctx, f.Ref)
	if errors.Is(err, NotFound) {
		c, err = Connection{ID: ConnectionID(randomID("conn_")), Ref: f.Ref, CreatedAt: now}, nil
	}
	if err != nil {
		return c, err
	}
	former := c
	left, waits := b.unsaved.Load(c.ID)
	if waits {
		former = left.(*unsavedGrant).connection
	}
	if old, err := b.open(&former); err == nil {
		if old.grant.Flow == f.ID {
			return c, nil
		}
		// Google gives a refresh token only at the first consent. The former one goes on, if it is of
		// the same client and nothing says that the person chose another account this time.
		if fresh.RefreshToken == "" && c.State == ConnectionActive && old.grant.sameHolder(&fresh) {
			fresh.RefreshToken = old.grant.RefreshToken
		}
	}
	c.State, c.Reason, c.Scopes, c.UpdatedAt = ConnectionActive, "", f.Granted, now
	c.IssuedAt, c.ExpiresAt = f.IssuedAt, f.ExpiresAt
	c.Refreshable = fresh.RefreshToken != ""
	if c.Grant, err = b.sealGrant(fresh, c.GrantPlace()); err != nil {
		return c, err
	}
	stored, err := b.cfg.Connections.PutConnection(ctx, c, c.Version)
	if err == nil {
		b.cool.worked(c.ID)
		if waits {
			b.unsaved.CompareAndDelete(c.ID, left)
		}
	}
	return stored, err
}

// Confirmation is the answer to a verifier.
type Confirmation struct {
	Authorization AuthorizationID
	// NextURI is where the app may send the browser, or "".
	NextURI string
}

// Confirm is how an app's own verifier says which of its users is at the browser. Only if that is the
// user who the flow was started for, the grant is stored; otherwise a victim could be led to consent
// for an attacker's user id. Confirming twice is harmless.
//
// Kinds: NotFound, UserMismatch, AuthorizationEnded, AuthorizationFailed, PermissionDenied.
func (v *View) Confirm(ctx context.Context, id FlowID, user UserID) (Confirmation, error) {
	return v.b.confirm(ctx, v.caller, id, user)
}

// ConfirmSignedIn is the built-in verifier: the browser is signed in at the engine as user.
func (v *Visitor) ConfirmSignedIn(ctx context.Context, id FlowID, user UserID) (Landing, error) {
	done, err := v.b.confirm(ctx, Caller{Project: DefaultProject, Name: "user:" + string(user)}, id, user)
	if err != nil {
		return Landing{}, err
	}
	land := Landing{Redirect: done.NextURI, User: user}
	f, err := v.b.cfg.Flows.FlowByVerification(ctx, DefaultProject, id)
	if err != nil {
		return land, nil
	}
	if p, err := v.b.provider(ctx, f.Project, f.Provider); err == nil {
		land.Provider = p.DisplayName()
	}
	return land, nil
}

func (b *Broker) confirm(ctx context.Context, caller Caller, id FlowID, user UserID) (Confirmation, error) {
	f, err := b.cfg.Flows.FlowByVerification(ctx, caller.Project, id)
	if errors.Is(err, NotFound) || err == nil && !f.DryRun && !caller.mayUse(f.User, f.Provider) {
		return Confirmation{}, Errorf(NotFound, "there is no flow %q waiting for a verifier: it may be too old", oauth.Clean(string(id), 60))
	}
	if err != nil {
		return Confirmation{}, err
	}
	event := Event{Project: f.Project, Actor: caller.Name, Action: ActionConfirm, User: f.User, Provider: f.Provider, Flow: f.ID}
	if user != f.User {
		event.Outcome, event.Reason = string(UserMismatch), "another user is at the browser than the one who started the authorization"
		b.record(event)
		return Confirmation{}, Errorf(UserMismatch, "the user at the browser is not the one for whom the authorization was started: sign in as that user, or start a new authorization")
	}
	one := b.flights.join("confirm "+string(f.ID), func() (any, error) {
		ctx, cancel := context.WithTimeout(b.life, flightLife)
		defer cancel()
		return nil, b.settle(ctx, f.Project, f.ID)
	})
	select {
	case <-one.landed:
	case <-ctx.Done():
		return Confirmation{}, gaveUp(ctx)
	}
	event.Outcome, event.Reason = outcome(one.err), reason(one.err)
	b.record(event)
	if one.err != nil {
		return Confirmation{}, one.err
	}
	return Confirmation{Authorization: f.ID, NextURI: f.NextURI}, nil
}

// settle completes a flow whose user was confirmed. It reads the flow again: whoever asked may have
// read it before somebody else completed it.
func (b *Broker) settle(ctx context.Context, project ProjectID, id AuthorizationID) error {
	f, err := b.cfg.Flows.Flow(ctx, project, id)
	if err != nil {
		return err
	}
	switch b.stateOf(&f) {
	case FlowCompleted:
		return nil
	case FlowFailed, FlowExpired:
		return failed(&f).Failure
	}
	if f.DryRun {
		return b.move(ctx, &f, FlowCompleted)
	}
	err = b.finish(ctx, &f)
	if errors.Is(err, errUnopened) { // no other try will do better
		return b.fail(ctx, &f, err)
	}
	return err
}
