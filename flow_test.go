package keybearer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// flowStore is a store of flows with something to happen before a move, and, unlike Memory, one that
// obeys its context.
type flowStore struct {
	keybearer.FlowStore
	mu     sync.Mutex
	before func(f keybearer.Flow) error // nil: nothing
	found  func()                       // after a flow was found by its verification id; nil: nothing
}

func newFlowStore() *flowStore { return &flowStore{FlowStore: keybearer.NewMemory()} }

// once sets what happens before the next move to a state.
func (s *flowStore) once(to keybearer.FlowState, do func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := false
	s.before = func(f keybearer.Flow) error {
		if done || f.State != to {
			return nil
		}
		done = true
		return do()
	}
}

func (s *flowStore) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	if ctx.Err() != nil {
		return keybearer.Flow{}, ctx.Err()
	}
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(f); err != nil {
			return keybearer.Flow{}, err
		}
	}
	return s.FlowStore.AdvanceFlow(ctx, f)
}

func (s *flowStore) FlowByVerification(ctx context.Context, project keybearer.ProjectID, id keybearer.FlowID) (keybearer.Flow, error) {
	f, err := s.FlowStore.FlowByVerification(ctx, project, id)
	s.mu.Lock()
	found := s.found
	s.found = nil
	s.mu.Unlock()
	if found != nil {
		found()
	}
	return f, err
}

func (s *flowStore) use(c *keybearer.Config) { c.Flows = s }

var errFull = keybearer.Errorf(keybearer.Unavailable, "the disk is full")

func TestAskingAgainDuringTheCallbackHarmsNothing(t *testing.T) {
	again := func(h *house) error { // another next_uri is a write to the flow
		_, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{
			ProviderID: "hooli", User: alice, Scopes: []string{"read"}, NextURI: "https://app.example/next",
		})
		return err
	}
	t.Run("consent", func(t *testing.T) {
		flows := newFlowStore()
		h := open(t, change{config: flows.use})
		a := h.authorize("read")
		v := h.visitor()
		cb := h.consent(v, a.ID)
		flows.once(keybearer.FlowExchanging, func() error { return again(h) })
		land, err := v.Complete(t.Context(), cb)
		if err != nil || land.Redirect != "https://app.example/next" {
			t.Errorf("got %q, %v; want the consent to count, and the newer next_uri", land.Redirect, err)
		}
		if got := h.status(a.ID); got.Status != keybearer.AuthorizationCompleted {
			t.Errorf("got %q, want completed", got.Status)
		}
	})
	t.Run("refusal", func(t *testing.T) {
		flows := newFlowStore()
		h := open(t, change{config: flows.use})
		h.provider.Decline()
		a := h.authorize("read")
		v := h.visitor()
		cb := h.consent(v, a.ID)
		flows.once(keybearer.FlowFailed, func() error { return again(h) })
		_, err := v.Complete(t.Context(), cb)
		wantKind(t, err, keybearer.AuthorizationFailed)
		if got := h.status(a.ID); got.Status != keybearer.AuthorizationFailure {
			t.Errorf("got %q, want failed", got.Status)
		}
	})
}

func TestRefusalIsKeptWhenTheBrowserHangsUp(t *testing.T) {
	flows := newFlowStore()
	h := open(t, change{config: flows.use})
	h.provider.Decline()
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, _ = v.Complete(gone, cb)
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationFailure {
		t.Errorf("got %q: whoever waits is not told of the refusal", got.Status)
	}
}

func TestGrantThatCannotBeKeptEndsTheAuthorization(t *testing.T) {
	for _, c := range []struct {
		to  keybearer.FlowState
		how keybearer.Verification
	}{
		{keybearer.FlowVerifying, keybearer.Verification{VerifierURL: "https://app.example/verify"}},
		{keybearer.FlowExchanging, keybearer.Verification{UnsafeSkip: true}},
	} {
		t.Run(string(c.to), func(t *testing.T) {
			flows := newFlowStore()
			h := open(t, change{config: func(k *keybearer.Config) { k.Flows, k.Verification = flows, c.how }})
			a := h.authorize("read")
			v := h.visitor()
			cb := h.consent(v, a.ID)
			flows.once(c.to, func() error { return errFull })
			_, err := v.Complete(t.Context(), cb)
			wantKind(t, err, keybearer.Unavailable)
			switch got := h.status(a.ID); {
			case c.to == keybearer.FlowVerifying && (got.Status != keybearer.AuthorizationFailure || !errors.Is(got.Failure, keybearer.Unavailable)):
				t.Errorf("got %q, %v; want those who wait to be told why it failed", got.Status, got.Failure)
			case c.to == keybearer.FlowExchanging && got.Status != keybearer.AuthorizationPending:
				t.Errorf("got %q, want it unharmed: the code was not used", got.Status)
			}
			if c.to == keybearer.FlowExchanging && h.provider.History().Calls(providertest.Token) != 0 {
				t.Error("the code was spent although the flow did not move")
			}
		})
	}
}

