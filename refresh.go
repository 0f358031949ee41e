package keybearer

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// refresh makes sure that the token is fresh, or, where refused is set, another one than that.
func (b *Broker) refresh(ctx context.Context, c *Connection, p *Provider, refused secret.String) (held, error) {
	if err := b.cooling(c, p); err != nil {
		return held{Connection: *c}, err
	}
	if err := b.breakers.resting(refreshBreaker(p), b.now()); err != nil && !b.pressing(c, p) {
		return held{Connection: *c}, err
	}
	name := "refresh " + string(c.ID)
	if !refused.IsZero() { // a flight that reports another token may end with the very one that is refused here
		name += " " + string(hashOf(refused))
	}
	for again := true; ; again = false {
		one, joined := b.flights.join(name, func() (any, error) { return b.refreshInTurn(b.life, *c, p, refused) })
		h, err := one.wait(ctx)
		if err != nil {
			return held{Connection: *c}, err
		}
		// A flight that was under way may end with a token that has become stale before it landed.
		if fresh := h.(held); !joined || !again || !refused.IsZero() || !b.stale(&fresh.Connection, p) {
			return fresh, nil
		}
	}
}

// refreshInTurn refreshes a connection while nobody else does. Who wakes up late, and finds that
// somebody else has had the turn meanwhile, queues up again.
func (b *Broker) refreshInTurn(ctx context.Context, c Connection, p *Provider, refused secret.String) (held, error) {
	for range tries {
		t, err := b.takeTurn(ctx, &c)
		if err != nil {
			return held{}, err
		}
		h, err := func() (held, error) {
			defer t.end()
			ctx, cancel := context.WithTimeout(ctx, flightLife) // from here on, so that a wait cuts no refresh short
			defer cancel()
			return b.renew(ctx, t.Lease, c.Project, c.ID, p, refused)
		}()
		if !errors.Is(err, errOvertaken) {
			return h, err
		}
	}
	return held{}, outrun(c.Ref)
}

// renew refreshes a connection in its turn. Everything is looked at again: somebody else may have done
// the work while the turn was waited for.
func (b *Broker) renew(ctx context.Context, mine Lease, project ProjectID, id ConnectionID, p *Provider, refused secret.String) (held, error) {
	if err := b.storeUnsaved(ctx, id); err != nil {
		return held{}, err
	}
	client, err := b.client(p)
	if err != nil {
		return held{}, err
	}
	entered := false
	for range tries {
		c, err := b.cfg.Connections.ConnectionByID(ctx, project, id)
		if errors.Is(err, NotFound) {
			return held{}, Errorf(NotFound, "the connection was deleted meanwhile: authorize again")
		}
		if err != nil {
			return held{}, err
		}
		if c.State != ConnectionActive {
			return held{}, dead(&c)
		}
		h, err := b.open(&c)
		if err != nil {
			return held{}, err
		}
		if refused.IsZero() && !b.ripe(&c, p) || !refused.IsZero() && !refused.Equal(secret.New(h.grant.AccessToken)) {
			return h, nil
		}
		if why := h.grant.unrefreshable(client); why != "" {
			if !h.grant.renewable() || !refused.IsZero() && c.Kind == Consented {
				return b.bury(ctx, h, why)
			}
			// The provider's settings stand in the way. They may be repaired, so the grant is kept.
			return held{}, Errorf(Reauthorize, "the token of %s has ended and cannot be refreshed (%s): %s", c.Ref, why, c.Kind.remedy())
		}
		if err := b.cooling(&c, p); err != nil {
			return held{}, err
		}
		if !entered && !b.pressing(&c, p) {
			if err := b.breakers.enter(refreshBreaker(p), b.now()); err != nil {
				return held{}, err
			}
			entered = true
		}
		before := h.Rotation
		if h.grant.ClientSecret == "" { // a service account's credential is not spent by asking
			h, err = b.intend(ctx, h, mine)
		}
		if errors.Is(err, Conflict) { // sealed anew, or replaced by a new consent
			continue
		}
		if err != nil {
			b.told(refreshBreaker(p), string(id), err)
			return held{}, err
		}
		return b.rotate(ctx, mine, client, h, p, before)
	}
	return held{}, outrun(Ref{Project: project})
}

// rotate presents the refresh token and stores what comes of it. The intent to do so is durable; before
// is what the journal held until then.
func (b *Broker) rotate(ctx context.Context, mine Lease, client *oauth.Client, h held, p *Provider, before Rotation) (held, error) {
	fault.At(fault.BeforeSend, string(h.ID))
	client.RedirectURI = cmp.Or(h.grant.RedirectURI, client.RedirectURI)
	present := func() (oauth.TokenResponse, error) {
		if h.grant.ClientSecret != "" {
			return client.ClientCredentials(ctx, h.grant.ClientID, secret.New(h.grant.ClientSecret), h.Scopes)
		}
		return client.Refresh(ctx, secret.New(h.grant.RefreshToken), secret.New(h.grant.AccessToken), h.Scopes)
	}
	answer, err := present()
	if lostOnTheWay(err) && p.Definition.Refresh.ReuseGrace > 0 && h.grant.ClientSecret == "" { // what the leeway is for
		if h, err = b.intend(ctx, h, mine); err != nil {
			return held{}, asKind(Unavailable, err)
		}
		answer, err = present()
	}
	fault.At(fault.AfterAnswer, string(h.ID))
	b.told(refreshBreaker(p), string(h.ID), err)
	if err != nil {
		return b.refreshFailed(ctx, h, before, answer.RefreshToken, err)
	}
	b.cool.worked(h.ID)
	answer = b.introspected(ctx, client, oauth.AtRefresh, answer)
	next, err := b.keep(ctx, h, answer)
	b.recordRefresh(&h, err)
	if err != nil {
		return held{}, err
	}
	for _, w := range answer.Warnings {
		b.log.Warn("odd answer to a refresh was tolerated", "provider", h.Provider, "warning", w)
	}
	if p.Definition.AsksUserInfo(oauth.AtRefresh) {
		next = b.withUserInfo(ctx, client, next)
	}
	if b.asksSites(p) && p.Definition.AsksSites(oauth.AtRefresh) {
		next = b.withSites(ctx, client, next)
	}
	return next, nil
}

