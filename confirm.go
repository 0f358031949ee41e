package keybearer

import (
	"context"
	"errors"

	"github.com/keybearer/keybearer/oauth"
)

// Confirmation is the answer to a verifier.
type Confirmation struct {
	Authorization AuthorizationID
	// NextURI is where the app may send the browser, or "".
	NextURI string
}

// Confirm is how an app's own verifier says which of its users is at the browser. Only if that is the
// user who the flow was started for, the grant is stored; otherwise a victim could be led to consent
// for an attacker's user id. Confirming twice is harmless.
//
// Kinds: NotFound, UserMismatch, AuthorizationEnded, AuthorizationFailed, PermissionDenied.
func (v *View) Confirm(ctx context.Context, id FlowID, user UserID) (Confirmation, error) {
	return v.b.confirm(ctx, v.caller, id, user)
}

// ConfirmSignedIn is the built-in verifier: the browser is signed in at the engine as user.
func (v *Visitor) ConfirmSignedIn(ctx context.Context, id FlowID, user UserID) (Landing, error) {
	done, err := v.b.confirm(ctx, Caller{Project: DefaultProject, Name: "user:" + string(user)}, id, user)
	if err != nil {
		return Landing{}, err
	}
	land := Landing{Redirect: done.NextURI, User: user}
	f, err := v.b.cfg.Flows.FlowByVerification(ctx, DefaultProject, id)
	if err != nil {
		return land, nil
	}
	if p, err := v.b.provider(ctx, f.Project, f.Provider); err == nil {
		land.Provider = p.DisplayName()
	}
	return land, nil
}

func (b *Broker) confirm(ctx context.Context, caller Caller, id FlowID, user UserID) (Confirmation, error) {
	f, err := b.cfg.Flows.FlowByVerification(ctx, caller.Project, id)
	if errors.Is(err, NotFound) || err == nil && !f.DryRun && !caller.mayUse(f.User, f.Provider) {
		return Confirmation{}, Errorf(NotFound, "there is no flow %q waiting for a verifier: it may be too old", oauth.Clean(string(id), 60))
	}
	if err != nil {
		return Confirmation{}, err
	}
	event := Event{Project: f.Project, Actor: caller.Name, Action: ActionConfirm, User: f.User, Provider: f.Provider, Flow: f.ID}
	if user != f.User {
		event.Outcome, event.Reason = string(UserMismatch), "another user is at the browser than the one who started the authorization"
		b.record(event)
		return Confirmation{}, Errorf(UserMismatch, "the user at the browser is not the one for whom the authorization was started: sign in as that user, or start a new authorization")
	}
	one, _ := b.flights.join("confirm "+string(f.ID), func() (any, error) {
		ctx, cancel := context.WithTimeout(b.life, flightLife)
		defer cancel()
		return nil, b.settle(ctx, f.Project, f.ID)
	})
	select {
	case <-one.landed:
	case <-ctx.Done():
		return Confirmation{}, gaveUp(ctx)
	}
	event.Outcome, event.Reason = outcome(one.err), reason(one.err)
	b.record(event)
	if one.err != nil {
		return Confirmation{}, one.err
	}
	return Confirmation{Authorization: f.ID, NextURI: f.NextURI}, nil
}

// settle completes a flow whose user was confirmed. It reads the flow again: whoever asked may have
// read it before somebody else completed it.
func (b *Broker) settle(ctx context.Context, project ProjectID, id AuthorizationID) error {
	f, err := b.cfg.Flows.Flow(ctx, project, id)
	if err != nil {
		return err
	}
	switch b.stateOf(&f) {
	case FlowCompleted:
		return nil
	case FlowFailed, FlowExpired:
		return failed(&f).Failure
	}
	if f.DryRun {
		return b.move(ctx, &f, FlowCompleted)
	}
	err = b.finish(ctx, &f)
	if errors.Is(err, errUnopened) { // no other try will do better
		return b.fail(ctx, &f, err)
	}
	return err
}
