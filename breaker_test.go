package keybearer_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
)

// wantAway asks for a token, and wants to be told that the provider is away, without its being asked.
func (o *tended) wantAway(ref keybearer.Ref, atLeast, atMost time.Duration) {
	o.t.Helper()
	before := o.calls()
	_, err := o.app.Token(o.t.Context(), ref)
	e, ok := errors.AsType[*keybearer.Error](err)
	if !ok || e.Kind != keybearer.ProviderAway || e.RetryAfter < atLeast || e.RetryAfter > atMost {
		o.t.Errorf("%s got %v; want to be told to come back in %s to %s", ref, err, atLeast, atMost)
	}
	if got := o.calls() - before; got != 0 {
		o.t.Errorf("a provider that is to be left alone was asked %d times", got)
	}
}

func (o *tended) inject(name string, times int) {
	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: name, Times: times, Grant: "refresh_token"})
}

func TestRetryAfterHoldsTheWholeProvider(t *testing.T) {
	o := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.Ahead = oauth.AheadAlways }})
	refs := o.connectMany(4)
	o.clock.Advance(2 * time.Hour)
	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "300", Times: 1})
	before := o.calls()
	if _, err := o.app.Token(t.Context(), refs[0]); !errors.Is(err, keybearer.ProviderAway) {
		t.Fatalf("got %v, want a provider that is away", err)
	}
	for range 29 {
		o.wantAway(refs[1], time.Second, 300*time.Second)
		o.clock.Advance(9 * time.Second)
		o.tend()
	}
	if got := o.calls() - before; got != 1 {
		t.Fatalf("the provider was asked %d times within its Retry-After, want once", got)
	}
	o.clock.Advance(20 * time.Second)
	for _, ref := range refs {
		o.token(ref)
	}
	o.wantRefreshes(len(refs))
}

func TestBreakerOpensProbesOnceAndCloses(t *testing.T) {
	for _, fault := range []string{"server_error", "unavailable", "closed", "too_many_silent", "html_error"} {
		t.Run(fault, func(t *testing.T) {
			o := openTended(t, change{})
			refs := o.connectMany(8)
			o.clock.Advance(2 * time.Hour)
			o.inject(fault, 0)
			before := o.calls()
			for _, ref := range refs[:3] {
				if _, err := o.app.Token(t.Context(), ref); !errors.Is(err, keybearer.ProviderAway) {
					t.Fatalf("got %v, want a provider that is away", err)
				}
			}
			if got := o.calls() - before; got < 1 || got > 3 {
				t.Fatalf("the provider was asked %d times until it was left alone, want 3 at most", got)
			}
			o.wantAway(refs[3], time.Second, 8*time.Second)

			// Each probe that fails makes the next pause longer, to two minutes and a part.
			for range 8 {
				o.clock.Advance(3 * time.Minute)
				before := o.calls()
				for _, ref := range refs {
					if _, err := o.app.Token(t.Context(), ref); !errors.Is(err, keybearer.ProviderAway) {
						t.Fatalf("got %v, want a provider that is away", err)
					}
				}
				if got := o.calls() - before; got != 1 {
					t.Fatalf("half open, the provider was asked %d times, want once", got)
				}
			}
			o.wantAway(refs[3], 2*time.Minute, 150*time.Second)

			// A probe whose answer is awaited keeps the others out; when it succeeds they come.
			o.provider.Heal()
			o.clock.Advance(3 * time.Minute)
			o.inject("hold_answer", 1)
			before = o.calls()
			probe := make(chan error, 1)
			go func() {
				_, err := o.app.Token(t.Context(), refs[4])
				probe <- err
			}()
			if err := o.provider.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
				t.Fatal(err)
			}
			o.wantAway(refs[5], time.Second, 2*time.Second)
			o.provider.Release()
			if err := <-probe; err != nil {
				t.Errorf("the probe: %v", err)
			}
			var all sync.WaitGroup
			for _, ref := range refs[4:] {
				all.Go(func() { o.token(ref) })
			}
			all.Wait()
			o.wantRefreshes(4)
		})
	}
}

// What concerns one connection does not stop the others.
func TestFailuresOfOneConnectionOpenNothing(t *testing.T) {
	o := openTended(t, change{})
	refs := o.connectMany(2)
	o.clock.Advance(2 * time.Hour)
	o.inject("server_error", 5)
	for range 5 {
		o.clock.Advance(3 * time.Minute)
		if _, err := o.app.Token(t.Context(), refs[0]); !errors.Is(err, keybearer.ProviderAway) {
			t.Fatalf("got %v, want a provider that is away", err)
		}
	}
	o.token(refs[1])
}

