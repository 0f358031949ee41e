package keybearer

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

const (
	// breakerThreshold is how many refreshes in a row, of connections that differ, have to fail before
	// it is the provider that counts as failing, and not a connection.
	breakerThreshold = 3
	maxBreakers      = 10_000
)

// breakers leave a provider alone that fails as a whole. What counts is the class
// [oauth.Transient]: 408, 429, 5xx, no answer, none that can be read. A dead grant or a wrong secret is an
// answer of a provider that works. After a pause that doubles one refresh is let through as a probe, and
// what comes of it closes the breaker or begins the next pause. A Retry-After is waited for in any case.
//
// Each process finds out for itself: replicas have networks of their own, and what is not shared
// cannot be stale.
type breakers struct {
	mu  sync.Mutex
	all map[breakerKey]*breaker // only those of endpoints that failed last
}

// breakerKey names an endpoint as it is configured: with other settings it begins anew.
type breakerKey struct {
	project  ProjectID
	provider ProviderID
	version  int64
	endpoint string
}

type breaker struct {
	failures int    // that count, in a row
	last     string // whose failure was the last
	pauses   int    // in a row
	// until is when the pause ends, or when the probe has had its time; zero while closed.
	until   time.Time
	asked   bool // by Retry-After: what succeeds meanwhile does not end the pause
	probing bool
	cause   error
}

func exchangeBreaker(p *Provider) breakerKey {
	return breakerKey{p.Project, p.ID, p.Version, p.Definition.TokenRequest.Endpoint}
}

func refreshBreaker(p *Provider) breakerKey {
	key := exchangeBreaker(p)
	if r := p.Definition.RefreshRequest; r != nil {
		key.endpoint = cmp.Or(r.Endpoint, key.endpoint)
	}
	return key
}

// resting says why an endpoint is not to be asked now, and for how long, or nil.
func (b *breakers) resting(key breakerKey, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[key].resting(key, now)
}

func (s *breaker) resting(key breakerKey, now time.Time) error {
	if s == nil || !now.Before(s.until) {
		return nil
	}
	wait := s.until.Sub(now)
	if s.probing { // soon more will be known
		wait = min(wait, firstCooldown)
	}
	e := Errorf(ProviderAway, "the provider %s has just failed and is left alone for a moment: %w", key.provider, s.cause)
	e.RetryAfter = wait
	return e
}

// enter lets a refresh begin, or says why not. After a pause it lets one through, whose end must be told.
func (b *breakers) enter(key breakerKey, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.all[key]
	if err := s.resting(key, now); err != nil {
		return err
	}
	if s != nil && !s.until.IsZero() {
		s.until, s.probing, s.asked = now.Add(flightLife), true, false
	}
	return nil
}

// told takes notice of how a request ended. who is the connection or authorization that it was for. It
// reports whether the breaker has opened, or closed, by it.
func (b *breakers) told(key breakerKey, who string, err error, now time.Time) (opened, closed bool) {
	wire, refused := errors.AsType[*oauth.Error](err)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.all[key]
	switch {
	case refused && wire.Class == oauth.Transient:
		if s == nil {
			s = b.add(key)
		}
		return s.failed(who, wire, now), false
	case s == nil:
	case err != nil && (!refused || wire.Status == 0): // nothing was asked
		if s.probing {
			s.until, s.probing = now, false
		}
	case s.asked && now.Before(s.until):
		s.failures = 0
	default:
		delete(b.all, key)
		return false, !s.until.IsZero()
	}
	return false, false
}

func (b *breakers) add(key breakerKey) *breaker {
	if b.all == nil || len(b.all) >= maxBreakers {
		b.all = map[breakerKey]*breaker{}
	}
	s := &breaker{}
	b.all[key] = s
	return s
}

// failed counts a failure and reports whether a pause begins by it.
func (s *breaker) failed(who string, wire *oauth.Error, now time.Time) bool {
	cause := *wire
	cause.Description = "" // it may be about somebody, and others will read it
	s.cause = &cause
	paused := now.Before(s.until) && !s.probing
	switch {
	case paused && wire.RetryAfter == 0: // begun before the pause, or an exchange
		return false
	case paused:
		s.until, s.asked = later(s.until, now.Add(wire.RetryAfter)), true
		return false
	case s.until.IsZero() && wire.Status != http.StatusTooManyRequests && wire.RetryAfter == 0:
		if s.last != who {
			s.failures++
		}
		s.last = who
		if s.failures < breakerThreshold {
			return false
		}
	}
	pause := min(firstCooldown<<min(s.pauses, 10), longCooldown)
	pause += rand.N(pause / 4) // replicas need not come back together
	s.pauses++
	s.until, s.asked, s.probing = now.Add(max(pause, wire.RetryAfter)), wire.RetryAfter > 0, false
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// told takes notice of how a request to a provider's token endpoint ended.
func (b *Broker) told(key breakerKey, who string, err error) {
	switch opened, closed := b.breakers.told(key, who, err, b.now()); {
	case opened:
		b.log.Warn("a provider fails and is left alone for a while; tokens that still live are handed out", "provider", key.provider, "error", err)
	case closed:
		b.log.Info("a provider works again", "provider", key.provider)
	}
}
