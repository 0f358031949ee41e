package keybearer_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// keyring makes a keyring of keys with these ids, the first one being the default.
func keyring(t *testing.T, ids ...string) *seal.Keyring {
	t.Helper()
	keys := make([]seal.Key, len(ids))
	for i, id := range ids {
		keys[i] = seal.Key{ID: id, Default: i == 0, Secret: secret.New("the root key of this test called " + id)}
	}
	ring, err := seal.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// wantAlive checks that the grant is refreshed once more, and that no spent refresh token was used.
func (h *house) wantAlive() {
	h.t.Helper()
	h.clock.Advance(2 * time.Hour)
	token, err := h.app.Token(h.t.Context(), ref())
	if err != nil || !h.works(token.Access) {
		h.t.Errorf("the grant is lost: %v", err)
	}
	if got := h.provider.History().Reuses(); got != 0 {
		h.t.Errorf("got %d reuses of a spent refresh token", got)
	}
}

// heldRefresh begins a refresh whose answer the provider keeps back, and gives its end.
func (h *house) heldRefresh() <-chan error {
	h.t.Helper()
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
	before := h.provider.History().Calls(providertest.Token)
	ended := make(chan error, 1)
	go func() {
		_, err := h.app.Token(h.t.Context(), ref())
		ended <- err
	}()
	if err := h.provider.History().AwaitCalls(h.t.Context(), providertest.Token, before+1); err != nil {
		h.t.Fatal(err)
	}
	return ended
}

func TestSealingAnewDuringARefreshLosesNoRotatedToken(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections, c.Sealer = memory, keyring(t, "old", "new") }})
	h.connect("read")
	ended := h.heldRefresh()
	other, err := keybearer.New(keybearer.Config{PublicURL: publicURL, Sealer: keyring(t, "new", "old"), Connections: memory})
	if err != nil {
		t.Fatal(err)
	}
	if done, _, err := other.Reseal(t.Context(), keybearer.DefaultProject, "new"); err != nil || done != 1 {
		t.Fatalf("sealing anew: got %d, %v", done, err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h.provider.Release()
	if err := <-ended; err != nil {
		t.Errorf("the refresh: %v", err)
	}
	h.wantAlive()
}

func TestConsentWithoutRefreshTokenDuringARefreshLosesNoRotatedToken(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	ended := h.heldRefresh()
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token", Times: 1, Grant: "authorization_code"})
	a := h.authorize("read", "write")
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	h.provider.Release()
	if err := <-ended; err != nil {
		t.Errorf("the refresh: %v", err)
	}
	if got := h.authorize("read", "write"); got.Status != keybearer.AuthorizationCompleted {
		t.Errorf("got %q: the new consent is lost", got.Status)
	}
	h.wantAlive()
}

func TestDeadGrantThatIsSealedAnewMeanwhileIsDead(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections = memory }})
	h.connect("read")
	h.provider.RevokeUser("alice")
	ended := h.heldRefresh()
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := memory.PutConnection(t.Context(), c, c.Version); err != nil {
		t.Fatal(err)
	}
	h.provider.Release()
	wantKind(t, <-ended, keybearer.Reauthorize)
}

func TestRotatedTokenInAnAnswerWithoutAccessTokenIsKept(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_access_token", Times: 1, Grant: "refresh_token"})
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.ProviderRefused)
	h.wantAlive()
}

func TestGrantThatCouldNotBeStoredIsStoredWhenTheBrokerCloses(t *testing.T) {
	disk := &fullDisk{ConnectionStore: keybearer.NewMemory()}
	disk.roomForJournal.Store(true)
	providers := keybearer.NewMemory()
	use := func(c *keybearer.Config) { c.Connections, c.Providers, c.Sealer = disk, providers, keyring(t, "k") }
	h := open(t, change{config: use})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	disk.full.Store(true)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Unavailable)
	if err := h.broker.Close(t.Context()); err == nil {
		t.Error("closing does not tell that a grant is lost")
	}
	disk.full.Store(false)
	if err := h.broker.Close(t.Context()); err != nil {
		t.Errorf("closing with room on the disk: %v", err)
	}
	cfg := keybearer.Config{PublicURL: publicURL, Now: h.clock.Now}
	use(&cfg)
	restarted, err := keybearer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.broker, h.app = restarted, restarted.As(keybearer.Caller{Name: "key:app"})
	h.wantAlive()
	if err := restarted.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A grant may wait for longer than its key is kept.
