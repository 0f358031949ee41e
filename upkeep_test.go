package keybearer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

const day = 24 * time.Hour

// tended is a house whose stores are on its clock, so that rounds of upkeep follow it.
type tended struct {
	*house
	store *keybearer.Memory
	cfg   keybearer.Config
}

func openTended(t *testing.T, c change) *tended {
	t.Helper()
	var o tended
	more := c.config
	c.config = func(cfg *keybearer.Config) {
		o.store = keybearer.NewMemoryClock(cfg.Now)
		cfg.Connections, cfg.Providers, cfg.Leases, cfg.Sealer = o.store, o.store, o.store, keyring(t, "k")
		if more != nil {
			more(cfg)
		}
		o.cfg = *cfg
	}
	o.house = open(t, c)
	return &o
}

// replica is another engine on the same stores.
func (o *tended) replica() *keybearer.Broker {
	o.t.Helper()
	b, err := keybearer.New(o.cfg)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(o.t.Context())); err != nil {
			o.t.Errorf("closing: %v", err)
		}
	})
	return b
}

// connectMany gives so many users a connection, and gives their refs.
func (o *tended) connectMany(n int) []keybearer.Ref {
	o.t.Helper()
	refs := make([]keybearer.Ref, n)
	for i := range refs {
		refs[i] = keybearer.Ref{User: keybearer.UserID(fmt.Sprintf("user-%d@example.com", i)), Provider: hooli}
		o.connectAs(refs[i].User)
	}
	return refs
}

func (o *tended) connectAs(user keybearer.UserID) {
	o.t.Helper()
	a, err := o.app.Authorize(o.t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: user, Scopes: []string{"read"}})
	if err != nil {
		o.t.Fatal(err)
	}
	v := o.broker.Visitor(keybearer.NewBrowserSecret())
	if _, err := v.Complete(o.t.Context(), o.consent(v, a.ID)); err != nil {
		o.t.Fatal(err)
	}
}

// tend runs one round, a moment later than whatever was before.
func (o *tended) tend() {
	o.t.Helper()
	o.clock.Advance(time.Second)
	if err := o.broker.UpkeepOnce(o.t.Context(), keybearer.DefaultProject); err != nil {
		o.t.Errorf("a round of upkeep: %v", err)
	}
}

// token asks for the token of a connection that is expected to work.
func (o *tended) token(ref keybearer.Ref) {
	o.t.Helper()
	token, err := o.app.Token(o.t.Context(), ref)
	if err != nil || !o.works(token.Access) {
		o.t.Errorf("asking for the token of %s: %v", ref, err)
	}
}

func (o *tended) row(ref keybearer.Ref) keybearer.Connection {
	o.t.Helper()
	ref.Project = keybearer.DefaultProject
	c, err := o.store.Connection(o.t.Context(), ref)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *tended) calls() int { return o.provider.History().Calls(providertest.Token) }

func (o *tended) wantRefreshes(want int) {
	o.t.Helper()
	if got := o.provider.History(); got.Refreshes() != want || got.Reuses() != 0 {
		o.t.Errorf("got %d refreshes and %d reuses of spent tokens, want %d and 0", got.Refreshes(), got.Reuses(), want)
	}
}

func TestTokenInUseIsRefreshedAheadSoThatNobodyWaits(t *testing.T) {
	o := openTended(t, change{})
	o.connect("read")
	const hours = 10
	for range hours * 60 {
		o.clock.Advance(59 * time.Second)
		o.tend()
		before := o.calls()
		o.token(ref())
		if got := o.calls(); got != before {
			t.Fatalf("%s: who asked for the token had to wait for a refresh", o.clock.Now().Format("15:04"))
		}
	}
	if got := o.provider.History().Rotations(""); got < hours || got > hours*10/8 {
		t.Errorf("got %d rotations in %d hours, want one at 80 to 90 percent of each token's hour", got, hours)
	}
}

