package keybearer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func ref() keybearer.Ref { return keybearer.Ref{User: alice, Provider: hooli} }

func TestFailureThatMayPassKeepsTheGrant(t *testing.T) {
	for fault, kind := range map[string]keybearer.Kind{
		"server_error": keybearer.ProviderAway, "unavailable": keybearer.ProviderAway, "too_many": keybearer.ProviderAway,
		"closed": keybearer.ProviderAway, "html_error": keybearer.ProviderAway,
		"html": keybearer.ProviderAway, "redirect_302": keybearer.ProviderRefused,
		"invalid_client": keybearer.ProviderRefused,
	} {
		t.Run(fault, func(t *testing.T) {
			h := open(t, change{})
			h.connect("read")
			h.clock.Advance(2 * time.Hour)
			h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
			_, err := h.app.Token(t.Context(), ref())
			wantKind(t, err, kind)
			calls := h.provider.History().Calls(providertest.Token)
			for range 20 {
				if _, err := h.app.Token(t.Context(), ref()); !errors.Is(err, kind) {
					t.Fatalf("during the pause: got %v, want %s", err, kind)
				}
			}
			if got := h.provider.History().Calls(providertest.Token); got != calls {
				t.Errorf("the provider was asked %d more times at once", got-calls)
			}
			h.provider.Heal()
			h.clock.Advance(10 * time.Second)
			token, err := h.app.Token(t.Context(), ref())
			if err != nil || !h.works(token.Access) {
				t.Errorf("after the failure: got %v, want a working token", err)
			}
		})
	}
}

func TestTokenThatStillLivesIsUsedWhileTheProviderIsAway(t *testing.T) {
	h := open(t, change{})
	first := h.connect("read").Token.Access
	h.clock.Advance(59*time.Minute + 30*time.Second)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "server_error"})
	token, err := h.app.Token(t.Context(), ref())
	if err != nil || !token.Access.Equal(first) {
		t.Errorf("got %v, want the token that lives for another half minute", err)
	}
}

func TestLivingTokenIsNotHeldBackByASlowProvider(t *testing.T) {
	h := open(t, change{})
	first := h.connect("read").Token
	h.clock.Advance(first.ExpiresAt.Sub(h.clock.Now()) - 100*time.Millisecond)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
	token, err := h.app.Token(t.Context(), ref())
	if err != nil || !token.Access.Equal(first.Access) {
		t.Errorf("got %v, want the token that still lives", err)
	}
	h.provider.Release()
	if next, err := h.app.Renew(t.Context(), ref(), first.Access); err != nil || next.Access.Equal(first.Access) {
		t.Errorf("got %v, want what the slow refresh brought", err)
	}
	h.wantAlive()
}

// lateLeases keep their holders waiting while they give a lease back: their work is stored by then.
type lateLeases struct {
	keybearer.Leaser
	reached chan struct{} // gets something when one is given back
	open    chan struct{} // closed when that may end
}

func (l *lateLeases) Release(ctx context.Context, lease keybearer.Lease) error {
	select {
	case l.reached <- struct{}{}:
	default:
	}
	<-l.open
	return l.Leaser.Release(ctx, lease)
}

// asking is the context of a caller, and tells when he begins to wait.
type asking struct {
	context.Context
	waits func()
}

func (a asking) Done() <-chan struct{} {
	a.waits()
	return a.Context.Done()
}

// TestWhoJoinsARefreshAsItEndsGetsATokenThatLives: between the storing of a token and the end of the refresh that
// brought it a process may be frozen for longer than the token lives.
func TestWhoJoinsARefreshAsItEndsGetsATokenThatLives(t *testing.T) {
	leases := &lateLeases{reached: make(chan struct{}, 1), open: make(chan struct{})}
	h := open(t, change{config: func(c *keybearer.Config) {
		leases.Leaser = keybearer.NewMemory()
		c.Leases = leases
	}})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	first := make(chan error, 1)
	go func() {
		_, err := h.app.Token(t.Context(), ref())
		first <- err
	}()
	<-leases.reached
	h.clock.Advance(2 * time.Hour) // what was just stored has ended
	token, err := h.app.Token(asking{t.Context(), sync.OnceFunc(func() { close(leases.open) })}, ref())
	if err != nil || !h.works(token.Access) {
		t.Errorf("got %v, want a token that works", err)
	}
	if err := <-first; err != nil {
		t.Errorf("who asked first got %v", err)
	}
	if got := h.provider.History().Refreshes(); got != 2 {
		t.Errorf("got %d rotations, want one for each expiry", got)
	}
}

