package keybearer_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// following carries requests out of a bubble, and sets the provider's clock to that of the bubble. Nothing
// is kept alive, or the reader of a connection would keep the time from moving.
type following struct {
	carrier http.Transport
	clock   *clock
}

func (f *following) RoundTrip(r *http.Request) (*http.Response, error) {
	f.clock.Advance(time.Until(f.clock.Now()) * -1)
	return f.carrier.RoundTrip(r)
}

// bubble is what a broker whose time is a fake one needs from outside: a provider whose person is asked.
type bubble struct {
	change   change
	clock    *clock
	provider *providertest.Running
}

func newBubble(t *testing.T, c change) *bubble {
	t.Helper()
	b := &bubble{clock: newClock()}
	b.provider = startProvider(t, c, b.clock)
	b.provider.Ask()
	settings, config := c.settings, c.config
	c.settings = func(d *oauth.Definition) {
		d.DeviceRequest = &oauth.Request{Endpoint: b.provider.URL + "/device_authorization"}
		if settings != nil {
			settings(d)
		}
	}
	c.config = func(cfg *keybearer.Config) {
		cfg.Now, cfg.Verification, cfg.AllowDevice = nil, keybearer.Verification{}, true
		carrier := &following{carrier: http.Transport{DisableKeepAlives: true}, clock: b.clock}
		cfg.HTTP = func(keybearer.Origin) *http.Client { return &http.Client{Transport: carrier} }
		if config != nil {
			config(cfg)
		}
	}
	b.change = c
	return b
}

// open opens the broker, inside.
func (b *bubble) open(t *testing.T) *house {
	t.Helper()
	return openBeside(t, b.change, b.clock, b.provider)
}

func (h *house) device(scopes ...string) keybearer.DeviceAuthorization {
	h.t.Helper()
	d, err := h.app.AuthorizeDevice(h.t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: alice, Scopes: scopes})
	if err != nil {
		h.t.Fatalf("authorizing a device: %v", err)
	}
	return d
}

func (h *house) wait(id keybearer.AuthorizationID) keybearer.Authorization {
	h.t.Helper()
	a, err := h.app.Wait(h.t.Context(), id, 2*time.Hour)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// decide is the person, at another machine, after a while.
func (h *house) decide(after time.Duration, userCode string, approve bool) {
	time.AfterFunc(after, func() {
		if err := h.provider.DecideDevice(userCode, "alice", approve); err != nil {
			h.t.Errorf("deciding: %v", err)
		}
	})
}

// polls are the times between the code and the polls with it, in whole seconds, and how they ended.
func (h *house) polls() (gaps []int, ends []string) {
	last, _ := h.provider.History().Last(providertest.Device)
	before := last.Time
	for _, r := range h.provider.History().At(providertest.Token) {
		if r.Grant != deviceGrant {
			continue
		}
		gaps = append(gaps, int(r.Time.Sub(before).Seconds()))
		ends = append(ends, r.Error)
		before = r.Time
	}
	return gaps, ends
}

func TestDeviceFromCodeToToken(t *testing.T) {
	b := newBubble(t, change{})
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		if d.Status != keybearer.AuthorizationPending || d.UserCode == "" || d.VerificationURI != h.provider.URL+"/device" ||
			!strings.HasSuffix(d.VerificationURIComplete, d.UserCode) || time.Until(d.ExpiresAt) != 10*time.Minute {
			t.Fatalf("got %s until %s at %s", d.Status, d.ExpiresAt, d.VerificationURI)
		}
		if again := h.device("read"); again.ID != d.ID || again.UserCode != d.UserCode {
			t.Error("asking again gave another code")
		}
		h.decide(12*time.Second, d.UserCode, true)
		a := h.wait(d.ID)
		if a.Status != keybearer.AuthorizationCompleted || a.Token == nil || !strings.Contains(string(a.Token.UserInfo), `"sub":"alice"`) || !slices.Equal(a.Scopes, []string{"read"}) {
			t.Fatalf("got %s with %v, failure %v", a.Status, a.Scopes, a.Failure)
		}
		if gaps, ends := h.polls(); !slices.Equal(gaps, []int{5, 5, 5}) || !slices.Equal(ends, []string{"authorization_pending", "authorization_pending", ""}) {
			t.Errorf("got polls after %v seconds that ended with %q", gaps, ends)
		}
		if !h.audit.has(keybearer.ActionDevice, "ok") || !h.audit.has(keybearer.ActionComplete, "ok") {
			t.Error("the audit lacks the device code, or its end")
		}
		time.Sleep(2 * time.Hour)
		token, err := h.app.Token(t.Context(), keybearer.Ref{User: alice, Provider: hooli})
		if err != nil || token.Access.Equal(a.Token.Access) {
			t.Errorf("got %v, want a refreshed token", err)
		}
		if done := h.device("read"); done.Status != keybearer.AuthorizationCompleted || done.UserCode != "" || h.provider.History().Calls(providertest.Device) != 1 {
			t.Errorf("got %s, want no other code for a connection that works", done.Status)
		}
		if more, err := h.app.AuthorizeDeviceAgain(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: alice}); err != nil || more.UserCode == "" {
			t.Errorf("got %v, want another code where one is asked for all the same", err)
		}
	})
}