func TestTokenThatNobodyUsesIsLeftAloneUntilItsGrantWouldEnd(t *testing.T) {
	o := openTended(t, change{
		provider: func(c *providertest.Config) { c.Inactivity = 90 * day },
		settings: func(d *oauth.Definition) { d.Refresh.IdleExpiry = oauth.Duration(90 * day) },
	})
	o.connect("read")
	began := o.clock.Now()
	pass := func(until time.Duration, step time.Duration) {
		for o.clock.Now().Sub(began) < until {
			o.clock.Advance(step)
			o.tend()
		}
	}
	pass(3*time.Hour, time.Minute)
	inUse := o.provider.History().Refreshes()
	if inUse < 1 || inUse > 3 {
		t.Errorf("got %d refreshes in the first hours, want them to go on for about two lives of the last token that was used", inUse)
	}
	pass(50*day, time.Hour)
	o.wantRefreshes(inUse)
	pass(61*day, time.Hour)
	o.wantRefreshes(inUse + 1)
	pass(300*day, time.Hour)
	o.wantRefreshes(inUse + 5)
	o.token(ref())
}

func TestPolicySaysWhatIsRefreshedAhead(t *testing.T) {
	for ahead, want := range map[string]int{oauth.AheadAlways: 24, oauth.AheadNever: 0} {
		o := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.Ahead = ahead }})
		o.connect("read")
		for range 24 * 60 {
			o.clock.Advance(59 * time.Second)
			o.tend()
		}
		if got := o.provider.History().Rotations(""); got < want || got > want*10/8 {
			t.Errorf("%s: got %d rotations in a day, want about %d", ahead, got, want)
		}
	}
}

// The plan never comes after the time at which an asker would refresh by himself.
func TestPlanIsAheadOfStaleness(t *testing.T) {
	for _, life := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, day} {
		for _, skew := range []time.Duration{0, 5 * time.Minute} {
			o := openTended(t, change{
				provider: func(c *providertest.Config) { c.AccessLifetime = life },
				settings: func(d *oauth.Definition) { d.Refresh.Skew = oauth.Duration(skew) },
			})
			o.connect("read")
			var earliest, latest time.Duration = life, 0
			for _, ref := range o.connectMany(20) {
				c := o.row(ref)
				due := c.DueAt.Sub(c.IssuedAt)
				earliest, latest = min(earliest, due), max(latest, due)
				o.clock.Advance(c.DueAt.Sub(o.clock.Now()))
				before := o.calls()
				o.token(ref)
				if o.calls() != before {
					t.Errorf("life %s, skew %s: due after %s, and an asker waits by then", life, skew, due)
				}
				o.clock.Advance(c.IssuedAt.Sub(o.clock.Now()))
			}
			o.clock.Advance(2 * life)
			o.token(ref())
			if c := o.row(ref()); c.DueAt.Before(c.IssuedAt.Add(life*69/100)) || c.DueAt.After(c.IssuedAt.Add(life*9/10)) {
				t.Errorf("life %s, skew %s: after a refresh it is due in %s", life, skew, c.DueAt.Sub(c.IssuedAt))
			}
			if earliest < life*69/100 || latest > life*9/10 || latest-earliest < life/50 {
				t.Errorf("life %s, skew %s: due after %s to %s", life, skew, earliest, latest)
			}
		}
	}
}

func TestRateHoldsForAllReplicasTogether(t *testing.T) {
	const rate, connections = 5, 30
	o := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.Rate, d.Refresh.Ahead = rate, oauth.AheadAlways }})
	o.connectMany(connections)
	replicas := []*keybearer.Broker{o.broker, o.replica(), o.replica()}
	o.clock.Advance(55 * time.Minute)
	for second := 1; second <= connections/rate; second++ {
		o.clock.Advance(time.Second)
		var all sync.WaitGroup
		for _, b := range replicas {
			all.Go(func() {
				if err := b.UpkeepOnce(t.Context(), keybearer.DefaultProject); err != nil {
					t.Errorf("a round: %v", err)
				}
			})
		}
		all.Wait()
		if got := o.provider.History().Rotations(""); got > second*rate {
			t.Fatalf("after %d s: got %d refreshes, want at most %d", second, got, second*rate)
		}
	}
	for range 10 {
		o.tend()
	}
	o.wantRefreshes(connections)
}

