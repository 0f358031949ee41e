package keybearer

import (
	"context"
	"sync"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// DeviceAuthorization is what a person needs to agree in whatever browser there is (RFC 8628 section 3.3).
type DeviceAuthorization struct {
	// Authorization is pending, or completed at once; then there is nothing to show.
	Authorization
	// UserCode is typed at VerificationURI, a page of the provider. VerificationURIComplete has it in it
	// already, or is empty.
	UserCode, VerificationURI, VerificationURIComplete string
	// ExpiresAt is when the code ends.
	ExpiresAt time.Time
}

// maxDevices is how many device codes a process asks with at the same time.
const maxDevices = 1000

// AuthorizeDevice is [View.Authorize] for a machine without a browser: the person types a code at the
// provider, on any machine, while the Broker asks the provider whether that has happened. [View.Wait] and
// [View.Status] tell of its end. Asking again gives the same code while it lives.
//
// Nothing ties the person who types the code to the user whom the connection is for, no more than with
// [Verification.UnsafeSkip]: whoever is talked into typing it gives his own account away. So it has to be
// permitted, by [Config.AllowDevice] or UnsafeSkip.
//
// Polling belongs to this process. It ends with [Broker.Drain] and [Broker.Close], and then the flow stays
// pending. Kinds: those of [View.Authorize], PermissionDenied where it is not permitted, BadRequest where
// the provider has no such endpoint, Unavailable, ProviderRefused, ProviderAway.
func (v *View) AuthorizeDevice(ctx context.Context, r AuthorizeRequest) (DeviceAuthorization, error) {
	return v.authorizeDevice(ctx, r, false)
}

// AuthorizeDeviceAgain is to [View.AuthorizeDevice] what [View.AuthorizeAgain] is to [View.Authorize].
func (v *View) AuthorizeDeviceAgain(ctx context.Context, r AuthorizeRequest) (DeviceAuthorization, error) {
	return v.authorizeDevice(ctx, r, true)
}

func (v *View) authorizeDevice(ctx context.Context, r AuthorizeRequest, again bool) (DeviceAuthorization, error) {
	if err := v.mayUseDevice(ctx, r); err != nil {
		v.record(Event{Action: ActionDevice, User: r.User, Provider: r.ID, Outcome: outcome(err), Reason: reason(err)})
		return DeviceAuthorization{}, err
	}
	a, err := v.authorize(ctx, r, again)
	if err != nil || a.Status != AuthorizationPending {
		return DeviceAuthorization{Authorization: a}, err
	}
	one, _ := v.b.flights.join("device code "+string(a.ID), func() (any, error) {
		ctx, cancel := context.WithTimeout(v.b.life, flightLife)
		defer cancel()
		return v.b.deviceCode(ctx, v.caller.Project, a.ID)
	})
	code, err := one.wait(ctx)
	v.record(Event{Action: ActionDevice, User: a.User, Provider: a.Provider, Flow: a.ID, Outcome: outcome(err), Reason: reason(err)})
	if err != nil {
		return DeviceAuthorization{}, err
	}
	d := code.(oauth.DeviceAuthorization)
	return DeviceAuthorization{
		Authorization: a, UserCode: d.UserCode, ExpiresAt: d.ExpiresAt,
		VerificationURI: d.VerificationURI, VerificationURIComplete: d.VerificationURIComplete,
	}, nil
}

// mayUseDevice refuses before there is a flow.
func (v *View) mayUseDevice(ctx context.Context, r AuthorizeRequest) error {
	if err := v.b.check(&r); err != nil {
		return err
	}
	if err := v.b.allowsDevice(ctx, v.caller.Project); err != nil {
		return err
	}
	p, err := v.resolve(ctx, r)
	if err != nil {
		return err
	}
	if !p.Definition.AuthorizesDevices() {
		return Errorf(BadRequest, "%s is not known to give device codes: authorize in a browser, or set device_authorization_request in the provider's oauth2 settings", p.DisplayName())
	}
	return nil
}

func (b *Broker) allowsDevice(ctx context.Context, project ProjectID) error {
	if b.cfg.AllowDevice {
		return nil
	}
	how, err := b.verification(ctx, project)
	if err == nil && !how.UnsafeSkip {
		err = Errorf(PermissionDenied, "device codes are not allowed here, since nothing proves who types them: authorize in a browser")
	}
	return err
}

// devices are the codes that this process asks with.
type devices struct {
	mu    sync.Mutex
	codes map[AuthorizationID]oauth.DeviceAuthorization
}

func (d *devices) of(id AuthorizationID) (oauth.DeviceAuthorization, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	code, ok := d.codes[id]
	return code, ok
}

// put keeps a code, unless there are too many.
func (d *devices) put(id AuthorizationID, code oauth.DeviceAuthorization) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.codes) >= maxDevices {
		return false
	}
	if d.codes == nil {
		d.codes = map[AuthorizationID]oauth.DeviceAuthorization{}
	}
	d.codes[id] = code
	return true
}

func (d *devices) drop(id AuthorizationID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.codes, id)
}

// deviceCode gives the code of a pending flow, and lets the asking begin where it is a new one.
func (b *Broker) deviceCode(ctx context.Context, project ProjectID, id AuthorizationID) (oauth.DeviceAuthorization, error) {
	if code, ok := b.devices.of(id); ok {
		return code, nil
	}
	f, err := b.cfg.Flows.Flow(ctx, project, id)
	if err != nil {
		return oauth.DeviceAuthorization{}, err
	}
	p, err := b.provider(ctx, f.Project, f.Provider)
	if err != nil {
		return oauth.DeviceAuthorization{}, err
	}
	client, err := b.client(p)
	if err != nil {
		return oauth.DeviceAuthorization{}, err
	}
	code, err := client.AuthorizeDevice(ctx, f.Asked)
	if err != nil {
		return code, exchangeError(err)
	}
	code.ExpiresAt = earlier(code.ExpiresAt, f.Deadline)
	if !b.devices.put(id, code) {
		return code, Errorf(Unavailable, "%d device codes are waiting for somebody: try again later", maxDevices)
	}
	asking, _ := b.flights.join("device "+string(id), func() (any, error) {
		defer b.devices.drop(id)
		b.askWithDevice(&f, p, client, code)
		return nil, nil
	})
	select {
	case <-asking.landed: // the engine is shutting down, or the flow has ended meanwhile
		b.devices.drop(id)
		return code, asking.err
	default:
		return code, nil
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