func TestDeviceIsPolledMoreSlowlyWhenAsked(t *testing.T) {
	b := newBubble(t, change{})
	token := func(name string, times int) providertest.Fault {
		return providertest.Fault{Endpoint: providertest.Token, Name: name, Times: times, Grant: deviceGrant}
	}
	b.provider.Inject(token("slow_down", 2), token("closed", 1), token("unavailable", 1))
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		h.decide(time.Second, d.UserCode, true)
		if a := h.wait(d.ID); a.Status != keybearer.AuthorizationCompleted {
			t.Fatalf("got %s, %v", a.Status, a.Failure)
		}
		if gaps, _ := h.polls(); !slices.Equal(gaps, []int{5, 10, 15, 30, 60}) {
			t.Errorf("got polls after %v seconds", gaps)
		}
	})
}

func TestDeviceThatGetsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change change
		fault  string
		begin  func(h *house, d keybearer.DeviceAuthorization)
		kind   keybearer.Kind
		says   string
		polls  int
	}{
		"declined": {
			begin: func(h *house, d keybearer.DeviceAuthorization) { h.decide(time.Second, d.UserCode, false) },
			kind:  keybearer.AuthorizationFailed, says: "Access was declined", polls: 1,
		},
		"nobody": {
			change: change{provider: func(c *providertest.Config) { c.DeviceLifetime = time.Minute }},
			kind:   keybearer.AuthorizationFailed, says: "nobody agreed before the code expired", polls: 11,
		},
		"client": {
			fault: "invalid_client",
			kind:  keybearer.ProviderRefused, says: "Check client_id", polls: 1,
		},
		"provider away": {
			change: change{provider: func(c *providertest.Config) { c.DeviceLifetime = time.Minute }},
			fault:  "html_error",
			kind:   keybearer.AuthorizationFailed, says: "could not be asked before the code expired", polls: 3,
		},
		"settings": {
			begin: func(h *house, d keybearer.DeviceAuthorization) {
				if _, err := h.admin.UpdateProvider(h.t.Context(), hooli, func(d *keybearer.ProviderDraft) error { d.ClientID = "another"; return nil }); err != nil {
					h.t.Fatal(err)
				}
				h.decide(0, d.UserCode, true)
			},
			kind: keybearer.AuthorizationFailed, says: "was changed since the code was shown",
		},
		"forbidden since": {
			change: change{config: func(c *keybearer.Config) { c.AllowDevice, c.Verification.UnsafeSkip = false, true }},
			begin: func(h *house, d keybearer.DeviceAuthorization) {
				if _, err := h.admin.SetVerification(h.t.Context(), keybearer.Verification{VerifierURL: "https://app.example.com/verify"}); err != nil {
					h.t.Fatal(err)
				}
				h.decide(0, d.UserCode, true)
			},
			kind: keybearer.PermissionDenied, says: "device codes are not allowed here", polls: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBubble(t, c.change)
			if c.fault != "" {
				b.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: c.fault})
			}
			synctest.Test(t, func(t *testing.T) {
				h := b.open(t)
				d := h.device("read")
				if c.begin != nil {
					c.begin(h, d)
				}
				a := h.wait(d.ID)
				if a.Status != keybearer.AuthorizationFailure || !errors.Is(a.Failure, c.kind) || !strings.Contains(a.Failure.Error(), c.says) {
					t.Fatalf("got %s, %v; want %s and %q", a.Status, a.Failure, c.kind, c.says)
				}
				if gaps, ends := h.polls(); len(gaps) != c.polls || slices.Contains(ends, "slow_down") {
					t.Errorf("got polls after %v seconds that ended with %q, want %d", gaps, ends, c.polls)
				}
				if _, err := h.app.Token(t.Context(), keybearer.Ref{User: alice, Provider: hooli}); !errors.Is(err, keybearer.NotFound) {
					t.Errorf("got %v, want no connection", err)
				}
				if !h.audit.has(keybearer.ActionDevice, string(c.kind)) {
					t.Error("the audit does not say why")
				}
			})
		})
	}
}