func TestBrokenOffRefreshesAreSettledWhateverTheRate(t *testing.T) {
	o := openTended(t, change{
		provider: func(c *providertest.Config) { c.Leeway = 10 * time.Minute },
		settings: func(d *oauth.Definition) { d.Refresh.Rate, d.Refresh.ReuseGrace = 1, oauth.Duration(10*time.Minute) },
	})
	refs := o.connectMany(2)
	for _, ref := range refs {
		o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Times: 2, Grant: "refresh_token"})
		_, err := o.app.Renew(t.Context(), ref, o.access(ref))
		wantKind(t, err, keybearer.ProviderAway)
	}
	o.broker = o.replica() // the first one is dead
	o.clock.Advance(20 * time.Second)
	o.tend()
	for _, ref := range refs {
		if r := o.row(ref).Rotation; r.Open() {
			t.Errorf("got an open entry for %s after a round: %+v", ref.User, r)
		}
		o.token(ref)
	}
}

// access is the token that is handed out for a connection now.
func (o *tended) access(ref keybearer.Ref) secret.String {
	o.t.Helper()
	token, err := o.app.Token(o.t.Context(), ref)
	if err != nil {
		o.t.Fatal(err)
	}
	return token.Access
}

func TestReplicasNeverRefreshOneConnectionTwice(t *testing.T) {
	const connections, lives = 40, 5
	o := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.Rate = 1000 }})
	refs := o.connectMany(connections)
	replicas := []*keybearer.Broker{o.broker, o.replica()}
	for life := 1; life <= lives; life++ {
		for _, ref := range refs {
			o.token(ref)
		}
		o.tend() // notes the uses
		o.clock.Advance(60 * time.Minute)
		var all sync.WaitGroup
		for _, b := range replicas {
			all.Go(func() {
				if err := b.UpkeepOnce(t.Context(), keybearer.DefaultProject); err != nil {
					t.Errorf("a round: %v", err)
				}
			})
			for _, ref := range refs {
				all.Go(func() {
					if _, err := b.As(keybearer.Caller{Name: "key:app"}).Token(t.Context(), ref); err != nil {
						t.Errorf("asking: %v", err)
					}
				})
			}
		}
		all.Wait()
		o.wantRefreshes(life * connections)
	}
}

func TestDeadGrantIsTriedNoMore(t *testing.T) {
	o := openTended(t, change{})
	o.connect("read")
	o.provider.RevokeUser("alice")
	before := o.calls()
	for range 3 * 24 * 60 {
		o.clock.Advance(59 * time.Second)
		o.tend()
	}
	if got := o.calls() - before; got != 1 {
		t.Errorf("a dead grant was presented %d times, want once", got)
	}
	c := o.row(ref())
	if c.State != keybearer.ConnectionReauthorize || !c.DueAt.IsZero() {
		t.Errorf("got state %s, due at %s; want reauthorize, never due", c.State, c.DueAt)
	}
	if !o.audit.has(keybearer.ActionReauthorize, "ok") {
		t.Error("the audit does not tell")
	}
	o.connect("read")
	o.token(ref())
	if o.row(ref()).DueAt.IsZero() {
		t.Error("after a new consent the connection is not planned")
	}
}

// Rows of a time before the plan are due since 1970.
func TestRowsThatWereNeverPlannedArePlanned(t *testing.T) {
	o := openTended(t, change{})
	refs := o.connectMany(300)
	for _, ref := range refs {
		c := o.row(ref)
		c.DueAt = time.UnixMicro(1)
		if _, err := o.store.PutConnection(t.Context(), c, c.Version); err != nil {
			t.Fatal(err)
		}
	}
	o.tend()
	for _, ref := range refs {
		if c := o.row(ref); !c.DueAt.After(o.clock.Now()) || c.DueAt.After(c.ExpiresAt) {
			t.Fatalf("%s is due at %s, its token ends at %s", ref, c.DueAt, c.ExpiresAt)
		}
	}
	o.wantRefreshes(0)
}