func TestGrantThatWaitedToBeStoredIsStoredUnderTheNewestKey(t *testing.T) {
	memory := keybearer.NewMemory()
	disk, ring := &fullDisk{ConnectionStore: memory}, keyring(t, "former")
	disk.roomForJournal.Store(true)
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections, c.Sealer = disk, ring }})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	disk.full.Store(true)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Unavailable)
	if err := ring.Add(seal.Key{ID: "newest", Default: true, Secret: secret.New("the newest key of this test")}); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(false)
	if err := h.broker.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ids := sealedBy(t, memory); ids["newest"] != 1 {
		t.Errorf("got %v, want the grant under the newest key", ids)
	}
}

func TestConsentWithoutRefreshTokenTakesTheOneThatWaitsToBeStored(t *testing.T) {
	disk := &fullDisk{ConnectionStore: keybearer.NewMemory()}
	disk.roomForJournal.Store(true)
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections = disk }})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	disk.full.Store(true)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Unavailable)
	disk.full.Store(false)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token", Times: 1, Grant: "authorization_code"})
	a := h.authorize("read", "write")
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	h.wantAlive()
}

func TestCutOffAtTheEndLosesNoRotatedToken(t *testing.T) {
	disk := &gatedDisk{ConnectionStore: keybearer.NewMemory(), reached: make(chan struct{}), open: make(chan struct{})}
	life := &lifeOf{}
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections, c.Recorder = disk, life }})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	disk.arm()
	ended := make(chan error, 1)
	go func() {
		_, err := h.app.Token(t.Context(), ref())
		ended <- err
	}()
	<-disk.reached // the provider has rotated, the write is about to begin
	impatient, cut := context.WithCancel(t.Context())
	cut()
	closed := make(chan error, 1)
	go func() { closed <- h.broker.Close(impatient) }()
	<-life.ended() // the broker cuts off what goes on
	close(disk.open)
	<-closed
	if err := <-ended; err != nil {
		t.Errorf("the write was cut off: %v", err)
	}
}

// lifeOf is a recorder that knows when its broker ends.
type lifeOf struct {
	mu   sync.Mutex
	done <-chan struct{}
}

func (l *lifeOf) Record(ctx context.Context, _ keybearer.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = ctx.Done()
}

func (l *lifeOf) ended() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

// gatedDisk is a store that obeys its context, and stops one write of a refreshed grant on the way when
// told to.
type gatedDisk struct {
	keybearer.ConnectionStore
	mu            sync.Mutex
	armed         bool
	reached, open chan struct{}
}

func (g *gatedDisk) arm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = true
}

func (g *gatedDisk) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	g.mu.Lock()
	stop := g.armed && !c.Rotation.Open()
	g.armed = g.armed && !stop
	g.mu.Unlock()
	if stop {
		close(g.reached)
		<-g.open
	}
	if ctx.Err() != nil {
		return keybearer.Connection{}, ctx.Err()
	}
	return g.ConnectionStore.PutConnection(ctx, c, ifVersion)
}

// gatedLeases stops whoever acquires a lease until told to go on, and tells of each.
type gatedLeases struct {
	keybearer.Leaser
	asked chan struct{}
	open  chan struct{}
}

func (g *gatedLeases) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	if g.asked != nil {
		g.asked <- struct{}{}
		<-g.open
	}
	return g.Leaser.Acquire(ctx, key, ttl)
}