func TestAuthorizationThatExpiredSaysSo(t *testing.T) {
	h := open(t, change{})
	old := h.authorize("read")
	h.clock.Advance(61 * time.Minute)
	if again := h.authorize("read"); again.ID == old.ID {
		t.Fatal("an expired authorization is given out again")
	}
	got := h.status(old.ID)
	if got.Status != keybearer.AuthorizationFailure || !errors.Is(got.Failure, keybearer.AuthorizationEnded) || !strings.Contains(got.Failure.Error(), "in time") {
		t.Errorf("got %q, %v; want it to say that the time is over", got.Status, got.Failure)
	}
	_, err := h.visitor().Start(t.Context(), old.ID)
	wantKind(t, err, keybearer.AuthorizationEnded)
}

func TestTokenRequestThatWantsTheStateGetsIt(t *testing.T) {
	h := open(t, change{settings: func(d *oauth.Definition) {
		d.TokenRequest.Params = map[string]string{
			"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}", "client_id": "{{client_id}}",
			"client_secret": "{{client_secret}}", "state": "{{state}}",
		}
	}})
	h.connect("read")
	asked, _ := h.provider.History().Last(providertest.Authorize)
	told, _ := h.provider.History().Last(providertest.Token)
	if got, want := told.Param("state"), asked.Param("state"); got != want || want == "" {
		t.Errorf("got state %q, want %q", got, want)
	}
}

func TestProviderThatRepeatsTheStateIsNotRepeated(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	cb.Error, cb.ErrorDescription, cb.Code = "access_denied", "no for "+cb.State.Reveal(), secret.String{}
	_, err := v.Complete(t.Context(), cb)
	if err == nil || strings.Contains(err.Error(), cb.State.Reveal()) || strings.Contains(h.status(a.ID).Failure.Error(), cb.State.Reveal()) {
		t.Error("the state stands in the error")
	}
}

func TestBrowserWithoutASecretBeginsAndEndsNothing(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	nobody := h.broker.Visitor(secret.String{})
	_, err := nobody.Begin(t.Context(), a.ID)
	wantKind(t, err, keybearer.BadRequest)
}

func TestCallbacksThatComeToNothingAreInTheAudit(t *testing.T) {
	h := open(t, change{})
	_, err := h.visitor().Complete(t.Context(), keybearer.Callback{Code: secret.New("code-of-nobody")})
	wantKind(t, err, keybearer.BadRequest)
	if !h.audit.has(keybearer.ActionCallback, string(keybearer.BadRequest)) {
		t.Error("the audit does not tell of a callback without a state")
	}
	a := h.authorize("read")
	v := h.visitor()
	cb := h.consent(v, a.ID)
	h.clock.Advance(61 * time.Minute)
	_, err = v.Complete(t.Context(), cb)
	wantKind(t, err, keybearer.AuthorizationEnded)
	if !h.audit.has(keybearer.ActionCallback, string(keybearer.AuthorizationEnded)) {
		t.Error("the audit does not tell of a callback that came too late")
	}
}

// verifying brings a flow to its custom verifier.
func (h *house) verifying(scopes ...string) (keybearer.Authorization, keybearer.FlowID) {
	h.t.Helper()
	a := h.authorize(scopes...)
	v := h.visitor()
	land, err := v.Complete(h.t.Context(), h.consent(v, a.ID))
	if err != nil {
		h.t.Fatal(err)
	}
	_, id, _ := strings.Cut(land.Redirect, "flow_id=")
	id, _, _ = strings.Cut(id, "&")
	return a, keybearer.FlowID(id)
}

