package keybearer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer/secret"
)

const (
	// roundLife is how long one replica has a provider to itself: what it refreshes in that time is the
	// rate of all replicas together.
	roundLife = time.Second
	// roundWait is how long the turn is waited for: the one before may be ending just now.
	roundWait = 250 * time.Millisecond
	// roundWorkers is how many connections of a provider are refreshed at once.
	roundWorkers = 8
	// claimLife is when connections come again whose claimer has died.
	claimLife = 3 * time.Minute
	// maxClaim bounds the connections in memory.
	maxClaim = 500
	// refusedRest is for a provider that refuses what is not the grant's fault, like a wrong secret, and
	// repairRest for the connections that met with it: somebody has to do something first.
	refusedRest = time.Minute
	repairRest  = time.Hour
)

// round is what one replica does for one provider while it has the turn.
type round struct {
	*Broker
	provider *Provider
	resting  error // why the provider is left alone but for what presses, or nil
	budget   int   // refreshes that may still begin
	late     int   // connections that have to wait for a later round
	workers  chan struct{}
	all      sync.WaitGroup
	refused  atomic.Bool
}

// roundOutcome is what a round has come to.
type roundOutcome struct {
	idle   bool          // nothing was due
	worked bool          // something was
	rest   time.Duration // for how long the provider is not to be looked at
	err    error         // of storage
}

// round claims what is due and does it: refreshes as many as the rate allows for a second, and plans
// anew what needs no refresh. Of a provider that is left alone only those whose leeway runs out are refreshed.
func (b *Broker) round(ctx context.Context, p *Provider) roundOutcome {
	resting := b.breakers.resting(refreshBreaker(p), b.now())
	if mine, err := b.takeRound(ctx, p); err != nil || !mine {
		return roundOutcome{err: err}
	}
	r := &round{Broker: b, provider: p, resting: resting, budget: p.Definition.Refresh.PerSecond(), workers: make(chan struct{}, roundWorkers)}
	claimed, err := r.claim(ctx)
	r.all.Wait()
	o := roundOutcome{idle: claimed == 0 && err == nil, worked: claimed > 0, err: err}
	switch {
	case r.refused.Load():
		o.rest = refusedRest
	case resting != nil:
		o.rest = min(retryAfter(resting), longIdle)
	}
	return o
}

// claim works off what is due, more and more at a time while most of it only has to be planned, and
// counts it.
func (r *round) claim(ctx context.Context) (claimed int, err error) {
	limit := r.budget
	for began := time.Now(); time.Since(began) < roundLife && ctx.Err() == nil; limit = min(2*limit, maxClaim) {
		now := r.now()
		due, err := r.cfg.Upkeep.ClaimDue(ctx, r.provider.Project, r.provider.ID, now, now.Add(claimLife), limit)
		if err != nil {
			return claimed, err
		}
		claimed += len(due)
		refresh, postpone := r.sort(due, now)
		if err := r.postpone(ctx, postpone); err != nil {
			return claimed, err
		}
		for _, c := range refresh {
			r.begin(ctx, c)
		}
		if len(due) < limit || r.budget <= 0 && len(refresh) == 0 { // behind what is in time there may be what is urgent
			break
		}
	}
	return claimed, nil
}

// takeRound takes the turn at a provider, and does not give it back: it ends by itself. It reports
// false where another replica has it.
func (b *Broker) takeRound(ctx context.Context, p *Provider) (bool, error) {
	waiting, cancel := context.WithTimeout(ctx, roundWait)
	defer cancel()
	_, err := b.cfg.Leases.Acquire(waiting, "upkeep/"+string(p.Project)+"/"+string(p.ID), roundLife)
	if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil {
		return false, nil
	}
	return err == nil, err
}

// sort tells the connections that are to be refreshed now from those that come due again later, and
// says when.
func (r *round) sort(due []Connection, now time.Time) (refresh, postpone []Connection) {
	policy := &r.provider.Definition
	for _, c := range due {
		switch {
		case !wanted(&c, policy, now):
			c.DueAt = dueAt(&c, policy, now)
		case r.refused.Load():
			c.DueAt = r.refusedUntil(c.ID)
		case r.resting != nil && !r.pressing(&c, r.provider):
			c.DueAt = r.retryAt(&c, r.resting)
		case r.budget <= 0 && !c.Rotation.urgent():
			r.late++
			c.DueAt = now.Add(time.Duration(r.late) * time.Second / time.Duration(policy.Refresh.PerSecond()))
		default:
			r.budget--
			refresh = append(refresh, c)
			continue
		}
		postpone = append(postpone, c)
	}
	return refresh, postpone
}

func (r *round) postpone(ctx context.Context, planned []Connection) error {
	if len(planned) == 0 {
		return nil
	}
	return r.cfg.Upkeep.Postpone(ctx, planned)
}

// begin refreshes a connection as soon as there is a worker for it.
func (r *round) begin(ctx context.Context, c Connection) {
	select {
	case r.workers <- struct{}{}:
	case <-ctx.Done():
		return
	}
	r.all.Go(func() {
		defer func() { <-r.workers }()
		r.renewAhead(ctx, c)
	})
}

// renewAhead refreshes a connection as an asker would, and plans the next try if that fails.
func (r *round) renewAhead(ctx context.Context, c Connection) {
	if !r.refused.Load() {
		_, err := r.refresh(ctx, &c, r.provider, secret.String{})
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(err, ProviderRefused) {
			r.refused.Store(true)
		}
		failed := err
		if c, err = r.cfg.Connections.ConnectionByID(ctx, c.Project, c.ID); err != nil || c.State != ConnectionActive {
			return // gone, or dead: then nothing helps but a new consent
		}
		c.DueAt = r.retryAt(&c, failed)
	} else {
		c.DueAt = r.refusedUntil(c.ID)
	}
	if err := r.postpone(ctx, []Connection{c}); err != nil && ctx.Err() == nil {
		r.log.Debug("the next try could not be planned; it comes with the end of the claim", "connection", c.ID, "error", err)
	}
}

// retryAt is when a refresh that failed is tried again. What may pass is tried after the pause that the
// provider or its failures ask for.
func (r *round) retryAt(c *Connection, err error) time.Time {
	now := r.now()
	wait := repairRest
	switch KindOf(err) {
	case ProviderAway:
		wait = max(firstCooldown, retryAfter(err), retryAfter(r.cooling(c, r.provider)))
		if c.Rotation.urgent() && r.provider.Definition.Refresh.ReuseGrace > 0 {
			wait = min(wait, pressingPause(r.provider))
		}
	case Unavailable:
		wait = storageRest
	}
	return now.Add(wait + spread(c.ID, "retry", wait/4))
}

// refusedUntil is when a connection comes due again that was not tried, since others were refused for a
// reason that is not their grants'.
func (r *round) refusedUntil(id ConnectionID) time.Time {
	return r.now().Add(refusedRest + spread(id, "retry", refusedRest))
}

// retryAfter is how long an error says to wait, or 0.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
