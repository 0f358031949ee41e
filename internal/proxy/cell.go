package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

const (
	// tokenRest is what a token has to have left: that of the Broker, which makes another one then.
	tokenRest = time.Minute
	// tokenAge is how long a token is believed before its source is asked again, which may be an engine
	// that cannot tell us of a change.
	tokenAge = 5 * time.Minute
	// sourceLife bounds one question. A refresh with all that belongs to it takes 75 seconds at most.
	sourceLife = 80 * time.Second
	// failurePause is how long a failure is repeated without asking again.
	failurePause, maxFailurePause = time.Second, 10 * time.Second
	// vainPause is how long no token is renewed after one that was just renewed was refused, too.
	vainPause = 5 * time.Minute
)

// cell remembers the token of one connection in one version. It is safe for concurrent use.
type cell struct {
	now atomic.Pointer[held]

	mu     sync.Mutex
	asking *asking
	failed *asking   // the last question, if it failed
	until  time.Time // when it may be asked again

	past *past
}

// past is what is remembered of a connection through all its versions: renewing a token makes another one.
type past struct {
	mu sync.Mutex
	// refused is the last token that was reported, and vain is until when none is renewed.
	refused secret.String
	vain    time.Time
}

// renews reports whether a refused token is worth renewing, once.
func (p *past) renews(refused secret.String, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Before(p.vain) || p.refused.Equal(refused) {
		return false
	}
	p.refused = refused
	return true
}

// held is a token with what is asked of it for each request.
type held struct {
	token keybearer.Token
	// header is the value of Authorization.
	header string
	// fresh is until when it is used without a question.
	fresh time.Time
}

// asking is one question to the source, for which any number may wait.
type asking struct {
	done    chan struct{}
	renewal bool
	held    *held
	err     error
}

// later lets a refused token be tried again, since its renewal failed in a way that may pass.
func (p *past) later(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused, p.vain = secret.String{}, until
}

// token gives a fresh token of a route. A caller who hangs up does not stop the question.
func (p *Proxy) token(ctx context.Context, r *route) (*held, error) {
	at := p.now()
	if h := r.token.now.Load(); h != nil && at.Before(h.fresh) {
		return h, nil
	}
	c := r.token
	c.mu.Lock()
	switch {
	case c.asking != nil:
	case c.failed != nil && at.Before(c.until):
		defer c.mu.Unlock()
		return nil, c.failed.err
	default:
		p.ask(c, false, func(ctx context.Context) (keybearer.Token, error) { return p.cfg.Source.Token(ctx, r.Ref) })
	}
	a := c.asking
	c.mu.Unlock()
	return a.wait(ctx)
}

// renew gives another token than the one that an API has refused, or nil where another one is not to be
// had. Each token is renewed once, however many report it; and none is while renewing was in vain.
func (p *Proxy) renew(ctx context.Context, r *route, refused *held) (other *held, dead error) {
	if r.Kind != keybearer.Consented && r.Kind != keybearer.ServiceAccount {
		return nil, nil
	}
	c := r.token
	c.mu.Lock()
	h := c.now.Load()
	switch {
	case c.asking != nil:
	case h != nil && h != refused && !h.token.Access.Equal(refused.token.Access):
		c.mu.Unlock()
		return h, nil
	case !c.past.renews(refused.token.Access, p.now()):
		c.mu.Unlock()
		return nil, nil
	default:
		p.ask(c, true, func(ctx context.Context) (keybearer.Token, error) {
			return p.cfg.Source.Renew(ctx, r.Ref, refused.token.Access)
		})
	}
	a := c.asking
	c.mu.Unlock()
	got, err := a.wait(ctx)
	switch {
	case isDead(err):
		return nil, err
	case err != nil:
		if ctx.Err() == nil {
			c.past.later(p.now().Add(pauseAfter(err)))
		}
		p.log.Warn("a refused token could not be renewed", "provider", r.Ref.Provider, "connection", r.Connection, "error", err)
		return nil, nil
	case got.token.Access.Equal(refused.token.Access):
		return nil, nil
	}
	return got, nil
}

// inVain notes that a token which was just renewed is refused, too: the reason is another one.
func (p *Proxy) inVain(r *route) {
	r.token.past.mu.Lock()
	defer r.token.past.mu.Unlock()
	r.token.past.vain = p.now().Add(vainPause)
}

// ask starts a question under the proxy's own time; the cell is locked.
func (p *Proxy) ask(c *cell, renewal bool, question func(context.Context) (keybearer.Token, error)) {
	a := &asking{done: make(chan struct{}), renewal: renewal}
	if !p.begin() {
		a.err = keybearer.Errorf(keybearer.Unavailable, "the proxy is closing")
		close(a.done)
		c.asking = a
		return
	}
	c.asking = a
	go func() {
		defer p.end()
		ctx, cancel := context.WithTimeout(p.life, sourceLife)
		defer cancel()
		token, err := question(ctx)
		c.settle(a, token, err, p.now())
	}()
}

// settle is the end of a question.
func (c *cell) settle(a *asking, token keybearer.Token, err error, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && token.Access.IsZero() {
		err = keybearer.Errorf(keybearer.Internal, "the source gave an empty token")
	}
	c.asking, c.failed = nil, nil
	switch old := c.now.Load(); {
	case err == nil:
		a.held = &held{token: token, header: token.Authorization().Reveal(), fresh: freshUntil(token.ExpiresAt, at)}
	case old.outlives(err, at) && !a.renewal:
		a.held = &held{token: old.token, header: old.header, fresh: at.Add(pauseAfter(err))}
	default:
		a.err, c.failed, c.until = err, a, at.Add(pauseAfter(err))
	}
	c.now.Store(a.held)
	close(a.done)
}

// outlives reports whether a token may be used on: it lives, and its source is only away for a while.
func (h *held) outlives(err error, at time.Time) bool {
	return h != nil && keybearer.KindOf(err).Retryable() && (h.token.ExpiresAt.IsZero() || at.Before(h.token.ExpiresAt))
}

// freshUntil leaves a token that comes with less than a minute left one second: its source had no other.
func freshUntil(expires, at time.Time) time.Time {
	until := at.Add(tokenAge)
	if expires.IsZero() {
		return until
	}
	if end := expires.Add(-tokenRest); end.Before(until) {
		until = end
	}
	if soon := at.Add(time.Second); until.Before(soon) {
		return soon
	}
	return until
}

func pauseAfter(err error) time.Duration {
	return min(max(retryAfter(err), failurePause), maxFailurePause)
}

func (a *asking) wait(ctx context.Context) (*held, error) {
	select {
	case <-a.done:
		return a.held, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