func TestWrongSecretIsNotPresentedAgainAndAgain(t *testing.T) {
	o := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.Ahead, d.Refresh.Rate = oauth.AheadAlways, 1000 }})
	refs := o.connectMany(100)
	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "invalid_client"})
	before := o.calls()
	o.clock.Advance(55 * time.Minute)
	for range 5 {
		o.tend()
	}
	if got := o.calls() - before; got < 1 || got > 20 {
		t.Errorf("a provider that refuses the client was asked %d times at once", got)
	}
	o.provider.Heal()
	for range 200 {
		o.clock.Advance(time.Minute)
		o.tend()
	}
	for _, ref := range refs {
		if c := o.row(ref); c.State != keybearer.ConnectionActive || !c.ExpiresAt.After(o.clock.Now()) {
			t.Fatalf("%s is %s, its token ended at %s: the repaired client was not tried", ref, c.State, c.ExpiresAt)
		}
	}
}

func TestGrantThatStorageRefusedIsStoredAsSoonAsItTakesIt(t *testing.T) {
	var disk *fullDisk
	o := openTended(t, change{config: func(c *keybearer.Config) {
		disk = &fullDisk{ConnectionStore: c.Connections}
		c.Upkeep = c.Connections.(keybearer.UpkeepStore)
		c.Connections = disk
	}})
	o.connect("read")
	ended := o.heldRefresh()
	disk.full.Store(true)
	o.provider.Release()
	if err := <-ended; !errors.Is(err, keybearer.Unavailable) {
		t.Fatalf("got %v: the disk was not full", err)
	}
	o.clock.Advance(time.Second)
	if err := o.broker.UpkeepOnce(t.Context(), keybearer.DefaultProject); err == nil {
		t.Error("storage that still refuses is not told")
	}
	disk.full.Store(false)
	o.tend()
	if !o.row(ref()).ExpiresAt.After(o.clock.Now()) {
		t.Error("the refreshed grant still waits in memory")
	}
	o.token(ref())
	o.wantRefreshes(1)
}

func TestUpkeepWithoutAPlanSaysSo(t *testing.T) {
	h := open(t, change{config: func(c *keybearer.Config) {
		c.Connections = struct{ keybearer.ConnectionStore }{keybearer.NewMemory()}
	}})
	wantKind(t, h.broker.Upkeep(t.Context(), keybearer.DefaultProject), keybearer.NotImplemented)
	h.connect("read")
}

// running runs Upkeep until the test ends or stop is called, which waits for its end.
func (o *tended) running() (stop func()) {
	ctx, cancel := context.WithCancel(o.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.broker.Upkeep(ctx, keybearer.DefaultProject) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("upkeep ended with %v", err)
		}
	})
	o.t.Cleanup(stop)
	return stop
}

func TestSlowProviderHoldsNobodyUp(t *testing.T) {
	o := openTended(t, change{})
	o.connect("read")
	fast := providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: "client", Secret: "fixture-secret", RedirectURIs: []string{publicURL + "/api/v1/oauth/initech/callback"}}},
		Clock:   o.clock.Now,
	})
	fast.Approve("")
	if _, err := o.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: "initech", ClientID: "client", ClientSecret: secret.New("fixture-secret"), Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: fast.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: fast.URL + "/token"}, RefreshRequest: &oauth.Request{},
		},
	}); err != nil {
		t.Fatal(err)
	}
	a, err := o.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "initech", User: alice, Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	v := o.broker.Visitor(keybearer.NewBrowserSecret())
	if _, err := v.Complete(t.Context(), o.consent(v, a.ID)); err != nil {
		t.Fatal(err)
	}
	o.token(ref())
	if _, err := o.app.Token(t.Context(), keybearer.Ref{User: alice, Provider: "initech"}); err != nil {
		t.Fatal(err)
	}

	o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	o.clock.Advance(55 * time.Minute)
	before, beforeFast := o.calls(), fast.History().Calls(providertest.Token)
	stop := o.running()
	if err := o.provider.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	if err := fast.History().AwaitCalls(t.Context(), providertest.Token, beforeFast+1); err != nil {
		t.Fatal(err)
	}

	// The refresh that is under way is not cut short, and does not hold up the stop.
	stop()
	o.provider.Release()
	if err := o.broker.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if c := o.row(ref()); !c.ExpiresAt.After(o.clock.Now().Add(50 * time.Minute)) {
		t.Error("what the provider answered after the stop was not stored")
	}
	o.wantRefreshes(1)
}

