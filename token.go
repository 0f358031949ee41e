package keybearer

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// TokenSource gives fresh tokens. *View is one; a client of a running engine gives another.
type TokenSource interface {
	Token(ctx context.Context, ref Ref, scopes ...string) (Token, error)
}

var _ TokenSource = (*View)(nil)

const (
	defaultSkew = time.Minute
	// flightLife bounds one refresh with all that belongs to it; leaseLife is longer, so that a lease
	// does not run out under a refresh that is still going on.
	flightLife = 75 * time.Second
	leaseLife  = 90 * time.Second
	// storeLife bounds the writes that no hanging up may stop.
	storeLife = 10 * time.Second
)

// Token gives a fresh access token of a connection, refreshing it first when it is about to expire.
// However many callers ask, one refresh is made; a caller who hangs up does not stop it.
//
// Kinds: NotFound (no connection), Reauthorize (the grant is dead, or does not cover the scopes),
// PermissionDenied, ProviderRefused and ProviderAway (the grant is kept).
func (v *View) Token(ctx context.Context, ref Ref, scopes ...string) (Token, error) {
	c, p, err := v.connection(ctx, ref)
	if err != nil {
		return Token{}, err
	}
	if !Covers(c.Scopes, scopes) {
		return Token{}, Errorf(Reauthorize, "the grant of %s lacks scopes: authorize again with those that are needed", ref)
	}
	return v.token(ctx, &c, p)
}

// Renew is for an API that refused a token (401) before its expiry: it makes a real refresh, once,
// however many callers report the same token. Kinds: those of [View.Token].
func (v *View) Renew(ctx context.Context, ref Ref, refused secret.String) (Token, error) {
	c, p, err := v.connection(ctx, ref)
	if err != nil {
		return Token{}, err
	}
	return v.handOut(v.b.refresh(ctx, &c, p, refused))
}

func (v *View) connection(ctx context.Context, ref Ref) (Connection, *Provider, error) {
	ref.Project = v.caller.Project
	if !v.caller.mayUse(ref.User, ref.Provider) {
		v.record(Event{Action: ActionToken, User: ref.User, Provider: ref.Provider, Outcome: string(PermissionDenied)})
		return Connection{}, nil, Errorf(PermissionDenied, "permission denied: this API key may not act for %s", ref)
	}
	c, err := v.b.cfg.Connections.Connection(ctx, ref)
	if errors.Is(err, NotFound) {
		return Connection{}, nil, Errorf(NotFound, "there is no connection of %s: authorize first", ref)
	}
	if err != nil {
		return Connection{}, nil, err
	}
	p, err := v.b.provider(ctx, ref.Project, ref.Provider)
	return c, p, err
}

// token hands out the token of a connection that was just read.
func (v *View) token(ctx context.Context, c *Connection, p *Provider) (Token, error) {
	if c.State != ConnectionActive {
		return v.handOut(held{}, dead(c))
	}
	if !v.b.stale(c, p) {
		return v.handOut(v.b.open(c))
	}
	h, err := v.b.refresh(ctx, c, p, secret.String{})
	if err != nil && !errors.Is(err, Reauthorize) && v.b.now().Before(c.ExpiresAt) {
		v.b.log.Warn("the token could not be refreshed and is used until it expires", "connection", c.ID, "provider", c.Provider, "error", err)
		return v.handOut(v.b.open(c))
	}
	return v.handOut(h, err)
}

// held is a connection with its grant open.
type held struct {
	Connection
	grant grant
}

func (v *View) handOut(h held, err error) (Token, error) {
	v.record(Event{
		Action: ActionToken, User: h.User, Provider: h.Provider, Connection: h.ID,
		Outcome: outcome(err), Reason: reason(err),
	})
	if err != nil {
		return Token{}, err
	}
	return Token{
		Ref: h.Ref, Access: secret.New(h.grant.AccessToken), Scopes: h.Scopes,
		ExpiresAt: h.ExpiresAt, UserInfo: h.grant.UserInfo,
	}, nil
}

func (b *Broker) open(c *Connection) (held, error) {
	plain, err := b.cfg.Sealer.Open(c.Grant, c.GrantPlace())
	if err != nil {
		return held{Connection: *c}, Errorf(Internal, "opening the grant of %s: %w", c.Ref, err)
	}
	h := held{Connection: *c}
	if err := json.Unmarshal(plain, &h.grant); err != nil {
		return held{Connection: *c}, Errorf(Internal, "reading the grant of %s: not in a known form", c.Ref)
	}
	return h, nil
}

