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
)

// town is a house whose stores other brokers can open, too.
type town struct {
	*house
	memory *keybearer.Memory
	config func(*keybearer.Config)
	told   bool
}

// build makes a town with a provider of that leeway, which its definition tells if told is set.
func build(t *testing.T, leeway time.Duration, told bool) *town {
	t.Helper()
	w := &town{memory: keybearer.NewMemory(), told: told}
	w.config = func(c *keybearer.Config) {
		c.Connections, c.Flows, c.Attempts, c.Providers, c.Leases = w.memory, w.memory, w.memory, w.memory, w.memory
		c.Sealer = keyring(t, "k")
	}
	w.house = open(t, change{
		config:   w.config,
		provider: func(c *providertest.Config) { c.Leeway = leeway },
		settings: func(d *oauth.Definition) {
			if told {
				d.Refresh.ReuseGrace = oauth.Duration(leeway)
			}
		},
	})
	w.connect("read")
	return w
}

// replica gives the app of another broker on the same stores, as after a crash or at another machine.
func (w *town) replica(changes ...func(*keybearer.Config)) *keybearer.View {
	w.t.Helper()
	cfg := keybearer.Config{
		PublicURL: publicURL, Now: w.clock.Now, Recorder: w.audit,
		Verification: keybearer.Verification{UnsafeSkip: true},
	}
	for _, change := range append([]func(*keybearer.Config){w.config}, changes...) {
		change(&cfg)
	}
	b, err := keybearer.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Errorf("closing a replica: %v", err)
		}
	})
	return b.As(keybearer.Caller{Name: "key:app"})
}

func (w *town) row() keybearer.Connection {
	w.t.Helper()
	c, err := w.memory.Connection(w.t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// breakOff lets a refresh end with this fault, and its process with it.
func (w *town) breakOff(fault string) {
	w.t.Helper()
	w.clock.Advance(2 * time.Hour)
	times := 1
	if fault == "lost" && w.told { // it is presented once more at once
		times = 2
	}
	w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault, Times: times, Grant: "refresh_token"})
	_, err := w.app.Token(w.t.Context(), ref())
	wantKind(w.t, err, keybearer.ProviderAway)
}

func (w *town) wantWorking(app *keybearer.View) {
	w.t.Helper()
	token, err := app.Token(w.t.Context(), ref())
	if err != nil || !w.works(token.Access) {
		w.t.Errorf("the grant is lost: %v", err)
	}
	if r := w.row().Rotation; r.Open() {
		w.t.Errorf("got an open entry in the journal after all went well: %+v", r)
	}
}

func TestIntentIsDurableBeforeTheProviderIsAsked(t *testing.T) {
	w := build(t, 0, false)
	w.clock.Advance(2 * time.Hour)
	w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold", Times: 1, Grant: "refresh_token"})
	before := w.provider.History().Calls(providertest.Token)
	ended := make(chan error, 1)
	go func() {
		_, err := w.app.Token(t.Context(), ref())
		ended <- err
	}()
	if err := w.provider.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	r := w.row().Rotation
	if !r.Open() || len(r.Token) != 32 || r.Attempt != 1 || !r.At.Equal(w.clock.Now()) {
		t.Errorf("got the entry %+v while the provider works, want a first attempt of now", r)
	}
	w.provider.Release()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r := w.row().Rotation; r.Open() {
		t.Errorf("got an open entry after the refresh: %+v", r)
	}
}