func shortLived(c *providertest.Config) { c.AccessLifetime = 10 * time.Minute }

func TestConfirmingAgainAfterAFailureDoesNotBringTheOldGrantBack(t *testing.T) {
	flows := newFlowStore()
	h := open(t, change{config: func(c *keybearer.Config) { custom(c); c.Flows = flows }, provider: shortLived})
	a, id := h.verifying("read")
	flows.once(keybearer.FlowCompleted, func() error { return errFull })
	_, err := h.app.Confirm(t.Context(), id, alice)
	wantKind(t, err, keybearer.Unavailable)
	h.clock.Advance(20 * time.Minute)
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.app.Confirm(t.Context(), id, alice); err != nil {
		t.Fatalf("confirming again: %v", err)
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q, want completed", got.Status)
	}
	h.clock.Advance(20 * time.Minute)
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Errorf("the rotated grant is lost: %v", err)
	}
	if got := h.provider.History().Reuses(); got != 0 {
		t.Errorf("got %d reuses of a spent refresh token", got)
	}
}

func TestConfirmationsAtOnceStoreTheGrantOnce(t *testing.T) {
	flows, memory := newFlowStore(), keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { custom(c); c.Flows, c.Connections = flows, memory }})
	_, id := h.verifying("read")
	looked, first := make(chan struct{}), make(chan struct{})
	flows.mu.Lock()
	flows.found = func() { close(looked); <-first }
	flows.mu.Unlock()
	late := make(chan error, 1)
	go func() { // has seen the flow before the other confirmed it, and goes on after that
		_, err := h.app.Confirm(t.Context(), id, alice)
		late <- err
	}()
	<-looked
	if _, err := h.app.Confirm(t.Context(), id, alice); err != nil {
		t.Fatal(err)
	}
	close(first)
	if err := <-late; err != nil {
		t.Errorf("the later confirmation: %v", err)
	}
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil || c.Version != 1 {
		t.Errorf("got version %d, %v; want the grant written once", c.Version, err)
	}
}

// contested is a store where somebody else is always faster.
type contested struct{ keybearer.ConnectionStore }

func (contested) PutConnection(context.Context, keybearer.Connection, int64) (keybearer.Connection, error) {
	return keybearer.Connection{}, keybearer.Errorf(keybearer.Conflict, "somebody else was faster")
}

func TestConfirmationThatStoresNothingIsNoSuccess(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) { custom(c); c.Connections = contested{keybearer.NewMemory()} }})
	a, id := h.verifying("read")
	if _, err := h.app.Confirm(t.Context(), id, alice); err == nil {
		t.Error("the confirmation says that all is well")
	}
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationPending {
		t.Errorf("got %q, want pending: it can be confirmed again", got.Status)
	}
}

func TestGrantThatDoesNotOpenAfterTheConfirmationEndsTheAuthorization(t *testing.T) {
	flows := newFlowStore()
	h := open(t, change{config: func(c *keybearer.Config) { custom(c); c.Flows = flows }})
	a, id := h.verifying("read")
	f, err := flows.Flow(t.Context(), keybearer.DefaultProject, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	f.Grant[len(f.Grant)-1] ^= 1
	if _, err := flows.AdvanceFlow(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	_, err = h.app.Confirm(t.Context(), id, alice)
	wantKind(t, err, keybearer.Internal)
	if got := h.status(a.ID); got.Status != keybearer.AuthorizationFailure {
		t.Errorf("got %q: whoever waits would wait in vain", got.Status)
	}
}

func TestImpatientVerifierIsNotHeld(t *testing.T) {
	flows := newFlowStore()
	h := open(t, change{config: func(c *keybearer.Config) { custom(c); c.Flows = flows }})
	a, id := h.verifying("read")
	storing, goOn := make(chan struct{}), make(chan struct{})
	flows.once(keybearer.FlowCompleted, func() error { close(storing); <-goOn; return nil })
	impatient, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := h.app.Confirm(impatient, id, alice)
		gone <- err
	}()
	<-storing
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want to be let go", err)
	}
	close(goOn)
	got, err := h.app.Wait(t.Context(), a.ID, 30*time.Second)
	if err != nil || got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q, %v; want the confirmation to be finished without its caller", got.Status, err)
	}
}
