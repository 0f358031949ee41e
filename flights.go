package keybearer

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// flights runs the work that must be finished once it is begun, apart from whoever asked for it:
// at most one of a name at a time, whose result everybody who asks meanwhile shares.
type flights struct {
	mu      sync.Mutex
	inAir   map[string]*flight
	closed  bool
	working sync.WaitGroup
}

type flight struct {
	landed chan struct{}
	result any
	err    error
}

// wait gives what came of a flight, unless the caller gives up before: the flight goes on.
func (one *flight) wait(ctx context.Context) (any, error) {
	select {
	case <-one.landed:
		return one.result, one.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

// lasting gives what a provider has granted time to be stored, though the time of the work be over or
// cut off.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeLife)
}

// gaveUp is for a caller who does not wait for the end of a flight; the flight goes on.
func gaveUp(ctx context.Context) error {
	return Errorf(Unavailable, "nobody waited for the end: ask again: %w", ctx.Err())
}

// join begins the work, or joins the one of that name that is under way, and says which.
func (f *flights) join(name string, work func() (any, error)) (one *flight, joined bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one, ok := f.inAir[name]; ok {
		return one, true
	}
	one = &flight{landed: make(chan struct{})}
	if f.closed {
		one.err = Errorf(Unavailable, "the engine is shutting down: try again")
		close(one.landed)
		return one, false
	}
	if f.inAir == nil {
		f.inAir = map[string]*flight{}
	}
	f.inAir[name] = one
	f.working.Go(func() {
		defer func() {
			if p := recover(); p != nil { // as net/http does for a handler: one odd answer must not end the engine
				one.result, one.err = nil, crashed(p)
			}
			f.mu.Lock()
			delete(f.inAir, name)
			f.mu.Unlock()
			close(one.landed)
		}()
		one.result, one.err = work()
	})
	return one, false
}

// crashed tells of a panic. Its value may hold anything, also a secret, so only runtime errors are told
// as they are; the stack names the place of the others.
func crashed(p any) error {
	what := fmt.Sprintf("a value of type %T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	return Errorf(Internal, "panic: %s\n%s", what, debug.Stack())
}

// close lets nothing new begin, and returns a channel that is closed when all work is done.
func (f *flights) close() <-chan struct{} {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last flight, each of which is bounded in time
		f.working.Wait()
		close(done)
	}()
	return done
}

// cooldowns keep agents from hammering a provider that has just failed.
type cooldowns struct {
	mu    sync.Mutex
	until map[ConnectionID]cooldown
}

type cooldown struct {
	at       time.Time
	until    time.Time
	failures int
	err      error
}

const (
	firstCooldown = 2 * time.Second
	longCooldown  = 2 * time.Minute
	maxCooldowns  = 100_000
)

// failed remembers a failure and doubles the pause, unless the provider asked for a longer one.
func (c *cooldowns) failed(id ConnectionID, now time.Time, wish time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) >= maxCooldowns {
		c.until = map[ConnectionID]cooldown{}
	}
	last := c.until[id]
	pause := min(firstCooldown<<min(last.failures, 10), longCooldown)
	c.until[id] = cooldown{at: now, until: now.Add(max(pause, wish)), failures: last.failures + 1, err: err}
}

// cooling tells the failure that a connection still pauses after, for so long at most, or nil.
func (c *cooldowns) cooling(id ConnectionID, now time.Time, atMost time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.until[id]
	pause := min(last.until.Sub(now), last.at.Sub(now)+atMost)
	if !ok || pause <= 0 {
		return nil
	}
	return &Error{Kind: KindOf(last.err), Err: last.err, RetryAfter: pause}
}

func (c *cooldowns) worked(id ConnectionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.until, id)
}