func TestRefreshThatWasBrokenOffIsSettled(t *testing.T) {
	const leeway = 10 * time.Minute
	for name, c := range map[string]struct {
		leeway, after time.Duration
		told          bool // the definition knows the leeway
		fault         string
		calls         int    // at the token endpoint when it is settled
		dead          string // what the reason says, empty: alive
	}{
		"rotated, within the leeway":             {leeway: leeway, told: true, fault: "lost", after: time.Minute, calls: 1},
		"rotated, at the leeway's end":           {leeway: leeway, told: true, fault: "lost", after: leeway - 20*time.Second, calls: 1},
		"rotated, after the leeway":              {leeway: leeway, told: true, fault: "lost", after: leeway, calls: 1, dead: "answer of a refresh at"},
		"rotated, with a leeway nobody told":     {leeway: leeway, fault: "lost", after: time.Minute, calls: 1},
		"rotated, without a leeway":              {fault: "lost", after: time.Minute, calls: 1, dead: "answer of a refresh at"},
		"not rotated, without a leeway":          {fault: "server_error", after: time.Minute, calls: 1},
		"not rotated, long ago, without leeway":  {fault: "server_error", after: 24 * time.Hour, calls: 1},
		"not rotated, long ago, told the leeway": {leeway: leeway, told: true, fault: "server_error", after: 24 * time.Hour, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := build(t, c.leeway, c.told)
			w.breakOff(c.fault)
			if r := w.row().Rotation; !r.Open() {
				t.Fatalf("got the entry %+v after a lost answer, want it open", r)
			}
			w.clock.Advance(c.after)
			before := w.provider.History().Calls(providertest.Token)
			next := w.replica()
			_, err := next.Token(t.Context(), ref())
			if got := w.provider.History().Calls(providertest.Token) - before; got != c.calls {
				t.Errorf("got %d calls to settle it, want %d", got, c.calls)
			}
			if c.dead == "" {
				w.wantWorking(next)
				w.clock.Advance(2 * time.Hour)
				w.wantWorking(next)
				return
			}
			wantKind(t, err, keybearer.Reauthorize)
			if !strings.Contains(err.Error(), c.dead) {
				t.Errorf("got the reason %q, want it to say %q", err, c.dead)
			}
			again := w.provider.History().Calls(providertest.Token)
			_, err = next.Token(t.Context(), ref())
			wantKind(t, err, keybearer.Reauthorize)
			if got := w.provider.History().Calls(providertest.Token) - again; got != 0 {
				t.Errorf("got %d more calls for a dead grant, want 0", got)
			}
			if r := w.row(); r.Rotation.Open() || !r.DueAt.IsZero() {
				t.Errorf("got %+v and due %v for a dead grant, want neither", r.Rotation, r.DueAt)
			}
			w.connect("read")
			w.wantWorking(next)
		})
	}
}

func TestAnswerThatIsLostOnTheWayIsAskedForAgainWithinTheLeeway(t *testing.T) {
	w := build(t, 10*time.Minute, true)
	w.clock.Advance(2 * time.Hour)
	w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Times: 1, Grant: "refresh_token"})
	w.wantWorking(w.app)
	if got := w.provider.History().Rotations(""); got != 1 {
		t.Errorf("got %d rotations, want 1", got)
	}
}

func TestFailureThatIsCertainLeavesNoEntry(t *testing.T) {
	w := build(t, time.Minute, true)
	w.breakOff("too_many")
	if r := w.row().Rotation; r.Open() {
		t.Errorf("got the entry %+v after a refusal, want none", r)
	}
	w.clock.Advance(24 * time.Hour)
	w.wantWorking(w.replica())
}

// What was uncertain before a certain failure stays so.
func TestCertainFailureDoesNotHideALostAnswer(t *testing.T) {
	w := build(t, 10*time.Minute, true)
	w.breakOff("lost")
	first := w.row().Rotation
	w.clock.Advance(time.Minute)
	w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Times: 1, Grant: "refresh_token"})
	_, err := w.replica().Token(t.Context(), ref())
	wantKind(t, err, keybearer.ProviderAway)
	if r := w.row().Rotation; !r.Open() || !r.At.Equal(first.At) {
		t.Errorf("got the entry %+v, want that of the lost answer, %+v", r, first)
	}
	w.wantWorking(w.replica())
}

func TestTokenOfARestoredBackupIsTriedCarefully(t *testing.T) {
	for _, spent := range []bool{false, true} {
		w := build(t, 10*time.Minute, true)
		if spent {
			w.clock.Advance(2 * time.Hour)
		}
		backup := w.row()
		backup.Rotation = keybearer.Rotation{At: w.clock.Now()}
		if spent { // the engine went on after the backup
			w.wantWorking(w.app)
		}
		w.clock.Advance(48 * time.Hour)
		if _, err := w.memory.PutConnection(t.Context(), backup, w.row().Version); err != nil {
			t.Fatal(err)
		}
		app := w.replica()
		if !spent { // the first try fails: the leeway counts from there
			w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "server_error", Times: 1, Grant: "refresh_token"})
			_, err := app.Token(t.Context(), ref())
			wantKind(t, err, keybearer.ProviderAway)
			w.clock.Advance(time.Minute)
		}
		before := w.provider.History().Calls(providertest.Token)
		_, err := app.Token(t.Context(), ref())
		if got := w.provider.History().Calls(providertest.Token) - before; got != 1 {
			t.Errorf("spent %t: got %d tries, want 1", spent, got)
		}
		if !spent {
			w.wantWorking(app)
			continue
		}
		wantKind(t, err, keybearer.Reauthorize)
		if !strings.Contains(err.Error(), "backup") {
			t.Errorf("got the reason %q, want it to name the backup", err)
		}
	}
}

