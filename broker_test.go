package keybearer_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

const (
	alice     keybearer.UserID     = "alice@example.com"
	hooli     keybearer.ProviderID = "hooli"
	publicURL                      = "http://localhost:9099"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// audit keeps what was recorded.
type audit struct {
	mu     sync.Mutex
	events []keybearer.Event
}

func (a *audit) Record(_ context.Context, e keybearer.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

func (a *audit) has(action, outcome string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.events {
		if e.Action == action && e.Outcome == outcome {
			return true
		}
	}
	return false
}

// house is a broker with the hostile provider beside it.
type house struct {
	t        *testing.T
	clock    *clock
	provider *providertest.Running
	broker   *keybearer.Broker
	app      *keybearer.View
	admin    *keybearer.View
	audit    *audit
}

type change struct {
	config   func(*keybearer.Config)
	provider func(*providertest.Config)
	settings func(*oauth.Definition)
}

func on(yes bool) *bool { return &yes }

func open(t *testing.T, c change) *house {
	t.Helper()
	clock := newClock()
	return openBeside(t, c, clock, startProvider(t, c, clock))
}

func startProvider(t *testing.T, c change, clock *clock) *providertest.Running {
	t.Helper()
	pc := providertest.Config{
		Clients: []providertest.Client{{ID: "client", Secret: "fixture-secret", RedirectURIs: []string{publicURL + "/api/v1/oauth/hooli/callback"}}},
		Clock:   clock.Now, RequirePKCE: true,
	}
	if c.provider != nil {
		c.provider(&pc)
	}
	provider := providertest.Start(t, pc)
	provider.Approve("")
	return provider
}

// openBeside opens the broker alone.
func openBeside(t *testing.T, c change, clock *clock, provider *providertest.Running) *house {
	t.Helper()
	h := &house{t: t, clock: clock, audit: &audit{}, provider: provider}
	settings := oauth.Definition{
		PKCE:             oauth.PKCE{Enabled: on(true)},
		AuthorizeRequest: oauth.Request{Endpoint: h.provider.URL + "/authorize"},
		TokenRequest:     oauth.Request{Endpoint: h.provider.URL + "/token"},
		RefreshRequest:   &oauth.Request{},
		UserInfoRequest: &oauth.UserInfo{
			Request: oauth.Request{Endpoint: h.provider.URL + "/userinfo"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
		},
	}
	if c.settings != nil {
		c.settings(&settings)
	}
	cfg := keybearer.Config{
		PublicURL: publicURL, Now: h.clock.Now, Recorder: h.audit, AllowSkip: true,
		Verification: keybearer.Verification{UnsafeSkip: true},
	}
	if c.config != nil {
		c.config(&cfg)
	}
	broker, err := keybearer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	h.broker = broker
	h.app = broker.As(keybearer.Caller{Name: "key:app"})
	h.admin = broker.As(keybearer.Caller{Name: "key:admin", Admin: true})
	if _, err := h.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: hooli, ClientID: "client", ClientSecret: secret.New("fixture-secret"), Settings: settings,
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// authorize asks for an authorization of alice.
func (h *house) authorize(scopes ...string) keybearer.Authorization {
	h.t.Helper()
	a, err := h.app.Authorize(h.t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: alice, Scopes: scopes})
	if err != nil {
		h.t.Fatalf("authorizing: %v", err)
	}
	return a
}

// consent walks a browser to the provider and back, and gives the callback that it brings.
func (h *house) consent(v *keybearer.Visitor, id keybearer.AuthorizationID) keybearer.Callback {
	h.t.Helper()
	to, err := v.Begin(h.t.Context(), id)
	if err != nil {
		h.t.Fatalf("beginning: %v", err)
	}
	return h.follow(to)
}

// follow goes to the provider, which decides at once, and reads where it sends the browser.
func (h *house) follow(to string) keybearer.Callback {
	h.t.Helper()
	jar, _ := cookiejar.New(nil)
	// Nothing is kept alive: inside a bubble its reader would keep the time from moving.
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(to)
	if err != nil {
		h.t.Fatalf("going to the provider: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	back, err := res.Location()
	if err != nil {
		h.t.Fatalf("the provider answered %s and sent the browser nowhere", res.Status)
	}
	return callback(back)
}

func callback(back *url.URL) keybearer.Callback {
	q := back.Query()
	cb := keybearer.Callback{
		State: secret.New(q.Get("state")), Code: secret.New(q.Get("code")),
		Error: q.Get("error"), ErrorDescription: q.Get("error_description"), Issuer: q.Get("iss"), HasIssuer: q.Has("iss"),
	}
	if id, ok := strings.CutPrefix(back.Path, "/api/v1/oauth/"); ok && id != "callback" {
		cb.RedirectID = strings.TrimSuffix(id, "/callback")
	}
	return cb
}

// connect gives alice a connection.
func (h *house) connect(scopes ...string) keybearer.Authorization {
	h.t.Helper()
	a := h.authorize(scopes...)
	v := h.broker.Visitor(keybearer.NewBrowserSecret())
	if _, err := v.Complete(h.t.Context(), h.consent(v, a.ID)); err != nil {
		h.t.Fatalf("completing: %v", err)
	}
	done, err := h.app.Status(h.t.Context(), a.ID)
	if err != nil || done.Status != keybearer.AuthorizationCompleted {
		h.t.Fatalf("got status %q, %v; want completed", done.Status, err)
	}
	return done
}

// works reports whether the provider accepts a token.
func (h *house) works(access secret.String) bool {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.provider.URL+"/userinfo", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode == http.StatusOK
}

func TestUserConsentsOnceAndTheAppGetsATokenThatStaysFresh(t *testing.T) {
	h := open(t, change{})
	pending := h.authorize("read", "write")
	if pending.Status != keybearer.AuthorizationPending || !strings.HasPrefix(pending.URL, publicURL+"/start/ac_") {
		t.Fatalf("got %q, URL %q; want pending with a start URL", pending.Status, pending.URL)
	}
	if again := h.authorize("write", "read"); again.ID != pending.ID || again.URL != pending.URL {
		t.Errorf("asking again gave another authorization: %s, then %s", pending.ID, again.ID)
	}

	waited := make(chan keybearer.Authorization, 1)
	go func() {
		a, _ := h.app.Wait(t.Context(), pending.ID, 30*time.Second)
		waited <- a
	}()
	v := h.broker.Visitor(keybearer.NewBrowserSecret())
	land, err := v.Complete(t.Context(), h.consent(v, pending.ID))
	if err != nil {
		t.Fatal(err)
	}
	if land.Redirect != "" || land.SignIn || land.User != alice {
		t.Errorf("got landing %+v, want the success page", land)
	}
	a := <-waited
	if a.Status != keybearer.AuthorizationCompleted || a.Token == nil || !h.works(a.Token.Access) {
		t.Fatalf("the waiter got %q, and a working token: %v", a.Status, a.Token != nil)
	}
	if !strings.Contains(string(a.Token.UserInfo), `"sub"`) {
		t.Errorf("got user info %s, want the provider's", a.Token.UserInfo)
	}
	if at := h.authorize("read"); at.Status != keybearer.AuthorizationCompleted || !at.Token.Access.Equal(a.Token.Access) {
		t.Error("a covered request is not answered with the same token at once")
	}

	h.clock.Advance(59*time.Minute + 30*time.Second)
	fresh := h.authorize("read")
	if fresh.Token.Access.Equal(a.Token.Access) || !h.works(fresh.Token.Access) {
		t.Error("a token about to expire was not replaced by a working one")
	}
	if got := h.provider.History().Rotations(""); got != 1 {
		t.Errorf("got %d rotations, want 1", got)
	}
}

func TestOneRefreshHoweverManyAsk(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := h.app.Token(t.Context(), keybearer.Ref{User: alice, Provider: hooli}); err != nil {
				t.Errorf("asking for the token: %v", err)
			}
		})
	}
	all.Wait()
	if got := h.provider.History().Rotations(""); got != 1 {
		t.Errorf("got %d rotations for one expiry, want 1", got)
	}
	if got := h.provider.History().Reuses(); got != 0 {
		t.Errorf("got %d reuses of a spent refresh token", got)
	}
}

func TestCallerWhoHangsUpDoesNotCostTheRotatedToken(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	h.clock.Advance(2 * time.Hour)
	h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	before := h.provider.History().Calls(providertest.Token)
	impatient, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := h.app.Token(impatient, keybearer.Ref{User: alice, Provider: hooli})
		gone <- err
	}()
	if err := h.provider.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	hangUp()
	if err := <-gone; err == nil {
		t.Fatal("the impatient caller got a token: nothing was held")
	}
	h.provider.Release()
	token, err := h.app.Token(t.Context(), keybearer.Ref{User: alice, Provider: hooli})
	if err != nil || !h.works(token.Access) {
		t.Fatalf("the next caller got %v", err)
	}
	if got := h.provider.History(); got.Rotations("") != 1 || got.Reuses() != 0 {
		t.Errorf("got %d rotations and %d reuses, want 1 and 0", got.Rotations(""), got.Reuses())
	}
}

func TestDeadGrantBecomesANewPendingAuthorizationWithTheReasonKept(t *testing.T) {
	for _, fault := range []string{"dead_invalid_grant", "dead_invalid_request", "dead_empty", "dead_unauthorized_client"} {
		t.Run(fault, func(t *testing.T) {
			h := open(t, change{})
			h.connect("read")
			h.clock.Advance(2 * time.Hour)
			h.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
			a := h.authorize("read")
			if a.Status != keybearer.AuthorizationPending || a.URL == "" {
				t.Fatalf("got %q, want pending with a URL", a.Status)
			}
			list, _, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{})
			if err != nil || len(list) != 1 || list[0].State != keybearer.ConnectionReauthorize || list[0].Reason == "" {
				t.Errorf("got connections %+v, %v; want one to reauthorize, with a reason", list, err)
			}
			calls := h.provider.History().Calls(providertest.Token)
			h.authorize("read")
			if got := h.provider.History().Calls(providertest.Token); got != calls {
				t.Error("a dead grant was tried again")
			}
		})
	}
}