// recordRefresh writes an audit line for a refresh.
func (b *Broker) recordRefresh(h *held, err error) {
	b.record(Event{
		Action: ActionRefresh, Project: h.Project, Actor: "engine", User: h.User, Provider: h.Provider, Connection: h.ID,
		Outcome: outcome(err), Reason: reason(err),
	})
}

// refreshFailed tells a dead grant, which takes a new consent, from a failure that may pass. next is the
// refresh token that came all the same, or zero. Where the provider may have replaced the token and the
// answer is lost, the journal's entry stays open.
func (b *Broker) refreshFailed(ctx context.Context, h held, before Rotation, next secret.String, err error) (held, error) {
	wire, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return held{}, Errorf(Internal, "%w", err)
	}
	failure := &Error{Kind: kindOfClass(wire.Class), Op: "refreshing " + h.Ref.String(), Err: wire, RetryAfter: wire.RetryAfter}
	b.recordRefresh(&h, failure)
	switch {
	case !next.IsZero(): // the old one may be spent; an error of storing it is in the log
		_, _ = b.keep(ctx, h, oauth.TokenResponse{
			AccessToken: secret.New(h.grant.AccessToken), RefreshToken: next, TokenType: h.grant.TokenType,
			IssuedAt: h.IssuedAt, ExpiresAt: h.ExpiresAt, Scopes: h.Scopes,
		})
	case wire.Class == oauth.Reconsent:
		return b.bury(ctx, h, before.afterwards(wire.Error()))
	case !wire.Uncertain && h.grant.ClientSecret == "":
		b.desist(ctx, h, before)
	}
	b.cool.failed(h.ID, b.now(), wire.RetryAfter, failure)
	return held{}, failure
}

// lostOnTheWay reports whether a connection broke before its answer was complete. A provider that is
// slow is left in peace.
func lostOnTheWay(err error) bool {
	wire, ok := errors.AsType[*oauth.Error](err)
	return ok && wire.Uncertain && wire.Status == 0 && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func kindOfClass(c oauth.Class) Kind {
	switch c {
	case oauth.Reconsent:
		return Reauthorize
	case oauth.Transient:
		return ProviderAway
	case oauth.UserChoice:
		return AuthorizationFailed
	}
	return ProviderRefused
}

// bury marks a dead grant, unless somebody has stored a newer one meanwhile, which is then used.
func (b *Broker) bury(ctx context.Context, h held, why string) (held, error) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	for range tries {
		c := h.Connection
		c.State, c.Reason, c.UpdatedAt = ConnectionReauthorize, oauth.Clean(why, 500), b.now()
		c.Rotation, c.DueAt = Rotation{}, time.Time{}
		_, err := b.cfg.Connections.PutConnection(ctx, c, c.Version)
		if err == nil {
			b.record(Event{Action: ActionReauthorize, Project: c.Project, Actor: "engine", User: c.User, Provider: c.Provider, Connection: c.ID, Reason: c.Reason})
			b.log.Warn("a grant is dead and needs a new consent", "connection", c.ID, "provider", c.Provider, "reason", c.Reason)
			return held{}, dead(&c)
		}
		if !errors.Is(err, Conflict) {
			return held{}, err
		}
		newer, err := b.newest(ctx, &c)
		if err != nil || newer.grant.Flow != h.grant.Flow || newer.grant.RefreshToken != h.grant.RefreshToken {
			return newer, err
		}
		h = newer // the same grant, only sealed anew
	}
	return held{}, outrun(h.Ref)
}

// newest reads a connection that somebody else has written.
func (b *Broker) newest(ctx context.Context, c *Connection) (held, error) {
	newer, err := b.cfg.Connections.ConnectionByID(ctx, c.Project, c.ID)
	if err != nil {
		return held{}, err
	}
	if newer.State != ConnectionActive {
		return held{}, dead(&newer)
	}
	return b.open(&newer)
}

// introspected asks for expiry and scope where the definition says so. A failure costs no grant.
func (b *Broker) introspected(ctx context.Context, client *oauth.Client, at string, answer oauth.TokenResponse) oauth.TokenResponse {
	if !client.Definition.Introspects(at) {
		return answer
	}
	more, err := client.Introspect(ctx, answer)
	if err != nil {
		b.log.Warn("introspection failed; the token answer stands", "error", err)
		return answer
	}
	return more
}

// withUserInfo lays fresh user info into a stored grant. A failure costs nothing but the news.
func (b *Broker) withUserInfo(ctx context.Context, client *oauth.Client, h held) held {
	info, err := client.UserInfo(ctx, secret.New(h.grant.AccessToken))
	if err != nil {
		b.log.Warn("user info could not be had; the former is kept", "connection", h.ID, "error", err)
		return h
	}
	next := h
	next.grant.UserInfo = info
	sealed, err := b.sealGrant(next.grant, next.GrantPlace())
	if err != nil {
		return h
	}
	next.Connection.Grant, next.UpdatedAt = sealed, b.now()
	stored, err := b.cfg.Connections.PutConnection(ctx, next.Connection, h.Version)
	if err != nil {
		return h
	}
	next.Connection = stored
	return next
}