// openDoor is a Leaser that keeps nobody out: what a lease is after its holder was frozen for too long,
// and what is left of replicas without one.
type openDoor struct {
	keybearer.Leaser
	mu         sync.Mutex
	generation int64
}

func (o *openDoor) Acquire(_ context.Context, key string, _ time.Duration) (keybearer.Lease, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.generation++
	return keybearer.Lease{Key: key, Generation: o.generation}, nil
}

func (o *openDoor) Extend(context.Context, keybearer.Lease, time.Duration) error { return nil }

func (o *openDoor) Release(context.Context, keybearer.Lease) error { return nil }

// doorbell is a Leaser that tells when somebody comes.
type doorbell struct {
	keybearer.Leaser
	rang chan struct{}
}

func (d *doorbell) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	d.rang <- struct{}{}
	return d.Leaser.Acquire(ctx, key, ttl)
}

// rivals is two replicas that refresh at the same time. The first hears of the provider when the second
// has ended, or waits at a door.
func (w *town) rivals(one, other *keybearer.View, waits <-chan struct{}) {
	w.t.Helper()
	w.clock.Advance(2 * time.Hour)
	w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
	before := w.provider.History().Calls(providertest.Token)
	var both sync.WaitGroup
	both.Go(func() { _, _ = one.Token(w.t.Context(), ref()) })
	if err := w.provider.History().AwaitCalls(w.t.Context(), providertest.Token, before+1); err != nil {
		w.t.Fatal(err)
	}
	second := make(chan struct{})
	both.Go(func() {
		defer close(second)
		_, _ = other.Token(w.t.Context(), ref())
	})
	select {
	case <-second:
	case <-waits:
	}
	w.provider.Release()
	both.Wait()
}

func TestLeaseKeepsReplicasFromSpendingATokenTwice(t *testing.T) {
	w := build(t, 0, false)
	door := &doorbell{Leaser: w.memory, rang: make(chan struct{}, 1)}
	w.rivals(w.app, w.replica(func(c *keybearer.Config) { c.Leases = door }), door.rang)
	if got := w.provider.History(); got.Rotations("") != 1 || got.Reuses() != 0 {
		t.Errorf("got %d rotations and %d reuses, want 1 and 0", got.Rotations(""), got.Reuses())
	}
	w.wantWorking(w.app)
}

// The swap alone is not enough: it keeps the row whole, but the token is spent by then.
func TestWithoutALeaseATokenIsSpentTwice(t *testing.T) {
	door := &openDoor{}
	w := build(t, 0, false)
	replica := func() *keybearer.View { return w.replica(func(c *keybearer.Config) { c.Leases = door }) }
	w.rivals(replica(), replica(), nil)
	if got := w.provider.History().Reuses(); got == 0 {
		t.Error("got no reuse: what does the lease do?")
	}
}

// noSwap is a store that writes whatever the version.
type noSwap struct{ keybearer.ConnectionStore }

func (n noSwap) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	for {
		stored, err := n.ConnectionStore.PutConnection(ctx, c, ifVersion)
		if !errors.Is(err, keybearer.Conflict) {
			return stored, err
		}
		row, err := n.ConnectionByID(ctx, c.Project, c.ID)
		if err != nil {
			return row, err
		}
		ifVersion = row.Version
	}
}