func (b *Broker) sealGrant(g grant, place []byte) ([]byte, error) {
	plain, err := json.Marshal(g)
	if err != nil {
		return nil, Errorf(Internal, "writing a grant: %w", err)
	}
	sealed, err := b.cfg.Sealer.Seal(plain, place)
	if err != nil {
		return nil, Errorf(Internal, "sealing a grant: %w", err)
	}
	return sealed, nil
}

func dead(c *Connection) error {
	return Errorf(Reauthorize, "the connection of %s has ended (%s): authorize again", c.Ref, c.Reason)
}

// stale reports whether the access token is about to expire: within the skew, and a jitter that
// differs between connections, so that many of one age do not refresh in one second.
func (b *Broker) stale(c *Connection, p *Provider) bool {
	if c.ExpiresAt.IsZero() {
		return false
	}
	if !c.Refreshable {
		return !b.now().Before(c.ExpiresAt)
	}
	skew := p.Definition.Refresh.Skew.D()
	if skew == 0 {
		skew = defaultSkew
	}
	skew = min(skew, c.ExpiresAt.Sub(c.IssuedAt)/10)
	h := fnv.New32a()
	_, _ = h.Write([]byte(string(c.ID) + strconv.FormatInt(c.Version, 10)))
	jitter := time.Duration(float64(skew) / 2 * float64(h.Sum32()) / (1 << 32))
	return !b.now().Add(skew + jitter).Before(c.ExpiresAt)
}

// refresh makes sure that the token is fresh, or, where refused is set, another one than that.
func (b *Broker) refresh(ctx context.Context, c *Connection, p *Provider, refused secret.String) (held, error) {
	if wait, err := b.cool.cooling(c.ID, b.now()); err != nil {
		return held{Connection: *c}, &Error{Kind: KindOf(err), Err: err, RetryAfter: wait}
	}
	one := b.flights.join("refresh "+string(c.ID), func() (any, error) {
		ctx, cancel := context.WithTimeout(b.life, flightLife)
		defer cancel()
		return b.renew(ctx, c.Project, c.ID, p, refused)
	})
	select {
	case <-one.landed:
		if one.err != nil {
			return held{Connection: *c}, one.err
		}
		return one.result.(held), nil
	case <-ctx.Done():
		return held{Connection: *c}, ctx.Err()
	}
}

// renew refreshes a connection under its lease. Everything is looked at again after the lease was
// got: somebody else may have done the work.
func (b *Broker) renew(ctx context.Context, project ProjectID, id ConnectionID, p *Provider, refused secret.String) (held, error) {
	lease, err := b.cfg.Leases.Acquire(ctx, "refresh/"+string(project)+"/"+string(id), leaseLife)
	if err != nil {
		return held{}, Errorf(Unavailable, "waiting to refresh: %w", err)
	}
	defer func() { _ = b.cfg.Leases.Release(context.WithoutCancel(ctx), lease) }()
	if err := b.storeUnsaved(ctx, id); err != nil {
		return held{}, err
	}
	c, err := b.cfg.Connections.ConnectionByID(ctx, project, id)
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
	if refused.IsZero() && !b.stale(&c, p) || !refused.IsZero() && !refused.Equal(secret.New(h.grant.AccessToken)) {
		return h, nil
	}
	client, err := b.client(p)
	if err != nil {
		return held{}, err
	}
	if !c.Refreshable || !client.CanRefresh() {
		return b.bury(ctx, h, "the access token has ended and there is no refresh token")
	}
	if !h.grant.belongsTo(client) {
		return b.bury(ctx, h, "the provider's client or token endpoint was changed since the user consented")
	}
	answer, err := client.Refresh(ctx, secret.New(h.grant.RefreshToken), secret.New(h.grant.AccessToken), c.Scopes)
	if err != nil {
		return b.refreshFailed(ctx, h, err)
	}
	b.cool.worked(id)
	answer = b.introspected(ctx, client, oauth.AtRefresh, answer)
	next, err := b.keep(ctx, h, answer)
	b.record(Event{Action: ActionRefresh, Project: c.Project, Actor: "engine", User: c.User, Provider: c.Provider, Connection: c.ID, Outcome: outcome(err), Reason: reason(err)})
	if err != nil {
		return held{}, err
	}
	for _, w := range answer.Warnings {
		b.log.Warn("odd answer to a refresh was tolerated", "provider", c.Provider, "warning", w)
	}
	if p.Definition.AsksUserInfo(oauth.AtRefresh) {
		next = b.withUserInfo(ctx, client, next)
	}
	return next, nil
}

