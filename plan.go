package keybearer

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// The plan: when a connection comes due. It follows from the row and the policy of its provider alone,
// so whoever reads the row comes to the same end, and nobody has to tell anybody.

const (
	// reviewAfter is when a connection that this policy leaves alone is looked at again: by then the
	// policy may be another one.
	reviewAfter = 7 * 24 * time.Hour
	// minSkew is for very short lives: servers count in whole seconds.
	minSkew = time.Second
)

// plan writes into a row with a new grant what follows from it: when it comes due, and whose fate it
// shares. Where the provider cannot be read now, whoever claims the row plans it.
func (b *Broker) plan(ctx context.Context, c *Connection, g *grant) {
	now := b.now()
	p, err := b.provider(ctx, c.Project, c.Provider)
	if err != nil {
		c.DueAt = now
		return
	}
	c.DueAt, c.Family = dueAt(c, &p.Definition, now), family(p, g)
	if c.Rotation.Open() {
		c.DueAt = now.Add(settleAfter)
	}
}

// dueAt is when somebody should look after a connection, as far as its grant is concerned: the earliest
// time to come. Zero is never: only a new consent changes anything.
func dueAt(c *Connection, d *oauth.Definition, now time.Time) time.Time {
	if c.State != ConnectionActive || !c.Refreshable {
		return time.Time{}
	}
	var due time.Time
	for _, at := range []time.Time{aheadAt(c, d), keepAliveAt(c, d)} {
		if at.After(now) && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	if due.IsZero() {
		return now.Add(reviewAfter + spread(c.ID, "review", reviewAfter/7))
	}
	return due
}

// aheadAt is when the access token is to be replaced though nobody ask for it: at 80 to 90 percent of
// its life, and always before an asker would find it stale and wait. Zero: it is not.
func aheadAt(c *Connection, d *oauth.Definition) time.Time {
	life := c.ExpiresAt.Sub(c.IssuedAt)
	if c.ExpiresAt.IsZero() || life <= 0 || d.Refresh.Ahead == oauth.AheadNever {
		return time.Time{}
	}
	latest := min(life/10*9, life-2*skewOf(c, d))
	return c.IssuedAt.Add(max(latest-life/10, life/2) + spread(c.ID, "ahead", life/10))
}

// keepAliveAt is when the refresh token is to be presented lest it end unused: at two thirds of the
// time that it has, or days before. Zero: nobody knows that it would end.
func keepAliveAt(c *Connection, d *oauth.Definition) time.Time {
	idle := d.Refresh.IdleExpiry.D()
	if idle == 0 || c.Kind == ServiceAccount {
		return time.Time{}
	}
	return c.IssuedAt.Add(idle/3*2 - spread(c.ID, "keep alive", idle/15))
}

// ripe reports whether a refresh is to be made: the token is stale, the journal has an open entry, or the
// time to replace the token ahead or to keep the grant alive has come.
func (b *Broker) ripe(c *Connection, p *Provider) bool {
	return b.stale(c, p) || c.Rotation.Open() || reached(aheadAt(c, &p.Definition), b.now()) || reached(keepAliveAt(c, &p.Definition), b.now())
}

// wanted reports whether a connection that is due is to be refreshed now. Not so a token whose time has
// come but that nobody uses: it ends, and its grant is kept alive.
func wanted(c *Connection, d *oauth.Definition, now time.Time) bool {
	switch {
	case c.State != ConnectionActive || !c.Refreshable:
		return false
	case c.Rotation.Open(), reached(keepAliveAt(c, d), now):
		return true
	}
	return reached(aheadAt(c, d), now) && (d.Refresh.Ahead == oauth.AheadAlways || inUse(c, now))
}

// inUse reports whether a token was handed out within about two of its lives.
func inUse(c *Connection, now time.Time) bool {
	return !c.UsedAt.IsZero() && now.Sub(c.UsedAt) <= 2*c.ExpiresAt.Sub(c.IssuedAt)+useGrain
}

func reached(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// skewOf is how long before its end a token counts as stale: a tenth of a short life, but no less than
// a second.
func skewOf(c *Connection, d *oauth.Definition) time.Duration {
	skew := d.Refresh.Skew.D()
	if skew == 0 {
		skew = defaultSkew
	}
	life := c.ExpiresAt.Sub(c.IssuedAt)
	return min(skew, max(life/10, min(minSkew, life/2)))
}

// spread is a part of within that differs between connections and between purposes, and stays the same
// for one: what began in one second does not end in one.
func spread(id ConnectionID, purpose string, within time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(purpose + string(id)))
	return time.Duration(float64(within) * float64(h.Sum32()) / (1 << 32))
}
