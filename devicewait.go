package keybearer

import (
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// askWithDevice asks the provider, at the interval that it wants, until the person has decided, the code
// ends, the flow ends in another way, or the Broker is drained: a request that is under way is finished.
func (b *Broker) askWithDevice(f *Flow, p *Provider, client *oauth.Client, code oauth.DeviceAuthorization) {
	for {
		wait := time.NewTimer(code.Interval)
		select {
		case <-wait.C:
		case <-b.draining:
			wait.Stop()
			return
		}
		err := b.stillWaits(f, p)
		if err == nil {
			err = b.poll(f, p, client, &code)
		}
		switch {
		case err == nil, errors.Is(err, errElsewhere):
			return
		case !errors.Is(err, oauth.ErrPending):
			b.failDevice(f, err)
			return
		}
	}
}

// stillWaits looks at the flow before each request: a browser may have been faster, and the code is for
// nobody but the provider that it came from.
func (b *Broker) stillWaits(f *Flow, p *Provider) error {
	ctx, cancel := context.WithTimeout(b.life, storeLife)
	defer cancel()
	now, err := b.cfg.Flows.Flow(ctx, f.Project, f.ID)
	switch {
	case errors.Is(err, NotFound) || err == nil && now.State != FlowPending:
		return errElsewhere
	case err != nil: // the store may come back
		b.log.Warn("an authorization could not be looked at; the provider is asked all the same", "authorization", f.ID, "error", err)
		return nil
	}
	latest, err := b.provider(ctx, f.Project, f.Provider)
	if errors.Is(err, ProviderNotFound) || err == nil && !sameClient(latest, p) {
		return Errorf(AuthorizationFailed, "the provider %s was changed since the code was shown: start a new authorization", f.Provider)
	}
	return nil
}

func sameClient(latest, p *Provider) bool {
	return latest.Status == ProviderActive && latest.ClientID == p.ClientID && latest.Definition.TokenRequest.Endpoint == p.Definition.TokenRequest.Endpoint
}

// poll asks once. Its error is oauth.ErrPending where another poll is to follow.
func (b *Broker) poll(f *Flow, p *Provider, client *oauth.Client, code *oauth.DeviceAuthorization) error {
	ctx, cancel := context.WithTimeout(b.life, flightLife)
	defer cancel()
	answer, err := client.PollDevice(ctx, *code, f.Asked)
	if errors.Is(err, oauth.ErrPending) || errors.Is(err, oauth.ErrSlowDown) {
		b.told(exchangeBreaker(p), string(f.ID), nil)
	} else {
		b.told(exchangeBreaker(p), string(f.ID), err)
	}
	if err != nil {
		if err = code.Again(err, b.now()); err == nil {
			return oauth.ErrPending
		}
		return exchangeError(err)
	}
	return b.redeemDevice(ctx, f, p, client, answer)
}

// redeemDevice stores what came of a device code, as [Broker.redeem] does.
func (b *Broker) redeemDevice(ctx context.Context, f *Flow, p *Provider, client *oauth.Client, answer oauth.TokenResponse) error {
	storing, cancel := lasting(ctx)
	defer cancel()
	err := b.allowsDevice(storing, f.Project) // they were when the code was shown
	if err == nil {
		err = b.move(storing, f, FlowExchanging)
	}
	if err != nil {
		if lost := client.Revoke(ctx, answer.RefreshToken, answer.AccessToken); lost != nil {
			b.log.Warn("nobody waits for what a device code brought, and the provider did not revoke it", "provider", p.ID, "error", lost)
		}
		if errors.Is(err, Conflict) { // the person was faster in a browser
			return errElsewhere
		}
		return err
	}
	if err := b.receive(ctx, f, p, client, answer); err != nil {
		return err
	}
	storing, cancel = lasting(ctx) // user info may have taken its time
	defer cancel()
	b.recordDevice(f, nil)
	return b.finish(storing, f)
}

// failDevice ends the flow, unless it has ended in another way.
func (b *Broker) failDevice(f *Flow, cause error) {
	failure := asKind(AuthorizationFailed, cause)
	b.recordDevice(f, failure)
	ctx, cancel := lasting(b.life)
	defer cancel()
	if err := b.markFailed(ctx, f, failure); err != nil && !errors.Is(err, Conflict) {
		b.log.Error("a failed authorization could not be marked", "authorization", f.ID, "error", err)
	}
}

func (b *Broker) recordDevice(f *Flow, err error) {
	b.record(Event{
		Project: f.Project, Actor: "engine", Action: ActionDevice, User: f.User, Provider: f.Provider, Flow: f.ID,
		Outcome: outcome(err), Reason: reason(err),
	})
}