func TestDeviceCodesHaveToBePermitted(t *testing.T) {
	request := keybearer.AuthorizeRequest{ProviderID: string(hooli), User: alice}
	for name, c := range map[string]struct {
		change  change
		request keybearer.AuthorizeRequest
		kind    keybearer.Kind // "": there is a code
	}{
		"signed in": {change{config: func(c *keybearer.Config) { c.AllowDevice = false }}, request, keybearer.PermissionDenied},
		"verifier": {change{config: func(c *keybearer.Config) {
			c.AllowDevice, c.Verification.VerifierURL = false, "https://app.example.com/verify"
		}}, request, keybearer.PermissionDenied},
		"unsafe":         {change{config: func(c *keybearer.Config) { c.AllowDevice, c.Verification.UnsafeSkip = false, true }}, request, ""},
		"no endpoint":    {change{settings: func(d *oauth.Definition) { d.DeviceRequest = nil }}, request, keybearer.BadRequest},
		"no provider":    {change{}, keybearer.AuthorizeRequest{ProviderID: "nobody", User: alice}, keybearer.ProviderNotFound},
		"no user":        {change{}, keybearer.AuthorizeRequest{ProviderID: string(hooli)}, keybearer.BadRequest},
		"wrong endpoint": {change{settings: func(d *oauth.Definition) { d.DeviceRequest.Endpoint += "/nowhere" }}, request, keybearer.ProviderRefused},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBubble(t, c.change)
			synctest.Test(t, func(t *testing.T) {
				h := b.open(t)
				d, err := h.app.AuthorizeDevice(t.Context(), c.request)
				if c.kind == "" && (err != nil || d.UserCode == "") || c.kind != "" && !errors.Is(err, c.kind) {
					t.Errorf("got %v, want %q", err, c.kind)
				}
				if c.kind != "" && h.provider.History().Calls(providertest.Device) > 0 {
					t.Error("the provider was asked for a code")
				}
			})
		})
	}
}

func TestBrowserMayBeFasterThanTheDevice(t *testing.T) {
	b := newBubble(t, change{config: func(c *keybearer.Config) { c.Verification.UnsafeSkip = true }})
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		h.provider.Approve("")
		visitor := h.broker.Visitor(keybearer.NewBrowserSecret())
		if _, err := visitor.Complete(t.Context(), h.consent(visitor, d.ID)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if gaps, _ := h.polls(); len(gaps) > 0 || h.provider.History().Redeemed() != 1 {
			t.Errorf("got polls after %v seconds, want none: the person has agreed in a browser", gaps)
		}
	})
}

func TestWhatNobodyWaitsForIsRevoked(t *testing.T) {
	flows := newFlowStore()
	b := newBubble(t, change{
		config: flows.use,
		settings: func(d *oauth.Definition) {
			d.RevokeRequest = &oauth.Request{Endpoint: strings.TrimSuffix(d.TokenRequest.Endpoint, "/token") + "/revoke"}
		},
	})
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		flows.once(keybearer.FlowExchanging, func() error { // another process ends the flow in that moment
			f, err := flows.FlowStore.Flow(t.Context(), keybearer.DefaultProject, d.ID)
			if err != nil {
				return err
			}
			f.State, f.Kind, f.Reason = keybearer.FlowFailed, keybearer.AuthorizationFailed, "declined in a browser"
			_, err = flows.FlowStore.AdvanceFlow(t.Context(), f)
			return err
		})
		h.decide(0, d.UserCode, true)
		if a := h.wait(d.ID); a.Failure == nil || !strings.Contains(a.Failure.Error(), "declined in a browser") {
			t.Errorf("got %s, %v; want what was first", a.Status, a.Failure)
		}
		time.Sleep(time.Minute)
		if revoked := h.provider.History().Calls(providertest.Revoke); revoked != 2 {
			t.Errorf("got %d revocations, want those of both tokens", revoked)
		}
	})
}

func TestCloseEndsThePolling(t *testing.T) {
	b := newBubble(t, change{})
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		time.Sleep(7 * time.Second)
		began := time.Now()
		if err := h.broker.Close(context.WithoutCancel(t.Context())); err != nil || time.Since(began) != 0 {
			t.Errorf("got %v after %s, want an end at once", err, time.Since(began))
		}
		if gaps, _ := h.polls(); !slices.Equal(gaps, []int{5}) {
			t.Errorf("got polls after %v seconds", gaps)
		}
		if a := h.wait(d.ID); a.Status != keybearer.AuthorizationPending {
			t.Errorf("got %s, want pending: nothing has failed", a.Status)
		}
		if _, err := h.app.AuthorizeDevice(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: alice}); !errors.Is(err, keybearer.Unavailable) {
			t.Errorf("got %v, want that it is closed", err)
		}
	})
}

func TestCloseWaitsForATokenOnItsWay(t *testing.T) {
	b := newBubble(t, change{})
	b.provider.Approve("alice")
	b.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	synctest.Test(t, func(t *testing.T) {
		h := b.open(t)
		d := h.device("read")
		time.Sleep(5 * time.Second)
		if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, 1); err != nil {
			t.Fatal(err)
		}
		h.broker.Drain()
		go h.provider.Release()
		if err := h.broker.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		if a := h.wait(d.ID); a.Status != keybearer.AuthorizationCompleted {
			t.Errorf("got %s, %v; want what the provider gave to be stored", a.Status, a.Failure)
		}
	})
}