func TestRetryAfterOfTheProviderIsPassedOn(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "30"})
	_, err := h.app.Token(t.Context(), ref())
	e, ok := errors.AsType[*keybearer.Error](err)
	if !ok || e.RetryAfter != 30*time.Second {
		t.Errorf("got %v, want to be told to wait 30 s", err)
	}
}

func TestAnswerWithoutRefreshTokenKeepsTheOldOne(t *testing.T) {
	for _, fault := range []string{"no_refresh_token", "null_refresh_token", "empty_refresh_token"} {
		t.Run(fault, func(t *testing.T) {
			h := open(t, change{provider: func(c *providertest.Config) { c.NoRotation = true }})
			h.connect("read")
			h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault, Grant: "refresh_token"})
			for range 3 {
				h.clock.Advance(2 * time.Hour)
				token, err := h.app.Token(t.Context(), ref())
				if err != nil || !h.works(token.Access) {
					t.Fatalf("got %v, want a working token", err)
				}
			}
		})
	}
}

func TestConsentWithoutRefreshTokenKeepsTheFormerOne(t *testing.T) {
	h := open(t, change{provider: func(c *providertest.Config) { c.NoRotation = true }})
	h.connect("read")
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token", Grant: "authorization_code"})
	h.connect("read", "write")
	h.provider.Heal()
	h.clock.Advance(2 * time.Hour)
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Errorf("the refresh token of the first consent is lost: %v", err)
	}
}