func TestUsesAreWrittenDownAtTheStop(t *testing.T) {
	var store *countedTouches
	o := openTended(t, change{config: func(c *keybearer.Config) {
		store = &countedTouches{UpkeepStore: c.Connections.(keybearer.UpkeepStore), first: make(chan struct{})}
		c.Upkeep = store
	}})
	o.connectAs(alice)
	o.token(ref())
	stop := o.running()
	<-store.first // the next look around is a second away
	o.clock.Advance(20 * time.Minute)
	o.token(ref())
	stop()
	if got := o.row(ref()).UsedAt; !got.Equal(o.clock.Now()) {
		t.Errorf("got last used at %s, want %s", got, o.clock.Now())
	}
}

// Handing out a token of a connection that is known to be in use costs nothing for the plan.
func TestUseIsWrittenOncePerSomeMinutes(t *testing.T) {
	var store *countedTouches
	o := openTended(t, change{config: func(c *keybearer.Config) {
		store = &countedTouches{UpkeepStore: c.Connections.(keybearer.UpkeepStore)}
		c.Upkeep = store
	}})
	o.connectAs(alice)
	for range 30 {
		o.clock.Advance(time.Minute)
		for range 10 {
			o.token(ref())
		}
		o.tend()
	}
	if got := store.touched.Load(); got < 3 || got > 4 {
		t.Errorf("the last use was written %d times in half an hour, want every ten minutes", got)
	}
}

type countedTouches struct {
	keybearer.UpkeepStore
	touched atomic.Int64
	first   chan struct{} // closed at the first touch, if there is one
}

func (s *countedTouches) Touch(ctx context.Context, used map[keybearer.Ref]time.Time) error {
	if s.touched.Add(int64(len(used))) == 1 && s.first != nil {
		close(s.first)
	}
	return s.UpkeepStore.Touch(ctx, used)
}

func TestConnectionsOfOneAccountAreOneFamilyWhereTheProviderSaysSo(t *testing.T) {
	shared := openTended(t, change{settings: func(d *oauth.Definition) { d.Refresh.OneGrantPerAccount = on(true) }})
	refs := shared.connectMany(2)
	shared.provider.Approve("bob")
	shared.connectAs("bob@example.com")
	first, second := shared.row(refs[0]).Family, shared.row(refs[1]).Family
	other := shared.row(keybearer.Ref{User: "bob@example.com", Provider: hooli}).Family
	if first == "" || first != second || other == "" || other == first {
		t.Errorf("got families %q and %q of one account, %q of another", first, second, other)
	}
	shared.clock.Advance(2 * time.Hour)
	shared.token(refs[0])
	if got := shared.row(refs[0]).Family; got != first {
		t.Errorf("a refresh changed the family to %q", got)
	}

	alone := openTended(t, change{})
	alone.connect("read")
	if got := alone.row(ref()).Family; got != "" {
		t.Errorf("got family %q where nothing is said of accounts", got)
	}
	unknown := openTended(t, change{settings: func(d *oauth.Definition) {
		d.Refresh.OneGrantPerAccount, d.UserInfoRequest = on(true), nil
	}})
	unknown.connect("read")
	if got := unknown.row(ref()).Family; got != "" {
		t.Errorf("got family %q without user info", got)
	}
}
