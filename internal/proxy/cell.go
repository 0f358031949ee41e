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
	// refused is the last token that was reported, and vain is until when none is renewed.
	refused secret.String
	vain    time.Time
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
	done chan struct{}
	held *held
	err  error
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
		p.ask(c, func(ctx context.Context) (keybearer.Token, error) { return p.cfg.Source.Token(ctx, r.Ref) })
	}
	a := c.asking
	c.mu.Unlock()
	return a.wait(ctx)
}

// renew gives another token than the one that an API has refused, or nil where another one is not to be
// had. Each token is renewed once, however many report it; and none is while renewing was in vain.
func (p *Proxy) renew(ctx context.Context, r *route, refused *held) *held {
	if r.Kind != keybearer.Consented && r.Kind != keybearer.ServiceAccount {
		return nil
	}
	c := r.token
	c.mu.Lock()
	h := c.now.Load()
	switch {
	case c.asking != nil:
	case h != nil && h != refused && !h.token.Access.Equal(refused.token.Access):
		c.mu.Unlock()
		return h
	case p.now().Before(c.vain), c.refused.Equal(refused.token.Access):
		c.mu.Unlock()
		return nil
	default:
		c.refused = refused.token.Access
		p.ask(c, func(ctx context.Context) (keybearer.Token, error) {
			return p.cfg.Source.Renew(ctx, r.Ref, refused.token.Access)
		})
	}
	a := c.asking
	c.mu.Unlock()
	got, err := a.wait(ctx)
	if err != nil {
		p.log.Warn("a refused token could not be renewed", "provider", r.Ref.Provider, "connection", r.Connection, "error", err)
		return nil
	}
	if got.token.Access.Equal(refused.token.Access) {
		return nil
	}
	return got
}

// inVain notes that a token which was just renewed is refused, too: the reason is another one.
func (p *Proxy) inVain(r *route) {
	r.token.mu.Lock()
	defer r.token.mu.Unlock()
	r.token.vain = p.now().Add(vainPause)
}

// ask starts a question under the proxy's own time; the cell is locked.
func (p *Proxy) ask(c *cell, question func(context.Context) (keybearer.Token, error)) {
	a := &asking{done: make(chan struct{})}
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
	if a.err = err; err == nil && token.Access.IsZero() {
		a.err = keybearer.Errorf(keybearer.Internal, "the source gave an empty token")
	}
	c.asking, c.failed = nil, nil
	if a.err != nil {
		c.failed, c.until = a, at.Add(pauseAfter(a.err))
		c.now.Store(nil)
	} else {
		a.held = &held{token: token, header: token.Authorization().Reveal(), fresh: freshUntil(token.ExpiresAt, at)}
		c.now.Store(a.held)
	}
	close(a.done)
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
