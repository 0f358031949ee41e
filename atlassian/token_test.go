package atlassian_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func TestTokenBeforeAnySignInSaysWhatToDo(t *testing.T) {
	d := atCloud(t, nil)
	_, err := d.client.Token(t.Context())
	refused(t, "no token", err, keybearer.NotFound, "no access token configured", "call Start")
	if !errors.Is(err, atlassian.ErrNotConnected) {
		t.Errorf("got %v, want ErrNotConnected", err)
	}
	_, err = d.client.TestConnection(t.Context())
	refused(t, "the test", err, keybearer.NotFound)
	if calls := len(d.provider.History().All()); calls != 0 {
		t.Errorf("%d requests were made", calls)
	}
}

func TestTokenThatLivesAsksNobody(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil).connect(), "Data Center": atServer(t, atlassian.Jira, nil).connect()} {
		before, calls := d.token(), len(d.provider.History().All())
		d.clock.Advance(time.Hour - 11*time.Second)
		if d.token() != before || len(d.provider.History().All()) != calls {
			t.Errorf("%s: eleven seconds before its end the token was renewed", name)
		}
		d.clock.Advance(time.Second)
		if d.token() == before || d.rotations() != 1 {
			t.Errorf("%s: ten seconds before its end the token was not renewed once but %d times", name, d.rotations())
		}
		if got, err := d.client.Token(t.Context()); err != nil || got.ExpiresAt != d.clock.Now().Add(time.Hour) {
			t.Errorf("%s: got %s, %v", name, got.ExpiresAt, err)
		}
	}
}

// A store outlives a process, and so does what is in it.
func TestAnotherProcessGoesOnWithTheToken(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	before := d.token()
	other := d.another()
	if got, err := other.Token(t.Context()); err != nil || got.Access.Reveal() != before {
		t.Errorf("got another token: %v", err)
	}
	d.clock.Advance(time.Hour)
	renewed := d.token()
	if got, err := other.Token(t.Context()); err != nil || got.Access.Reveal() != renewed || d.rotations() != 1 {
		t.Errorf("after %d rotations: got another token, %v", d.rotations(), err)
	}
}

func TestThousandAskersAtExpiryCauseOneRefresh(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil).connect(), "Data Center": atServer(t, atlassian.Jira, nil).connect()} {
		d.clock.Advance(time.Hour)
		clients := []*atlassian.Client{d.client, d.another(), d.another(), d.another()}
		got := make([]string, 1000)
		var crowd sync.WaitGroup
		for i := range got {
			crowd.Go(func() {
				token, err := clients[i%len(clients)].Token(t.Context())
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				got[i] = token.Access.Reveal()
			})
		}
		crowd.Wait()
		for _, token := range got {
			if token != got[0] {
				t.Fatalf("%s: there are several tokens", name)
			}
		}
		if h := d.provider.History(); h.Rotations("") != 1 || h.Reuses() != 0 || h.Calls(providertest.Token) != 2 {
			t.Errorf("%s: %d rotations, %d reuses, %d requests for tokens", name, h.Rotations(""), h.Reuses(), h.Calls(providertest.Token))
		}
	}
}

func TestEndedTokenWithoutRefreshTokenSaysSo(t *testing.T) {
	d := atCloud(t, nil)
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "no_refresh_token"})
	status, err := d.client.Complete(t.Context(), d.start().String())
	if err != nil || status.Refreshes {
		t.Fatalf("got %+v, %v", status, err)
	}
	d.token()
	d.clock.Advance(time.Hour)
	_, err = d.client.Token(t.Context())
	refused(t, "ended", err, keybearer.Reauthorize, "no refresh token configured", "Start")
	if !errors.Is(err, atlassian.ErrNoRefreshToken) {
		t.Errorf("got %v", err)
	}
}

func TestRefreshTokenStaysWhereNoneComes(t *testing.T) {
	for _, fault := range []string{"no_refresh_token", "null_refresh_token", "empty_refresh_token"} {
		d := atCloud(t, nil).connect()
		d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		d.clock.Advance(time.Hour)
		d.token()
		if status, err := d.client.Status(t.Context()); err != nil || !status.Refreshes {
			t.Errorf("%s: got %+v, %v", fault, status, err)
		}
	}
}

func TestDateOfTheConsentOutlivesRefreshes(t *testing.T) {
	d := atCloud(t, nil)
	consented := d.clock.Now()
	d.connect()
	for range 3 {
		d.clock.Advance(24 * time.Hour)
		d.token()
	}
	status, err := d.client.Status(t.Context())
	if err != nil || !status.ConsentedAt.Equal(consented.Truncate(time.Second)) || d.rotations() != 3 {
		t.Errorf("got %+v, %v after %d refreshes; want the consent of %v", status, err, d.rotations(), consented)
	}
}