// A holder that was frozen until its lease had ended, and somebody else had the turn, wakes up with an
// answer that is older than what is stored.
func TestHolderWhoWakesUpLateOverwritesNothing(t *testing.T) {
	for _, swap := range []bool{true, false} {
		door := &openDoor{}
		w := build(t, 10*time.Minute, true)
		frozen := w.replica(func(c *keybearer.Config) {
			c.Leases = door
			if !swap {
				c.Connections = noSwap{w.memory}
			}
		})
		heir := w.replica(func(c *keybearer.Config) { c.Leases = door })
		w.rivals(frozen, heir, nil)
		token, err := heir.Token(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		late := w.provider.History().At(providertest.Token)
		if got := late[len(late)-1].Outcome; got != providertest.Leeway {
			t.Fatalf("got %q for the heir, want the former token taken in the leeway", got)
		}
		stored := w.row().Version
		if swap && (!w.works(token.Access) || stored != 4) { // consent, two intents, one pair
			t.Errorf("got version %d of the row, want 4: the late answer was written over the newer one", stored)
		}
		if !swap && stored != 5 {
			t.Errorf("got version %d without the swap: what does it do?", stored)
		}
		w.clock.Advance(2 * time.Hour)
		w.wantWorking(heir)
	}
}

// Two that are at work on one token at once, since the first was frozen before its commit: what the
// first got is only used if the second gets nothing.
func TestAnswerOfAFrozenHolderWaitsForItsHeir(t *testing.T) {
	for _, heirFails := range []bool{false, true} {
		w := build(t, 10*time.Minute, true)
		disk := &gatedDisk{ConnectionStore: w.memory, reached: make(chan struct{}), open: make(chan struct{})}
		leases := &stolen{doorbell: doorbell{Leaser: w.memory, rang: make(chan struct{}, 2)}}
		frozen := w.replica(func(c *keybearer.Config) { c.Connections, c.Leases = disk, leases })
		heir := w.replica()
		w.clock.Advance(2 * time.Hour)
		calls := w.provider.History().Calls(providertest.Token)
		disk.arm()
		var first, second keybearer.Token
		var both sync.WaitGroup
		both.Go(func() { first, _ = frozen.Token(t.Context(), ref()) })
		<-disk.reached
		<-leases.rang
		leases.steal(t)
		if heirFails {
			w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "server_error", Times: 1, Grant: "refresh_token"})
			_, err := heir.Token(t.Context(), ref())
			wantKind(t, err, keybearer.ProviderAway)
		} else {
			w.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1, Grant: "refresh_token"})
			both.Go(func() { second, _ = heir.Token(t.Context(), ref()) })
			if err := w.provider.History().AwaitCalls(t.Context(), providertest.Token, calls+2); err != nil {
				t.Fatal(err)
			}
		}
		close(disk.open)
		<-leases.rang // it queues up again
		if !heirFails {
			if r := w.row(); !r.Rotation.Open() {
				t.Error("the frozen holder wrote over the row on which its heir works")
			}
			w.provider.Release()
		}
		both.Wait()
		if !heirFails && !first.Access.Equal(second.Access) {
			t.Error("the frozen holder and its heir gave different tokens, want both the heir's")
		}
		if got := w.provider.History().Calls(providertest.Token) - calls; got != 2 {
			t.Errorf("got %d calls of the two, want 2", got)
		}
		if !w.works(first.Access) {
			t.Error("the frozen holder's token does not work")
		}
		w.clock.Advance(2 * time.Hour)
		w.wantWorking(heir)
	}
}

// stolen is a Leaser whose leases can be ended from outside.
type stolen struct {
	doorbell
	mu   sync.Mutex
	last keybearer.Lease
}

func (s *stolen) Acquire(ctx context.Context, key string, ttl time.Duration) (keybearer.Lease, error) {
	l, err := s.doorbell.Acquire(ctx, key, ttl)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = l
	return l, err
}

func (s *stolen) steal(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Release(t.Context(), s.last); err != nil {
		t.Fatal(err)
	}
}

// With the leeway ends the grant, so its last chance does not wait for a breaker or a Retry-After.
func TestOpenEntryIsSettledWithinTheLeewayThoughItsProviderFails(t *testing.T) {
	for name, look := range map[string]func(o *tended, ref keybearer.Ref){
		"asked": func(o *tended, ref keybearer.Ref) {
			o.clock.Advance(time.Second)
			_, _ = o.app.Token(t.Context(), ref)
		},
		"upkeep": func(o *tended, _ keybearer.Ref) { o.tend() },
	} {
		t.Run(name, func(t *testing.T) {
			o := openTended(t, change{
				provider: func(c *providertest.Config) { c.Leeway = time.Minute },
				settings: func(d *oauth.Definition) { d.Refresh.ReuseGrace = oauth.Duration(time.Minute) },
			})
			refs := o.connectMany(2)
			o.clock.Advance(2 * time.Hour)
			o.inject("lost", 2)
			if _, err := o.app.Token(t.Context(), refs[0]); !errors.Is(err, keybearer.ProviderAway) {
				t.Fatalf("got %v, want a provider whose answer was lost", err)
			}
			o.clock.Advance(3 * time.Second)
			o.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "300"})
			if _, err := o.app.Token(t.Context(), refs[1]); !errors.Is(err, keybearer.ProviderAway) {
				t.Fatalf("got %v, want a provider that limits the rate", err)
			}
			before := o.calls()
			for range 35 {
				look(o, refs[0])
			}
			if got := o.calls() - before; got < 1 || got > 5 {
				t.Errorf("the provider was asked %d times in 35 seconds, want a few times", got)
			}
			o.provider.Heal()
			for range 15 {
				look(o, refs[0])
			}
			o.token(refs[0])
			if got := o.provider.History().Rotations(""); got != 1 {
				t.Errorf("%d rotations, want one", got)
			}
		})
	}
}