func TestDeadGrantsAndRefusedClientsOpenNothing(t *testing.T) {
	for _, fault := range []string{"dead_invalid_grant", "invalid_client"} {
		o := openTended(t, change{})
		refs := o.connectMany(6)
		o.clock.Advance(2 * time.Hour)
		o.inject(fault, 5)
		for _, ref := range refs[:5] {
			if _, err := o.app.Token(t.Context(), ref); err == nil || errors.Is(err, keybearer.ProviderAway) {
				t.Fatalf("%s: got %v", fault, err)
			}
		}
		o.token(refs[5])
	}
}

func TestTokensThatLiveAreHandedOutWhileTheBreakerIsOpen(t *testing.T) {
	o := openTended(t, change{})
	refs := o.connectMany(2)
	o.clock.Advance(59*time.Minute + 30*time.Second)
	o.inject("too_many_silent", 0)
	before := o.calls()
	for range 10 {
		for _, ref := range refs {
			o.token(ref)
		}
	}
	if got := o.calls() - before; got != 1 {
		t.Errorf("the provider was asked %d times, want once", got)
	}
}

// A person waits, and codes live for seconds: an exchange goes through. What comes of it counts.
func TestExchangesGoThroughAnOpenBreakerAndCount(t *testing.T) {
	o := openTended(t, change{})
	refs := o.connectMany(4)
	o.clock.Advance(2 * time.Hour)
	o.inject("server_error", 3)
	for _, ref := range refs[:3] {
		if _, err := o.app.Token(t.Context(), ref); !errors.Is(err, keybearer.ProviderAway) {
			t.Fatalf("got %v, want a provider that is away", err)
		}
	}
	o.wantAway(refs[3], time.Second, 3*time.Second)
	o.connectAs(alice)
	o.token(refs[3])

	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "60", Times: 1, Grant: "authorization_code"})
	a := o.authorize("read", "write")
	v := o.visitor()
	if _, err := v.Complete(t.Context(), o.consent(v, a.ID)); !errors.Is(err, keybearer.ProviderAway) {
		t.Fatalf("got %v, want a provider that is away", err)
	}
	o.connectAs("bob@example.com") // goes well, and ends no pause that the provider has asked for
	o.clock.Advance(10 * time.Second)
	o.wantAway(refs[0], 40*time.Second, 60*time.Second)
}

func TestChangedSettingsBeginAnew(t *testing.T) {
	o := openTended(t, change{})
	refs := o.connectMany(2)
	o.clock.Advance(2 * time.Hour)
	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "3000", Times: 1})
	if _, err := o.app.Token(t.Context(), refs[0]); !errors.Is(err, keybearer.ProviderAway) {
		t.Fatalf("got %v, want a provider that is away", err)
	}
	o.wantAway(refs[1], time.Second, time.Hour)
	if _, err := o.admin.UpdateProvider(t.Context(), hooli, func(d *keybearer.ProviderDraft) error {
		d.Description = "moved"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	o.token(refs[1])
}

// A provider that is away for longer than its leeway has replaced nothing meanwhile.
func TestOutageCostsNoGrant(t *testing.T) {
	for _, fault := range []string{"server_error", "unavailable", "html_error", "closed"} {
		for _, connections := range []int{1, 30} {
			t.Run(fmt.Sprintf("%s, %d connections", fault, connections), func(t *testing.T) {
				o := openTended(t, change{
					provider: func(c *providertest.Config) { c.Leeway = 10 * time.Minute },
					settings: func(d *oauth.Definition) { d.Refresh.ReuseGrace = oauth.Duration(10 * time.Minute) },
				})
				refs := o.connectMany(connections)
				o.clock.Advance(50 * time.Minute)
				o.inject(fault, 0)
				for range 6 * 40 {
					o.clock.Advance(9 * time.Second)
					o.tend()
					for _, ref := range refs {
						_, _ = o.app.Token(t.Context(), ref)
					}
				}
				o.provider.Heal()
				for range 60 {
					o.clock.Advance(10 * time.Second)
					o.tend()
				}
				for _, ref := range refs {
					o.token(ref)
				}
				o.wantRefreshes(connections)
			})
		}
	}
}