func TestTokenThatAnotherReportMeantIsNotGivenBack(t *testing.T) {
	leases := &gatedLeases{Leaser: keybearer.NewMemory()}
	h := open(t, change{config: func(c *keybearer.Config) { c.Leases = leases }})
	oldest := h.connect("read").Token.Access
	next, err := h.app.Renew(t.Context(), ref(), oldest)
	if err != nil {
		t.Fatal(err)
	}
	leases.asked, leases.open = make(chan struct{}, 2), make(chan struct{})
	type got struct {
		token keybearer.Token
		err   error
	}
	renew := func(refused secret.String) <-chan got {
		ended := make(chan got, 1)
		go func() {
			token, err := h.app.Renew(t.Context(), ref(), refused)
			ended <- got{token, err}
		}()
		return ended
	}
	first := renew(oldest) // a late report of a token that was replaced already
	<-leases.asked
	second := renew(next.Access) // the one that replaced it is refused as well
	<-leases.asked
	close(leases.open)
	if g := <-first; g.err != nil || g.token.Access.Equal(oldest) {
		t.Errorf("the late report: got %v, want another token", g.err)
	}
	if g := <-second; g.err != nil || g.token.Access.Equal(next.Access) {
		t.Errorf("got %v, want another token than the refused one", g.err)
	}
}

func (h *house) update(edit func(*keybearer.ProviderDraft)) {
	h.t.Helper()
	if _, err := h.admin.UpdateProvider(h.t.Context(), hooli, func(d *keybearer.ProviderDraft) error { edit(d); return nil }); err != nil {
		h.t.Fatal(err)
	}
}

func TestSettingThatIsRepairedCostsNoGrant(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, repair func(*keybearer.ProviderDraft)
	}{
		"client id": {
			func(d *keybearer.ProviderDraft) { d.ClientID = "cleint" },
			func(d *keybearer.ProviderDraft) { d.ClientID = "client" },
		},
		"refresh request": {
			func(d *keybearer.ProviderDraft) { d.Settings.RefreshRequest = nil },
			func(d *keybearer.ProviderDraft) { d.Settings.RefreshRequest = &oauth.Request{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, change{})
			h.connect("read")
			h.update(c.spoil)
			h.clock.Advance(2 * time.Hour)
			_, err := h.app.Token(t.Context(), ref())
			wantKind(t, err, keybearer.Reauthorize)
			if a := h.authorize("read"); a.Status != keybearer.AuthorizationPending {
				t.Errorf("got %q, want a link meanwhile", a.Status)
			}
			h.update(c.repair)
			h.wantAlive()
		})
	}
}

func TestTokenLivesToItsEndWhereRefreshTokensAreNotUsed(t *testing.T) {
	h := open(t, change{settings: func(d *oauth.Definition) { d.RefreshRequest = nil }})
	first := h.connect("read").Token.Access
	h.clock.Advance(59*time.Minute + 30*time.Second)
	token, err := h.app.Token(t.Context(), ref())
	if err != nil || !token.Access.Equal(first) {
		t.Errorf("got %v, want the token that lives for another half minute", err)
	}
}

func TestRefreshTokenIsNotSentToAnEndpointThatWasPutInPlace(t *testing.T) {
	shown := make(chan string, 10)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.FormValue("refresh_token") + r.FormValue("token")
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer stranger.Close()
	h := open(t, change{})
	h.connect("read")
	h.update(func(d *keybearer.ProviderDraft) {
		d.Settings.RefreshRequest = &oauth.Request{Endpoint: stranger.URL}
		d.Settings.RevokeRequest = &oauth.Request{Endpoint: stranger.URL}
	})
	h.clock.Advance(2 * time.Hour)
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.Reauthorize)
	list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{})
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if err := h.admin.Disconnect(t.Context(), list[0].ID); err != nil {
		t.Error(err)
	}
	select {
	case token := <-shown:
		t.Errorf("the stranger was shown a token of %d characters", len(token))
	default:
	}
}

