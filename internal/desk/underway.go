package desk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// underway is a login that is going on.
type underway struct {
	wish   Wish
	name   string // of the provider
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	step  Step
	fresh bool // nobody was sent there yet
	done  bool
	err   error
	news  chan struct{} // closed when something is new
}

func (u *underway) title() string {
	if u.wish.Connection == "" {
		return u.name
	}
	return u.name + " (" + u.wish.Connection + ")"
}

// startLogin begins a login, after the end of the one before: they need the same port.
func (d *Desk) startLogin(wish Wish, name string) *underway {
	d.begin.Lock()
	defer d.begin.Unlock()
	d.mu.Lock()
	before := d.login
	d.mu.Unlock()
	d.cancel(before)

	ctx, cancel := context.WithCancelCause(context.Background()) // ends with the desk, not with the request
	u := &underway{wish: wish, name: name, cancel: cancel, news: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		cancel(nil)
		u.end(keybearer.Errorf(keybearer.Unavailable, "the page is ending: start `keybearer ui` again"))
		return u
	}
	d.login = u
	d.logins.Go(func() {
		defer cancel(nil)
		u.end(d.cfg.Home.Login(ctx, wish, func(s Step) bool { return u.show(ctx, s) }))
	})
	return u
}

// cancel breaks a login off, and waits for its end; nil means the one that is under way, if any.
func (d *Desk) cancel(u *underway) {
	if u == nil {
		d.mu.Lock()
		u = d.login
		d.mu.Unlock()
	}
	if u == nil {
		return
	}
	u.cancel(errors.New("it was broken off"))
	for {
		u.mu.Lock()
		done, news := u.done, u.news
		u.mu.Unlock()
		if done {
			d.forget(u)
			return
		}
		<-news
	}
}

func (d *Desk) forget(u *underway) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.login == u {
		d.login = nil
	}
}

// pending names the login under way, or is "".
func (d *Desk) pending() string {
	d.mu.Lock()
	u := d.login
	d.mu.Unlock()
	if u == nil {
		return ""
	}
	return u.title()
}

// show has the browser sent to a step.
func (u *underway) show(ctx context.Context, s Step) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	u.step, u.fresh = s, true
	u.tell()
	return true
}

func (u *underway) end(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done, u.err = true, err
	u.tell()
}

func (u *underway) tell() {
	close(u.news)
	u.news = make(chan struct{})
}

// state is where the login is. A step is fresh once.
func (u *underway) state() (step Step, fresh, done bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fresh, u.fresh = u.fresh, false
	return u.step, fresh, u.done, u.err
}

// await waits until there is somewhere to go, at most for a while.
func (u *underway) await(ctx context.Context, atMost time.Duration) {
	over := time.NewTimer(atMost)
	defer over.Stop()
	for {
		u.mu.Lock()
		ready, news := u.done || u.fresh, u.news
		u.mu.Unlock()
		if ready {
			return
		}
		select {
		case <-news:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
