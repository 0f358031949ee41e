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
	b.told(exchangeBreaker(p), string(f.ID), err)
	if err != nil {
		return Landing{}, b.fail(ctx, f, exchangeError(err))
	}
	if err := b.receive(ctx, f, p, client, answer); err != nil {
		return Landing{}, b.fail(ctx, f, err)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
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

// receive lays what the provider gave into the flow, sealed, with what the provider says of the user.
func (b *Broker) receive(ctx context.Context, f *Flow, p *Provider, client *oauth.Client, answer oauth.TokenResponse) error {
	for _, w := range answer.Warnings {
		b.log.Warn("odd answer to an exchange was tolerated", "provider", p.ID, "warning", w)
	}
	answer = b.introspected(ctx, client, oauth.AtToken, answer)
	g := grant{
		ClientID: client.ID, TokenEndpoint: client.Definition.TokenRequest.Endpoint, Elsewhere: elsewhere(client.Definition),
		RedirectURI: client.RedirectURI, Flow: f.ID, ConsentedAt: b.now(), Hosts: p.Definition.API.All(),
	}
	g.take(answer)
	if p.Definition.AsksUserInfo(oauth.AtToken) {
		info, err := client.UserInfo(ctx, answer.AccessToken)
		if g.UserInfo = info; err != nil {
			b.log.Warn("user info could not be had; the grant is kept without it", "provider", p.ID, "error", err)
		}
	}
	if b.asksSites(p) && p.Definition.AsksSites(oauth.AtToken) {
		b.grantSites(ctx, client, p, &g)
	}
	if missing := missingScopes(answer.Scopes, f.Scopes); len(missing) > 0 {
		b.log.Warn("the provider granted less than was asked for", "provider", p.ID, "authorization", f.ID, "missing", missing)
	}
	f.Granted, f.IssuedAt, f.ExpiresAt = answer.Scopes, answer.IssuedAt, answer.ExpiresAt
	f.Refreshable = g.RefreshToken != ""
	sealed, err := b.sealGrant(g, f.GrantPlace())
	f.Grant = sealed
	return err
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
		if stored, err = b.connect(ctx, f, Consented, fresh); err == nil {
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
func (b *Broker) connect(ctx context.Context, f *Flow, kind ConnectionKind, fresh grant) (Connection, error) {
	now := b.now()
	c, err := b.cfg.Connections.Connection(ctx, f.Ref)
	if errors.Is(err, NotFound) {
		c, err = Connection{ID: ConnectionID(randomID("conn_")), Ref: f.Ref, CreatedAt: now}, nil
	}
	if err != nil {
		return c, err
	}
	former, journal := c, c.Rotation
	c.Rotation = Rotation{} // of a token that is replaced
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
		if fresh.RefreshToken == "" && kind == Consented && c.Kind == Consented && c.State == ConnectionActive && old.grant.sameHolder(&fresh) {
			fresh.RefreshToken, c.Rotation, fresh.ConsentedAt = old.grant.RefreshToken, journal, old.grant.ConsentedAt
		}
		if kind == c.Kind {
			fresh.followSites(&old.grant)
		}
	}
	c.Kind, c.State, c.Reason, c.Scopes, c.UpdatedAt = kind, ConnectionActive, "", f.Granted, now
	c.IssuedAt, c.ExpiresAt = f.IssuedAt, f.ExpiresAt
	c.Refreshable = fresh.renewable()
	b.plan(ctx, &c, &fresh)
	if c.Grant, err = b.sealGrant(fresh, c.GrantPlace()); err != nil {
		return c, err
	}
	stored, err := b.cfg.Connections.PutConnection(ctx, c, c.Version)
	if err == nil {
		b.cool.worked(c.ID)
		if l, ok := fresh.siteList(); ok {
			b.tellSites(&stored, &fresh, l.ReadAt)
		}
		if waits {
			b.unsaved.CompareAndDelete(c.ID, left)
		}
	}
	return stored, err
}
