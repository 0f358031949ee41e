package pages

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The limits on sign-ins. Each one costs a slow hash, so all together are limited too: to what a
// small machine can bear.
const (
	addrEvery = 6 * time.Second // one address, in the long run
	addrBurst = 10
	allEvery  = time.Second / 2
	allBurst  = 20
	maxAddrs  = 4096
	// atOnce bounds the memory that hashes take at one time.
	atOnce = 2
)

// limiter slows down sign-ins. It is safe for concurrent use.
type limiter struct {
	now  func() time.Time
	all  *rate.Limiter
	seat chan struct{}

	mu    sync.Mutex
	addrs map[netip.Prefix]*rate.Limiter
	swept time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{
		now: now, all: rate.NewLimiter(rate.Every(allEvery), allBurst), seat: make(chan struct{}, atOnce),
		addrs: map[netip.Prefix]*rate.Limiter{},
	}
}

// sit waits for a free seat until ctx ends; whoever got one calls leave.
func (l *limiter) sit(ctx context.Context) (leave func(), err error) {
	select {
	case l.seat <- struct{}{}:
		return func() { <-l.seat }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// allow reports whether an attempt may be made, and if not, when to try again. What an address may
// not do costs the others nothing.
func (l *limiter) allow(addr netip.Addr) (wait time.Duration, ok bool) {
	now := l.now()
	if wait, ok = take(l.of(network(addr), now), now); !ok {
		return wait, false
	}
	return take(l.all, now)
}

func take(r *rate.Limiter, now time.Time) (time.Duration, bool) {
	reservation := r.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// of finds the limiter of a network. When there are too many, those that have rested long enough to
// be full again go, since a new one is no different; if all are busy, everybody shares one.
func (l *limiter) of(from netip.Prefix, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.addrs) >= maxAddrs && l.addrs[from] == nil {
		l.sweep(now)
		if len(l.addrs) >= maxAddrs {
			from = netip.Prefix{}
		}
	}
	r := l.addrs[from]
	if r == nil {
		r = rate.NewLimiter(rate.Every(addrEvery), addrBurst)
		l.addrs[from] = r
	}
	return r
}

// sweep forgets those that are full again. It looks at all of them, so it does that once a second at
// most, whatever a flood would like.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for other, r := range l.addrs {
		if r.TokensAt(now) >= addrBurst {
			delete(l.addrs, other)
		}
	}
}

// network is what counts as one client: an IPv4 address, or the /64 that an IPv6 client chooses its
// addresses from.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: those share one limit
	}
	return p
}

func peerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr()
}