// refreshFailed tells a dead grant, which takes a new consent, from a failure that may pass.
func (b *Broker) refreshFailed(ctx context.Context, h held, err error) (held, error) {
	wire, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return held{}, Errorf(Internal, "%w", err)
	}
	b.record(Event{
		Action: ActionRefresh, Project: h.Project, Actor: "engine", User: h.User, Provider: h.Provider, Connection: h.ID,
		Outcome: string(kindOfClass(wire.Class)), Reason: wire.Error(),
	})
	if wire.Class == oauth.Reconsent {
		return b.bury(ctx, h, wire.Error())
	}
	failure := &Error{Kind: kindOfClass(wire.Class), Op: "refreshing " + h.Ref.String(), Err: wire, RetryAfter: wire.RetryAfter}
	b.cool.failed(h.ID, b.now(), wire.RetryAfter, failure)
	return held{}, failure
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
	c := h.Connection
	c.State, c.Reason, c.UpdatedAt = ConnectionReauthorize, oauth.Clean(why, 500), b.now()
	_, err := b.cfg.Connections.PutConnection(ctx, c, h.Version)
	switch {
	case err == nil:
		b.record(Event{Action: ActionReauthorize, Project: c.Project, Actor: "engine", User: c.User, Provider: c.Provider, Connection: c.ID, Reason: c.Reason})
		b.log.Warn("a grant is dead and needs a new consent", "connection", c.ID, "provider", c.Provider, "reason", c.Reason)
		return held{}, dead(&c)
	case errors.Is(err, Conflict):
		newer, err := b.cfg.Connections.ConnectionByID(ctx, c.Project, c.ID)
		if err != nil {
			return held{}, err
		}
		if newer.State != ConnectionActive {
			return held{}, dead(&newer)
		}
		return b.open(&newer)
	}
	return held{}, err
}

// keep stores what a refresh gave, before anybody uses it.
func (b *Broker) keep(ctx context.Context, h held, answer oauth.TokenResponse) (held, error) {
	h.grant.take(answer)
	sealed, err := b.sealGrant(h.grant, h.GrantPlace())
	if err != nil {
		return held{}, err
	}
	c := h.Connection
	c.Grant, c.Scopes, c.IssuedAt, c.ExpiresAt = sealed, answer.Scopes, answer.IssuedAt, answer.ExpiresAt
	c.Refreshable, c.UpdatedAt = h.grant.RefreshToken != "", b.now()
	stored, err := b.cfg.Connections.PutConnection(ctx, c, h.Version)
	switch {
	case err == nil:
		h.Connection = stored
		return h, nil
	case errors.Is(err, Conflict): // a new consent has replaced the grant meanwhile: it is the newer one
		newer, err := b.cfg.Connections.ConnectionByID(ctx, c.Project, c.ID)
		if err != nil {
			return held{}, err
		}
		return b.open(&newer)
	}
	// The provider has rotated and the old refresh token may be spent: keep the only copy in memory
	// until storage works again.
	b.unsaved.Store(c.ID, unsavedGrant{c, h.Version})
	b.log.Error("a refreshed grant could not be stored; it is kept in memory and stored as soon as possible", "connection", c.ID, "error", err)
	return held{}, asKind(Unavailable, err)
}

type unsavedGrant struct {
	connection Connection
	ifVersion  int64
}

// storeUnsaved stores a refreshed grant that could not be stored before.
func (b *Broker) storeUnsaved(ctx context.Context, id ConnectionID) error {
	left, ok := b.unsaved.Load(id)
	if !ok {
		return nil
	}
	u := left.(unsavedGrant)
	_, err := b.cfg.Connections.PutConnection(ctx, u.connection, u.ifVersion)
	if err == nil || errors.Is(err, Conflict) || errors.Is(err, NotFound) {
		b.unsaved.Delete(id)
		return nil
	}
	return asKind(Unavailable, err)
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

// take lays a token answer over the grant. A refresh token is kept until a new one comes, and user
// info and id token likewise.
func (g *grant) take(t oauth.TokenResponse) {
	g.AccessToken, g.TokenType = t.AccessToken.Reveal(), t.TokenType
	if !t.RefreshToken.IsZero() {
		g.RefreshToken = t.RefreshToken.Reveal()
	}
	if !t.IDToken.IsZero() {
		g.IDToken = t.IDToken.Reveal()
	}
}

// belongsTo reports whether the refresh token was given to this client at this token endpoint. It is
// shown to nobody else (RFC 6749 section 10.4).
func (g *grant) belongsTo(c *oauth.Client) bool {
	return g.ClientID == c.ID && g.TokenEndpoint == c.Definition.TokenRequest.Endpoint
}
