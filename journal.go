package keybearer

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// The journal of rotations. A refresh token that works once is lost when a process dies, or an answer
// is lost, after the provider has replaced it and before its successor is stored. So before the token
// is presented the row says that it may be spent from now on (see [Rotation]), and the write that
// stores the new pair takes that back. Whoever finds such an entry open, because the token is asked
// for or because the row comes due, settles it by presenting the token once more. Within the provider's
// leeway that is safe, so it is done in time; see [Broker.pressing]. After it, or where no leeway is known,
// it is the only way to learn whether the grant lives: it does where the provider never replaced the
// token, as in an outage. If the token is refused, the connection needs a new consent, once.

// settleAfter is when an open entry comes due. The lease of who wrote it has ended by then.
const settleAfter = leaseLife + leaseLife/3

// restored reports whether the entry comes from a restored backup, and its token was not tried yet.
func (r *Rotation) restored() bool { return r.Open() && r.Attempt == 0 }

// urgent reports whether the entry has to be settled while the provider's leeway lasts.
func (r *Rotation) urgent() bool { return r.Open() && !r.restored() }

// pressing reports whether an open entry cannot wait until its provider has recovered: a third of the
// leeway is over, and with the rest the grant may end.
func (b *Broker) pressing(c *Connection, p *Provider) bool {
	leeway, since := p.Definition.Refresh.ReuseGrace.D(), b.now().Sub(c.Rotation.At)
	return c.Rotation.urgent() && since > leeway/3 && since < leeway
}

// pressingPause is what lies between two tries of an entry that presses.
func pressingPause(p *Provider) time.Duration {
	return max(firstCooldown, p.Definition.Refresh.ReuseGrace.D()/10)
}

// cooling says that a refresh has just failed, and for how long to leave the connection alone, or nil.
func (b *Broker) cooling(c *Connection, p *Provider) error {
	atMost := time.Duration(math.MaxInt64 / 2)
	if b.pressing(c, p) {
		atMost = pressingPause(p)
	}
	return b.cool.cooling(c.ID, b.now(), atMost)
}

// about reports whether the entry is about this refresh token.
func (r *Rotation) about(token secret.String) bool {
	return r.Open() && (len(r.Token) == 0 || bytes.Equal(r.Token, hashOf(token)))
}

// intend opens the journal's entry, or counts one attempt more in the one that is open. It is Conflict
// if somebody else has written the row.
func (b *Broker) intend(ctx context.Context, h held, mine Lease) (held, error) {
	token := secret.New(h.grant.RefreshToken)
	r, now := h.Rotation, b.now()
	switch {
	case r.restored():
		b.log.Warn("a refresh token from a backup is tried, carefully: it may have been replaced since the backup was made",
			"connection", h.ID, "provider", h.Provider, "backup_of", r.At)
		r.At = now
	case !r.about(token):
		r = Rotation{At: now}
	default:
		b.log.Warn("a refresh that was broken off is settled: its refresh token is presented again",
			"connection", h.ID, "provider", h.Provider, "first_presented", r.At, "attempt", r.Attempt+1)
	}
	r.Token, r.Holder, r.Attempt = hashOf(token), mine.Generation, r.Attempt+1
	h.Rotation, h.DueAt = r, now.Add(settleAfter)
	stored, err := b.cfg.Connections.PutConnection(ctx, h.Connection, h.Version)
	h.Connection = stored
	return h, err
}

// desist takes an intent back, since it is certain that the provider has not replaced the token. What
// was open before it stays open.
func (b *Broker) desist(ctx context.Context, h held, before Rotation) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	h.Rotation = before
	if _, err := b.cfg.Connections.PutConnection(ctx, h.Connection, h.Version); err != nil { // it stays open, and is settled later
		b.log.Warn("the journal's entry could not be taken back", "connection", h.ID, "error", err)
	}
}

// afterwards adds to the reason of a dead grant what the journal knows of it.
func (r *Rotation) afterwards(why string) string {
	switch {
	case r.restored():
		return "the refresh token came from a backup of " + r.At.UTC().Format(time.RFC3339) + " and is not valid any more: " + why
	case r.Open():
		return "the answer of a refresh at " + r.At.UTC().Format(time.RFC3339) + " was lost, and its refresh token is not valid any more: " + why
	}
	return why
}