func TestAnswerWithoutLifetimeMeansAnHour(t *testing.T) {
	for _, fault := range []string{"expires_missing", "expires_string", "expires_zero"} {
		d := atCloud(t, nil)
		d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		d.connect()
		before := d.token()
		d.clock.Advance(59 * time.Minute)
		if got := d.token(); got != before || d.rotations() != 0 {
			t.Errorf("%s: the token was renewed after 59 minutes", fault)
		}
	}
}

func TestDeadGrantEndsTheConnectionWithItsReason(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil).connect(), "Data Center": atServer(t, atlassian.Jira, nil).connect()} {
		if d.cloud != nil {
			d.cloud.RevokeGrant(d.config.ClientID, "alice")
		} else {
			d.server.RevokeGrant(d.config.ClientID, "alice")
		}
		d.clock.Advance(time.Hour)
		for range 3 {
			_, err := d.client.Token(t.Context())
			refused(t, name, err, keybearer.Reauthorize, "has ended", "unused for 90 days", "Call Start")
		}
		status, err := d.client.Status(t.Context())
		if err != nil || status.Connected || !contains(status.Reason, "has ended") {
			t.Errorf("%s: got %+v, %v", name, status, err)
		}
		if calls := d.provider.History().Calls(providertest.Token); calls != 2 {
			t.Errorf("%s: the dead token was presented %d times", name, calls-1)
		}
		if d.connect(); d.token() == "" {
			t.Errorf("%s: a new sign-in gave no token", name)
		}
	}
}

func TestFailureThatMayPassKeepsTheGrant(t *testing.T) {
	for fault, kind := range map[string]keybearer.Kind{
		"server_error": keybearer.ProviderAway, "html_error": keybearer.ProviderAway, "too_many": keybearer.ProviderAway,
		"invalid_client": keybearer.ProviderRefused,
	} {
		d := atCloud(t, nil).connect()
		before := d.token()
		d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		d.clock.Advance(time.Hour - 5*time.Second)
		if d.token() != before {
			t.Errorf("%s: the token that still lives was not given", fault)
		}
		d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		d.clock.Advance(10 * time.Second)
		_, err := d.client.Token(t.Context())
		refused(t, fault, err, kind)
		if wire, ok := errors.AsType[*oauth.Error](err); !ok || wire.Status < 400 {
			t.Errorf("%s: got %v, want the status", fault, err)
		}
		d.provider.Heal()
		d.clock.Advance(2 * time.Minute)
		if d.token() == before || d.rotations() != 1 {
			t.Errorf("%s: got no new token by %d rotations", fault, d.rotations())
		}
	}
}

func TestServerThatIsNotThereIsATransportFailure(t *testing.T) {
	d := atCloud(t, nil).connect()
	d.config.Hosts.Auth = "http://127.0.0.1:1"
	other, err := atlassian.New(d.config)
	if err != nil {
		t.Fatal(err)
	}
	d.clock.Advance(2 * time.Hour)
	_, err = other.Token(t.Context())
	refused(t, "the refresh token of another server", err, keybearer.Reauthorize, "endpoints were changed")
	if err := other.Close(context.Background()); err != nil {
		t.Error(err)
	}
	back := d.start()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "closed"}, providertest.Fault{Endpoint: providertest.Token, Name: "closed"})
	_, err = d.client.Complete(t.Context(), back.String())
	refused(t, "a broken connection", err, keybearer.ProviderAway)
	if wire, ok := errors.AsType[*oauth.Error](err); !ok || wire.Status != 0 {
		t.Errorf("got %v, want no status", err)
	}
}

// An answer that is lost after the rotation: within the leeway the token is presented once more.
func TestLostAnswerCostsNoGrantAtCloud(t *testing.T) {
	d := atCloud(t, nil).connect()
	before := d.token()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Times: 1})
	d.clock.Advance(time.Hour)
	if d.token() == before {
		t.Error("got the former token")
	}
	if h := d.provider.History(); h.Refreshes() != 2 || h.Reuses() != 1 {
		t.Errorf("%d refreshes, %d reuses", h.Refreshes(), h.Reuses())
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	before, err := d.client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var crowd sync.WaitGroup
	for range 100 {
		crowd.Go(func() {
			if got, err := d.client.Renew(t.Context(), before.Access); err != nil || got.Access.Equal(before.Access) {
				t.Errorf("got %v, %v", got.Access.Equal(before.Access), err)
			}
		})
	}
	crowd.Wait()
	if d.rotations() != 1 {
		t.Errorf("%d rotations", d.rotations())
	}
	if d.token() == before.Access.Reveal() {
		t.Error("the refused token is still in use")
	}
}