func TestFormerRefreshTokenGoesOnlyWithTheSameAccount(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"same":              {`{"sub":"1"}`, `{"sub":"1"}`, true},
		"same object":       {`{"id":{"a":1}}`, `{"id":{"a":1}}`, true},
		"another object":    {`{"id":{"a":1}}`, `{"id":{"a":2}}`, false},
		"long number":       {`{"id":9007199254740993}`, `{"id":9007199254740992}`, false},
		"another account":   {`{"sub":"1"}`, `{"sub":"2"}`, false},
		"null says nothing": {`{"sub":null,"id":"1"}`, `{"sub":null,"id":"2"}`, false},
		"nothing known":     {`{"x":1}`, `{"x":1}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var info atomic.Value
			info.Store(c.first)
			account := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, info.Load().(string))
			}))
			defer account.Close()
			h := open(t, change{
				provider: func(c *providertest.Config) { c.NoRotation = true },
				settings: func(d *oauth.Definition) { d.UserInfoRequest.Endpoint = account.URL },
			})
			h.connect("read")
			info.Store(c.second)
			h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token", Grant: "authorization_code"})
			h.connect("read", "write")
			h.provider.Heal()
			h.clock.Advance(2 * time.Hour)
			if _, err := h.app.Token(t.Context(), ref()); (err == nil) != c.same {
				t.Errorf("got %v, want the former refresh token used: %v", err, c.same)
			}
		})
	}
}

// brokenSealer panics when told to.
type brokenSealer struct {
	keybearer.Sealer
	broken atomic.Bool
}

func (b *brokenSealer) Seal(plain, place []byte) (seal.Value, error) {
	if b.broken.Load() {
		panic(string(plain))
	}
	return b.Sealer.Seal(plain, place)
}

func TestMistakeInOneFlightDoesNotEndTheEngine(t *testing.T) {
	ring, err := seal.NewKeyring(seal.Key{ID: "k", Secret: secret.New("a root key of this test alone")})
	if err != nil {
		t.Fatal(err)
	}
	sealer := &brokenSealer{Sealer: ring}
	h := open(t, change{config: func(c *keybearer.Config) { c.Sealer = sealer }})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	sealer.broken.Store(true)
	_, err = h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Internal)
	if err == nil || strings.Contains(err.Error(), "refresh_token") {
		t.Errorf("got %v, want an error without the value of the panic", err)
	}
	sealer.broken.Store(false)
	if list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{}); err != nil || len(list) != 1 {
		t.Errorf("the engine does not go on: %v", err)
	}
}

func TestRefreshTokenIsShownOnlyToWhomItWasGivenFor(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	stranger := providertest.Start(t, providertest.Config{Clients: []providertest.Client{{ID: "client", Secret: "fixture-secret"}}})
	if _, err := h.admin.UpdateProvider(t.Context(), hooli, func(d *keybearer.ProviderDraft) error {
		d.Settings.TokenRequest.Endpoint = stranger.URL + "/token"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(2 * time.Hour)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Reauthorize)
	if got := stranger.History().Calls(providertest.Token); got != 0 {
		t.Errorf("the refresh token was sent to another server %d times", got)
	}
}

func TestScopesAccumulate(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	a := h.authorize("write")
	if a.Status != keybearer.AuthorizationPending {
		t.Fatalf("got %q for a scope that was not granted", a.Status)
	}
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	last, _ := h.provider.History().Last(providertest.Authorize)
	if got := last.Param("scope"); got != "write read" {
		t.Errorf("the provider was asked for %q, want the new and the existing scopes", got)
	}
	if got := h.authorize("write", "read"); got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q, want both scopes covered", got.Status)
	}
}

func TestNarrowerGrantIsStoredAsReturned(t *testing.T) {
	h := open(t, change{})
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "scope_narrower"})
	a := h.connect("read", "write")
	if len(a.Scopes) != 1 {
		t.Errorf("got scopes %q, want the one that was granted", a.Scopes)
	}
	if got := h.authorize("read", "write"); got.Status != keybearer.AuthorizationPending {
		t.Errorf("got %q: the missing scope counts as granted", got.Status)
	}
}

func TestRefusedTokenIsReallyRefreshedOnce(t *testing.T) {
	h := open(t, change{})
	refused := h.connect("read").Token.Access
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			token, err := h.app.Renew(t.Context(), ref(), refused)
			if err != nil || token.Access.Equal(refused) {
				t.Errorf("got %v, want another token", err)
			}
		})
	}
	all.Wait()
	if got := h.provider.History().Rotations(""); got != 1 {
		t.Errorf("got %d rotations for one refused token, want 1", got)
	}
}

func TestTransportReplacesARefusedTokenAndSendsAgainWhatItCan(t *testing.T) {
	h := open(t, change{})
	revoked := h.connect("read").Token.Access
	var bodies []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		bodies = append(bodies, string(body[:n]))
		if r.Header.Get("Authorization") == "Bearer "+revoked.Reveal() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer api.Close()
	hc := &http.Client{Transport: &keybearer.Transport{Source: h.app, Ref: ref()}}
	res, err := hc.Post(api.URL, "text/plain", strings.NewReader("hello"))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v; want the request to succeed at the second try", res, err)
	}
	_ = res.Body.Close()
	if got := strings.Join(bodies, ","); got != "hello,hello" {
		t.Errorf("the API saw bodies %q", got)
	}
	if got := h.provider.History().Rotations(""); got != 1 {
		t.Errorf("got %d rotations, want 1", got)
	}
}

// fullDisk is a store whose writes fail when told to. Where there is room for the journal, only what
// comes of a refresh is refused.
type fullDisk struct {
	keybearer.ConnectionStore
	full, roomForJournal atomic.Bool
}

func (f *fullDisk) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	if f.full.Load() && !(f.roomForJournal.Load() && c.Rotation.Open()) {
		return keybearer.Connection{}, keybearer.Errorf(keybearer.Unavailable, "the disk is full")
	}
	return f.ConnectionStore.PutConnection(ctx, c, ifVersion)
}

func TestFullDiskLosesNoRotatedToken(t *testing.T) {
	for _, journal := range []bool{false, true} {
		t.Run(fmt.Sprintf("room for the journal: %t", journal), func(t *testing.T) {
			disk := &fullDisk{ConnectionStore: keybearer.NewMemory()}
			disk.roomForJournal.Store(journal)
			h := open(t, change{config: func(c *keybearer.Config) { c.Connections = disk }})
			h.connect("read")
			h.clock.Advance(2 * time.Hour)
			disk.full.Store(true)
			_, err := h.app.Token(t.Context(), ref())
			wantKind(t, err, keybearer.Unavailable)
			if got := h.provider.History().Rotations(""); !journal && got != 0 {
				t.Errorf("got %d rotations that nothing on the disk knows of, want 0", got)
			}
			disk.full.Store(false)
			token, err := h.app.Token(t.Context(), ref())
			if err != nil || !h.works(token.Access) {
				t.Fatalf("after the disk had room again: got %v", err)
			}
			if got := h.provider.History(); got.Rotations("") != 1 || got.Reuses() != 0 {
				t.Errorf("got %d rotations and %d reuses, want 1 and 0", got.Rotations(""), got.Reuses())
			}
		})
	}
}

func TestNewConsentDuringARefreshWins(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
	before := h.provider.History().Calls(providertest.Token)
	got := make(chan keybearer.Token, 1)
	go func() {
		token, err := h.app.Token(t.Context(), ref())
		if err != nil {
			t.Errorf("the refresh that came second: %v", err)
		}
		got <- token
	}()
	if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	a := h.authorize("read", "write")
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	h.provider.Release()
	token := <-got
	if strings.Join(token.Scopes, " ") != "read write" || !h.works(token.Access) {
		t.Errorf("got a token with %q, want that of the new consent", token.Scopes)
	}
}

func TestPlaintextReachesNoStore(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections, c.Flows, c.Providers = memory, memory, memory }})
	token := h.connect("read").Token.Access
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Grant) == 0 || strings.Contains(string(c.Grant), token.Reveal()) {
		t.Error("the store holds the access token in clear")
	}
	providers, err := memory.Providers(t.Context(), keybearer.DefaultProject)
	if err != nil || len(providers) != 1 || strings.Contains(string(providers[0].ClientSecret), "fixture-secret") {
		t.Errorf("the store holds the client secret in clear, or nothing: %v", err)
	}
}

func TestGrantCopiedToAnotherUserDoesNotOpen(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections = memory }})
	h.connect("read")
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	c.ID, c.User = "conn_mallory", "mallory@example.com"
	if _, err := memory.PutConnection(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
	_, err = h.app.Token(t.Context(), keybearer.Ref{User: "mallory@example.com", Provider: hooli})
	wantKind(t, err, keybearer.Internal)
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Errorf("alice's own connection is harmed: %v", err)
	}
}

func TestTokensWithoutExpiryAreUsedUntilTheyAreRefused(t *testing.T) {
	h := open(t, change{})
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "expires_missing"})
	first := h.connect("read").Token
	if !first.ExpiresAt.IsZero() {
		t.Errorf("got expiry %s, want none", first.ExpiresAt)
	}
	h.clock.Advance(10000 * time.Hour)
	token, err := h.app.Token(t.Context(), ref())
	if err != nil || !token.Access.Equal(first.Access) {
		t.Errorf("got %v, want the same token", err)
	}
}

func TestProviderWithoutRefreshRequestAsksForConsentAtExpiry(t *testing.T) {
	h := open(t, change{settings: func(d *oauth.Definition) { d.RefreshRequest = nil }})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	if got := h.authorize("read"); got.Status != keybearer.AuthorizationPending {
		t.Errorf("got %q, want a new consent", got.Status)
	}
	if got := h.provider.History().Refreshes(); got != 0 {
		t.Errorf("got %d refreshes", got)
	}
}

func TestDisconnectRevokesAndForgets(t *testing.T) {
	h := open(t, change{settings: func(d *oauth.Definition) {
		d.RevokeRequest = &oauth.Request{Endpoint: strings.TrimSuffix(d.TokenRequest.Endpoint, "/token") + "/revoke"}
	}})
	access := h.connect("read").Token.Access
	list, total, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{User: alice})
	if err != nil || total != 1 || len(list[0].Grant) != 0 || !strings.Contains(string(list[0].UserInfo), "sub") {
		t.Fatalf("got %d connections, %v; want one with user info and without its grant", total, err)
	}
	if err := h.admin.Disconnect(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if h.works(access) {
		t.Error("the token still works at the provider")
	}
	_, err = h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.NotFound)
	wantKind(t, h.admin.Disconnect(t.Context(), list[0].ID), keybearer.NotFound)
}

func TestClosedBrokerRefusesNewWork(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	if err := h.broker.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(2 * time.Hour)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Unavailable)
}

func TestWaitEndsWithTheTimeTheCallerAndTheEngine(t *testing.T) {
	h := open(t, change{})
	a := h.authorize("read")
	got, err := h.app.Wait(t.Context(), a.ID, time.Millisecond)
	if err != nil || got.Status != keybearer.AuthorizationPending {
		t.Errorf("the time is over: got %q, %v; want pending", got.Status, err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := h.app.Wait(gone, a.ID, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller has gone: got %v", err)
	}
	h.broker.Drain()
	if got, err := h.app.Wait(t.Context(), a.ID, time.Hour); err != nil || got.Status != keybearer.AuthorizationPending {
		t.Errorf("the engine stops: got %q, %v; want pending", got.Status, err)
	}
}
