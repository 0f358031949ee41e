package keybearer

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// TokenSource gives fresh tokens. *View is one; a client of a running engine gives another.
type TokenSource interface {
	Token(ctx context.Context, ref Ref, scopes ...string) (Token, error)
}

var _ TokenSource = (*View)(nil)

const (
	defaultSkew = time.Minute
	// flightLife bounds one refresh with all that belongs to it.
	flightLife = 75 * time.Second
	// refreshPatience is how long a caller waits for a refresh while the token still lives.
	refreshPatience = 5 * time.Second
	// storeLife bounds the writes that no hanging up may stop.
	storeLife = 10 * time.Second
)

// Token gives a fresh access token of a connection, refreshing it first when it is about to expire.
// However many callers ask, one refresh is made; a caller who hangs up does not stop it.
//
// Kinds: NotFound (no connection), Reauthorize (the grant is dead, or does not cover the scopes),
// PermissionDenied, ProviderInactive, ProviderRefused and ProviderAway (the grant is kept).
func (v *View) Token(ctx context.Context, ref Ref, scopes ...string) (Token, error) {
	c, p, err := v.connection(ctx, ref)
	if err != nil {
		return Token{}, err
	}
	if !c.covers(scopes) {
		return Token{}, Errorf(Reauthorize, "the grant of %s lacks scopes: %s with those that are needed", ref, c.Kind.remedy())
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
	return v.tokenAfter(ctx, &c, p, refused)
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
	if err == nil && p.Status != ProviderActive {
		err = inactive(p.ID)
	}
	return c, p, err
}

// tokenAfter hands out the token of a connection that was just read, or, where one was refused, another.
func (v *View) tokenAfter(ctx context.Context, c *Connection, p *Provider, refused secret.String) (Token, error) {
	if refused.IsZero() {
		return v.token(ctx, c, p)
	}
	if c.Kind.isToken() {
		return v.handOut(held{Connection: *c}, Errorf(Reauthorize, "the provider's API refuses the %s of %s, and there is no other: %s", c.Kind.noun(), c.Ref, c.Kind.remedy()))
	}
	return v.handOut(v.b.refresh(ctx, c, p, refused))
}

// token hands out the token of a connection that was just read.
func (v *View) token(ctx context.Context, c *Connection, p *Provider) (Token, error) {
	if c.State != ConnectionActive {
		return v.handOut(held{Connection: *c}, dead(c))
	}
	if !v.b.stale(c, p) {
		return v.handOut(v.b.open(c))
	}
	if c.Kind.isToken() {
		return v.handOut(v.b.over(ctx, c))
	}
	// While the token lives nobody waits long for another one: the provider may be slow, or a process
	// that had the turn be dead.
	if left := c.ExpiresAt.Sub(v.b.now()); left > 0 {
		patient, cancel := context.WithTimeout(ctx, min(left/2, refreshPatience))
		defer cancel()
		ctx = patient
	}
	v.b.uses.note(c, v.b.now()) // also if it fails: then it is tried again though nobody ask again
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
	v.b.uses.note(&h.Connection, v.b.now())
	return Token{
		Ref: h.Ref, Kind: h.Kind, Access: secret.New(h.grant.AccessToken), Username: h.grant.Username, Scopes: h.Scopes,
		ExpiresAt: h.ExpiresAt, UserInfo: h.grant.UserInfo, Sites: h.grant.Sites,
	}, nil
}

// errUnopened marks a stored grant that cannot be read back, as after damage. Only a new consent helps.
var errUnopened = errors.New("the stored value is of no use")

func (b *Broker) open(c *Connection) (held, error) {
	h := held{Connection: *c}
	plain, err := b.cfg.Sealer.Open(c.Grant, c.GrantPlace())
	if err != nil {
		return h, Errorf(Internal, "opening the grant of %s: %w: %w", c.Ref, errUnopened, err)
	}
	if h.grant, err = readGrant(plain); err != nil {
		return h, Errorf(Internal, "reading the grant of %s: %w: %w", c.Ref, errUnopened, err)
	}
	return h, nil
}

func (b *Broker) sealGrant(g grant, place []byte) ([]byte, error) {
	sealed, err := b.cfg.Sealer.Seal(g.form(), place)
	if err != nil {
		return nil, Errorf(Internal, "sealing a grant: %w", err)
	}
	return sealed, nil
}

func dead(c *Connection) error {
	return Errorf(Reauthorize, "the connection of %s has ended (%s): %s", c.Ref, c.Reason, c.Kind.remedy())
}

// over marks a token that was given and whose time is over.
func (b *Broker) over(ctx context.Context, c *Connection) (held, error) {
	h, err := b.open(c)
	if err != nil {
		return h, err
	}
	return b.bury(ctx, h, c.Kind.overSince(c.ExpiresAt))
}

// stale reports whether the access token is about to expire: within the skew, and a jitter that
// differs between connections, so that many of one age do not refresh in one second.
func (b *Broker) stale(c *Connection, p *Provider) bool {
	if c.ExpiresAt.IsZero() {
		return false
	}
	if !c.Refreshable || c.Kind == Consented && p.Definition.RefreshRequest == nil {
		return !b.now().Before(c.ExpiresAt)
	}
	skew := skewOf(c, &p.Definition)
	jitter := spread(c.ID, strconv.FormatInt(c.Version, 10), skew/2)
	return !b.now().Add(skew + jitter).Before(c.ExpiresAt)
}