func TestCallerWhoHangsUpCostsNothing(t *testing.T) {
	d := atCloud(t, nil).connect()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer"})
	d.clock.Advance(time.Hour)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := d.client.Token(ctx)
		done <- err
	}()
	if err := d.provider.History().AwaitCalls(t.Context(), providertest.Token, 2); err != nil {
		t.Fatal(err)
	}
	hangUp()
	if err := <-done; err == nil {
		t.Error("got a token after hanging up")
	}
	d.cloud.Release()
	if d.token(); d.rotations() != 1 || d.provider.History().Reuses() != 0 {
		t.Errorf("%d rotations, %d reuses", d.rotations(), d.provider.History().Reuses())
	}
}

// fullDisk refuses to store while it is full.
type fullDisk struct {
	atlassian.Store
	mu   sync.Mutex
	from int // writes until it is full; -1: never
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Swap(ctx context.Context, old, next []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from == 0 {
		return errFull
	}
	if f.from > 0 {
		f.from--
	}
	return f.Store.Swap(ctx, old, next)
}

func (f *fullDisk) fillAfter(writes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = writes
}

func TestFailingStoreLosesNoRotatedToken(t *testing.T) {
	disk := &fullDisk{Store: &atlassian.MemoryStore{}, from: -1}
	d := atServer(t, atlassian.Jira, func(c *atlassian.Config) { c.Store = disk }).connect()
	before := d.token()
	d.clock.Advance(time.Hour)

	disk.fillAfter(0)
	_, err := d.client.Token(t.Context())
	refused(t, "a full disk", err, keybearer.Unavailable, "no space left")
	if d.rotations() != 0 {
		t.Fatal("a refresh token was spent that could not be written down")
	}
	disk.fillAfter(2) // the turn and the intent; then the disk is full
	_, err = d.client.Token(t.Context())
	refused(t, "a disk that has filled up", err, keybearer.Unavailable)
	if d.rotations() != 1 {
		t.Fatalf("%d rotations: the test did not come to its point", d.rotations())
	}
	disk.fillAfter(-1)
	d.clock.Advance(time.Minute)
	if d.token() == before || d.rotations() != 1 {
		t.Errorf("after %d rotations got the token from before, or another", d.rotations())
	}
	if err := d.client.Get(t.Context(), "/rest/api/2/myself", nil); err != nil {
		t.Errorf("the token does not work: %v", err)
	}
}

func TestTokenForgottenIsGone(t *testing.T) {
	d := atCloud(t, nil).connect()
	if err := d.client.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.client.Token(t.Context()); !errors.Is(err, atlassian.ErrNotConnected) {
		t.Errorf("got %v", err)
	}
	if err := d.client.Forget(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
	if d.connect(); d.token() == "" {
		t.Error("no token after a new sign-in")
	}
}

func TestClientIsASourceForTheRootsTransport(t *testing.T) {
	d := atCloud(t, nil).connect()
	source := d.client.Source()
	token, err := source.Token(t.Context(), keybearer.Ref{}, "read:jira-work")
	if err != nil || token.Access.Reveal() != d.token() {
		t.Errorf("got another token: %v", err)
	}
	_, err = source.Token(t.Context(), keybearer.Ref{}, "write:jira-work")
	refused(t, "a scope that is lacking", err, keybearer.Reauthorize)
	if again, err := source.Renew(t.Context(), keybearer.Ref{}, token.Access); err != nil || again.Access.Equal(token.Access) {
		t.Errorf("renewing: %v", err)
	}
}

// One that lives must cost nothing worth mentioning: every request asks.
func TestTokenThatLivesAllocatesNothing(t *testing.T) {
	d := atCloud(t, nil).connect()
	d.token()
	ctx := t.Context()
	var last secret.String
	if n := testing.AllocsPerRun(1000, func() {
		token, err := d.client.Token(ctx)
		if err != nil {
			t.Error(err)
		}
		last = token.Access
	}); n > 0 {
		t.Errorf("%v allocations for a token that lives", n)
	}
	if last.IsZero() {
		t.Error("there was no token")
	}
}

// Somebody signs in anew while the former grant is being refreshed: what the refresh brings is late.
func TestNewSignInDuringARefreshWins(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil).connect()
	d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Grant: "refresh_token", Times: 1})
	d.clock.Advance(time.Hour)
	late := make(chan keybearer.Token, 1)
	go func() {
		token, err := d.client.Token(t.Context())
		if err != nil {
			t.Errorf("the refresh: %v", err)
		}
		late <- token
	}()
	if err := d.provider.History().AwaitCalls(t.Context(), providertest.Token, 2); err != nil {
		t.Fatal(err)
	}
	other := d.another()
	if _, err := other.Complete(t.Context(), d.start().String()); err != nil {
		t.Fatal(err)
	}
	d.server.Release()
	want, err := other.Token(t.Context())
	if got := <-late; err != nil || !got.Access.Equal(want.Access) {
		t.Errorf("the late one has another token (%v)", err)
	}
	if got, err := d.another().Token(t.Context()); err != nil || !got.Access.Equal(want.Access) {
		t.Errorf("the store has another token (%v)", err)
	}
}