func TestInactiveProviderGivesNoTokens(t *testing.T) {
	h := open(t, change{})
	a := h.connect("read")
	h.update(func(d *keybearer.ProviderDraft) { d.Status = keybearer.ProviderDisabled })
	_, err := h.app.Token(t.Context(), ref())
	wantKind(t, err, keybearer.ProviderInactive)
	_, err = h.app.Status(t.Context(), a.ID)
	wantKind(t, err, keybearer.ProviderInactive)
	h.update(func(d *keybearer.ProviderDraft) { d.Status = keybearer.ProviderActive })
	h.wantAlive()
}

func TestGrantThatDoesNotOpenIsReplacedByAnewConsent(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Connections = memory }})
	h.connect("read")
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	c.Grant[len(c.Grant)-1] ^= 1
	if _, err := memory.PutConnection(t.Context(), c, c.Version); err != nil {
		t.Fatal(err)
	}
	a := h.authorize("read")
	if a.Status != keybearer.AuthorizationPending {
		t.Fatalf("got %q, want a link: the user can repair it", a.Status)
	}
	v := h.visitor()
	if _, err := v.Complete(t.Context(), h.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Errorf("after the new consent: %v", err)
	}
}

func TestAuditNamesTheUserOfADeadConnection(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "dead_invalid_grant"})
	for range 2 {
		_, err := h.app.Token(t.Context(), ref())
		wantKind(t, err, keybearer.Reauthorize)
	}
	h.audit.mu.Lock()
	defer h.audit.mu.Unlock()
	for _, e := range h.audit.events {
		if e.Action == keybearer.ActionToken && (e.User != alice || e.Provider != hooli || e.Connection == "") {
			t.Errorf("got %+v, want it to say whose token was asked for", e)
		}
	}
}

func TestDisconnectWaitsForARefreshAndRevokesWhatItBrought(t *testing.T) {
	leases := &gatedLeases{Leaser: keybearer.NewMemory()}
	h := open(t, change{
		config: func(c *keybearer.Config) { c.Leases = leases },
		settings: func(d *oauth.Definition) {
			d.RevokeRequest = &oauth.Request{Endpoint: strings.TrimSuffix(d.TokenRequest.Endpoint, "/token") + "/revoke"}
		},
	})
	h.connect("read")
	list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{})
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	leases.asked, leases.open = make(chan struct{}, 2), make(chan struct{})
	close(leases.open)
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
	brought := make(chan keybearer.Token, 1)
	go func() {
		token, _ := h.app.Token(t.Context(), ref())
		brought <- token
	}()
	<-leases.asked
	if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, 2); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- h.admin.Disconnect(t.Context(), list[0].ID) }()
	<-leases.asked
	h.provider.Release()
	token := <-brought
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	last, _ := h.provider.History().Last(providertest.Revoke)
	if got, want := last.Param("token"), providertest.Hash(token.Access.Reveal()); got != want {
		t.Errorf("got %s revoked, want the token that the refresh brought, %s", got, want)
	}
}

// The date is that of the consent which the refresh token goes back to: however often it was refreshed
// since, and though a later consent brought none.
func TestConsentHasItsDate(t *testing.T) {
	h := open(t, change{})
	consented := func() time.Time {
		t.Helper()
		list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{})
		if err != nil || len(list) != 1 {
			t.Fatalf("got %d connections, %v; want one", len(list), err)
		}
		return list[0].ConsentedAt
	}
	first := h.clock.Now().Truncate(time.Second)
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Fatal(err)
	}
	if got := h.provider.History().Rotations(""); got != 1 || !consented().Equal(first) {
		t.Errorf("after %d rotations the consent is of %s, want %s", got, consented(), first)
	}
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token", Times: 1, Grant: "authorization_code"})
	h.connect("read", "write")
	if !consented().Equal(first) {
		t.Errorf("a consent without a refresh token: got %s, want the date of the one that is kept, %s", consented(), first)
	}
	h.clock.Advance(time.Hour)
	second := h.clock.Now().Truncate(time.Second)
	h.connect("read", "write", "admin")
	if !consented().Equal(second) {
		t.Errorf("the next consent: got %s, want %s", consented(), second)
	}
}
