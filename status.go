package keybearer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// Status tells at once how an authorization stands. A completed one comes with a fresh token.
// Kinds: NotFound (also for what belongs to others), and those of [View.Token].
func (v *View) Status(ctx context.Context, id AuthorizationID) (Authorization, error) {
	if conn, ok := strings.CutPrefix(string(id), "ac_conn_"); ok {
		return v.statusOfConnection(ctx, id, ConnectionID("conn_"+conn))
	}
	f, err := v.b.cfg.Flows.Flow(ctx, v.caller.Project, id)
	if errors.Is(err, NotFound) || err == nil && !v.caller.mayUse(f.User, f.Provider) {
		return Authorization{}, notAuthorized(id)
	}
	if err != nil {
		return Authorization{}, err
	}
	if f.DryRun {
		return v.statusOfDryRun(&f), nil
	}
	switch v.b.stateOf(&f) {
	case FlowCompleted:
		return v.completed(ctx, &f)
	case FlowFailed, FlowExpired:
		return failed(&f), nil
	}
	return v.b.pending(&f), nil
}

func notAuthorized(id AuthorizationID) error {
	return Errorf(NotFound, "there is no authorization %q: it may be too old; start a new one", oauth.Clean(string(id), 60))
}

func (v *View) statusOfConnection(ctx context.Context, id AuthorizationID, conn ConnectionID) (Authorization, error) {
	c, err := v.b.cfg.Connections.ConnectionByID(ctx, v.caller.Project, conn)
	if errors.Is(err, NotFound) || err == nil && !v.caller.mayUse(c.User, c.Provider) {
		return Authorization{}, notAuthorized(id)
	}
	if err != nil {
		return Authorization{}, err
	}
	return v.completed(ctx, &Flow{ID: id, Ref: c.Ref})
}

// completed looks the connection up again: the grant may have died since the flow ended.
func (v *View) completed(ctx context.Context, f *Flow) (Authorization, error) {
	a := Authorization{ID: f.ID, Status: AuthorizationCompleted, User: f.User, Provider: f.Provider, Scopes: f.Granted}
	token, err := v.Token(ctx, f.Ref)
	if errors.Is(err, NotFound) || errors.Is(err, Reauthorize) {
		a.Status = AuthorizationFailure
		a.Failure = Errorf(AuthorizationFailed, "the connection of %s has ended since (%w): start a new authorization", f.Ref, err)
		return a, nil
	}
	if err != nil {
		return Authorization{}, err
	}
	a.Token, a.Scopes, a.Sites = &token, token.Scopes, v.b.sitesOfToken(&token)
	return a, nil
}

func (v *View) statusOfDryRun(f *Flow) Authorization {
	a := Authorization{ID: f.ID, Status: AuthorizationPending, User: f.User}
	switch v.b.stateOf(f) {
	case FlowCompleted:
		a.Status = AuthorizationCompleted
	case FlowFailed, FlowExpired:
		return failed(f)
	}
	return a
}

func failed(f *Flow) Authorization {
	kind, why := f.Kind, f.Reason
	if f.State != FlowFailed { // expired, or its deadline passed unnoticed
		kind, why = AuthorizationEnded, "nobody finished the authorization in time: start a new one"
	}
	return Authorization{
		ID: f.ID, Status: AuthorizationFailure, User: f.User, Provider: f.Provider, Scopes: f.Scopes,
		Failure: Errorf(kind, "%s", why),
	}
}

// stateOf is the flow's state, with the deadline looked at.
func (b *Broker) stateOf(f *Flow) FlowState {
	if !f.State.Ended() && !b.now().Before(f.Deadline) {
		return FlowExpired
	}
	return f.State
}

// Wait is Status, but holds the answer back until the authorization has ended or the time is over.
// It ends early, with the state of that moment, when the Broker is closed.
func (v *View) Wait(ctx context.Context, id AuthorizationID, atMost time.Duration) (Authorization, error) {
	over := time.NewTimer(atMost)
	defer over.Stop()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	for {
		moved, done := v.b.wakes.watch(id) // before the look, so that no move is missed
		a, err := v.Status(ctx, id)
		if err != nil || a.Status != AuthorizationPending {
			done()
			return a, err
		}
		select {
		case <-moved:
		case <-look.C:
		case <-over.C:
			done()
			return a, nil
		case <-v.b.draining:
			done()
			return a, nil
		case <-ctx.Done():
			done()
			return a, ctx.Err()
		}
		done()
	}
}
