package keybearer

import (
	"context"
	"errors"

	"github.com/keybearer/keybearer/oauth"
)

// recordFlow writes an audit line for something that a browser did.
func (b *Broker) recordFlow(f *Flow, action string, err error) {
	b.record(Event{
		Project: f.Project, Actor: "browser", Action: action, User: f.User, Provider: f.Provider, Flow: f.ID,
		Outcome: outcome(err), Reason: reason(err),
	})
}

// fail ends a flow with a reason that apps and people are told, also when the time of whoever asked is
// over.
func (b *Broker) fail(ctx context.Context, f *Flow, cause error) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	failure := asKind(AuthorizationFailed, cause)
	b.recordFlow(f, ActionCallback, failure)
	if err := b.markFailed(ctx, f, failure); err != nil {
		b.log.Error("a failed authorization could not be marked", "authorization", f.ID, "error", err)
	}
	return failure
}

// markFailed moves a flow to failed.
func (b *Broker) markFailed(ctx context.Context, f *Flow, failure error) error {
	f.Kind, f.Reason, f.Grant = KindOf(failure), oauth.Clean(failure.Error(), 500), nil
	return b.move(ctx, f, FlowFailed)
}

// move takes a flow along one arrow of the state machine, and wakes who waits for it. It is Conflict
// if somebody else has moved the flow since it was read. An app that asks for the same authorization
// again may write its next_uri meanwhile, which is no move.
func (b *Broker) move(ctx context.Context, f *Flow, to FlowState) error {
	for {
		if !f.State.MayBecome(to) {
			return Errorf(Conflict, "an authorization that is %s cannot become %s", f.State, to)
		}
		next := *f
		next.State = to
		moved, err := b.cfg.Flows.AdvanceFlow(ctx, next)
		if err == nil {
			*f = moved
			b.wakes.wake(f.ID)
			return nil
		}
		if !errors.Is(err, Conflict) {
			return err
		}
		now, lost := b.cfg.Flows.Flow(ctx, f.Project, f.ID)
		if lost != nil || now.State != f.State || now.Version == f.Version {
			return err
		}
		f.Version, f.NextURI = now.Version, now.NextURI
	}
}
