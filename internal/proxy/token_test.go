package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// picky is an upstream that takes one credential, and answers with what it was sent.
func picky(accepted string, n *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		body, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(r.Header.Get("Authorization"), accepted) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(body)
	}
}

func renewTo(credential string) func(keybearer.Ref, string) (keybearer.Token, error) {
	return func(ref keybearer.Ref, _ string) (keybearer.Token, error) {
		return keybearer.Token{Ref: ref, Access: secret.New(credential)}, nil
	}
}

func TestARefusedTokenIsRenewedOnceAndTheRequestSentAgain(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, picky("renewed", &n), nil)
	l.store.renew = renewTo("renewed")
	for _, h2 := range []bool{false, true} {
		stale := fmt.Sprintf("stale-%v", h2)
		l.store.put(l.hooli(), stale)
		if err := l.proxy.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Store(0)
		l.store.renewed = nil
		c := l.clientOf(h2)
		if r := l.do(c, l.request(http.MethodPost, "/", strings.NewReader("small"), "Authorization", "Bearer "+l.agent.Env["HOOLI_TOKEN"])); r.StatusCode != 200 || r.text != "small" {
			t.Errorf("h2 %v: got %d %q", h2, r.StatusCode, r.text)
		}
		if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != 200 {
			t.Errorf("h2 %v: got %d", h2, r.StatusCode)
		}
		if n.Load() != 3 || len(l.store.renewed) != 1 || l.store.renewed[0] != stale {
			t.Errorf("h2 %v: %d requests, and %d renewals", h2, n.Load(), len(l.store.renewed))
		}
	}
}

func TestManyWhoseTokenIsRefusedShareOneRenewal(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, picky("renewed", &n), nil)
	l.store.renew = renewTo("renewed")
	c := l.clientOf(false)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != http.StatusOK {
				t.Errorf("got %d", r.StatusCode)
			}
		})
	}
	all.Wait()
	if got := len(l.store.renewed); got != 1 {
		t.Errorf("%d renewals", got)
	}
}

func TestAStreamIsNeverSentAgain(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, picky("renewed", &n), nil)
	l.store.renew = renewTo("renewed")
	r := l.do(l.client(), l.request(http.MethodPost, "/", io.MultiReader(strings.NewReader("of unknown length"))))
	if r.StatusCode != http.StatusUnauthorized || n.Load() != 1 {
		t.Errorf("got %d after %d requests", r.StatusCode, n.Load())
	}
	large := strings.NewReader(strings.Repeat("a", 65<<10))
	if r := l.do(l.client(), l.request(http.MethodPost, "/", large)); r.StatusCode != http.StatusOK { // the token was renewed meanwhile
		t.Errorf("the next request got %d", r.StatusCode)
	}
}

func TestARefusalThatRenewingDoesNotHelpIsPassedOn(t *testing.T) {
	var n atomic.Int32
	at := &clock{at: time.Now()}
	l := newLab(t, picky("never", &n), func(_ *lab, cfg *proxy.Config) { cfg.Now = at.now })
	l.store.renew = renewTo("renewed")
	c := l.client()
	for range 5 {
		if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != http.StatusUnauthorized || r.Header.Get(proxy.HeaderError) != "" {
			t.Errorf("got %d %v", r.StatusCode, r.Header)
		}
	}
	if n.Load() != 6 || len(l.store.renewed) != 1 {
		t.Errorf("%d requests and %d renewals", n.Load(), len(l.store.renewed))
	}
	l.store.put(l.hooli(), "renewed") // the renewal was a write of the connection
	if err := l.proxy.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.do(c, l.request(http.MethodGet, "/", nil))
	if len(l.store.renewed) != 1 {
		t.Errorf("%d renewals after the connection was written", len(l.store.renewed))
	}
	l.store.renew = nil // the grant dies
	at.add(6 * time.Minute)
	for range 3 {
		l.do(c, l.request(http.MethodGet, "/", nil))
	}
	if len(l.store.renewed) != 2 {
		t.Errorf("%d renewals of a dead grant", len(l.store.renewed))
	}
}

func TestARenewalThatFailedForAMomentIsTriedAgain(t *testing.T) {
	var n atomic.Int32
	at := &clock{at: time.Now()}
	l := newLab(t, picky("renewed", &n), func(_ *lab, cfg *proxy.Config) { cfg.Now = at.now })
	l.store.renew = func(keybearer.Ref, string) (keybearer.Token, error) {
		return keybearer.Token{}, keybearer.Errorf(keybearer.ProviderAway, "away")
	}
	c := l.client()
	for range 3 {
		if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusBadGateway {
			t.Errorf("got %d", r.StatusCode)
		}
	}
	if len(l.store.renewed) != 1 {
		t.Errorf("%d renewals while the provider is away", len(l.store.renewed))
	}
	l.store.renew = renewTo("renewed")
	at.add(2 * time.Second)
	if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != http.StatusOK {
		t.Errorf("when it is back: got %d %s", r.StatusCode, r.text)
	}
}

func TestAKeyIsNotRenewed(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, picky("never", &n), func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.Kind = keybearer.APIKey
		l.store.put(r, canary)
	})
	if r := l.get("/"); r.StatusCode != http.StatusUnauthorized || n.Load() != 1 || len(l.store.renewed) != 0 {
		t.Errorf("got %d after %d requests and %d renewals", r.StatusCode, n.Load(), len(l.store.renewed))
	}
}

// clock is one that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestATokenIsAskedForAgainNearItsEnd(t *testing.T) {
	at := &clock{at: time.Now()}
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		cfg.Now = at.now
		r := l.store.put(l.hooli(), canary)
		token := l.store.tokens[r.Ref]
		token.ExpiresAt = at.at.Add(3 * time.Minute)
		l.store.tokens[r.Ref] = token
	})
	c := l.client()
	for _, step := range []struct {
		pass time.Duration
		asks int
	}{{0, 1}, {time.Minute, 1}, {59 * time.Second, 1}, {2 * time.Second, 2}, {500 * time.Millisecond, 2}, {time.Second, 3}} {
		at.add(step.pass)
		l.do(c, l.request(http.MethodGet, "/", nil))
		if got := l.store.asks(); got != step.asks {
			t.Errorf("after %s more: asked %d times, want %d", step.pass, got, step.asks)
		}
	}
}

func TestALivingTokenIsUsedWhileItsSourceIsAway(t *testing.T) {
	at := &clock{at: time.Now()}
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		cfg.Now = at.now
		r := l.store.put(l.hooli(), canary)
		token := l.store.tokens[r.Ref]
		token.ExpiresAt = at.at.Add(time.Hour)
		l.store.tokens[r.Ref] = token
	})
	c := l.client()
	l.do(c, l.request(http.MethodGet, "/", nil))
	l.store.errs[l.store.routes[0].Ref] = keybearer.Errorf(keybearer.Unavailable, "the engine is away")
	at.add(6 * time.Minute)
	for range 3 {
		if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", r.StatusCode, r.text)
		}
	}
	if got := l.store.asks(); got != 2 {
		t.Errorf("the source was asked %d times", got)
	}
	at.add(55 * time.Minute)
	wantRefused(t, l.do(c, l.request(http.MethodGet, "/", nil)), 502, proxy.CodeTokenAway)
	l.store.errs[l.store.routes[0].Ref] = keybearer.Errorf(keybearer.Reauthorize, "dead")
	at.add(time.Minute)
	wantRefused(t, l.do(c, l.request(http.MethodGet, "/", nil)), 403, proxy.CodeReauthorize)
}

func TestAReloadForgetsWhatHasChanged(t *testing.T) {
	l := newLab(t, echo, nil)
	c := l.client()
	ask := func() reply { return l.do(c, l.request(http.MethodGet, "/", nil)) }
	ask()
	reload := func() {
		t.Helper()
		if err := l.proxy.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	ask()
	if l.store.asks() != 1 {
		t.Error("a connection that has not changed was forgotten")
	}
	l.store.put(l.hooli(), "second-credential")
	if r := ask(); r.text != "Bearer "+canary+"||" {
		t.Errorf("before the reload: %q", r.text)
	}
	reload()
	if r := ask(); r.text != "Bearer second-credential||" {
		t.Errorf("after the reload: %q", r.text)
	}
	l.store.mu.Lock()
	l.store.routes = nil
	l.store.mu.Unlock()
	reload()
	wantRefused(t, ask(), 403, proxy.CodeNoConnection) // on the connection that was intercepted
}

func TestALoginDuringTheRunIsSeen(t *testing.T) {
	var changed atomic.Bool
	at := &clock{at: time.Now()}
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{"elsewhere.example.com"}
		l.store.put(r, canary)
		cfg.Now = at.now
		cfg.Refresh = func(context.Context) (bool, error) { return changed.Swap(false), nil }
	})
	if _, res := l.connect(l.host()); res.StatusCode != http.StatusForbidden {
		t.Errorf("an unknown host on loopback got %s", res.Status)
	}
	l.store.put(l.hooli(), "new-credential")
	changed.Store(true)
	at.add(2 * time.Second)
	if r := l.get("/"); r.text != "Bearer new-credential||" {
		t.Errorf("after the login: %d %q", r.StatusCode, r.text)
	}
	// The grant dies, and the user logs in again while the agent asks.
	l.store.mu.Lock()
	ref := l.store.routes[0].Ref
	l.store.errs[ref] = keybearer.Errorf(keybearer.Reauthorize, "dead")
	l.store.routes[0].Version++
	l.store.mu.Unlock()
	if err := l.proxy.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	at.add(2 * time.Second)
	wantRefused(t, l.get("/"), 403, proxy.CodeReauthorize)
	l.store.mu.Lock()
	delete(l.store.errs, ref)
	l.store.routes[0].Version++
	l.store.mu.Unlock()
	changed.Store(true)
	at.add(20 * time.Second)
	if r := l.get("/"); r.StatusCode != http.StatusOK {
		t.Errorf("after the second login: %d %q", r.StatusCode, r.text)
	}
}

func TestAllWhoAskAfterALoginSeeIt(t *testing.T) {
	looking := make(chan struct{})
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{"elsewhere.example.com"}
		l.store.put(r, canary)
		cfg.Refresh = func(context.Context) (bool, error) { <-looking; return true, nil }
	})
	l.store.put(l.hooli(), "new-credential")
	c := l.clientOf(false)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if r := l.do(c, l.request(http.MethodGet, "/", nil)); r.text != "Bearer new-credential||" {
				t.Errorf("got %d %q", r.StatusCode, r.text)
			}
		})
	}
	close(looking)
	all.Wait()
}

func TestAFailingReloadKeepsTheRoutes(t *testing.T) {
	l := newLab(t, echo, func(_ *lab, cfg *proxy.Config) {
		cfg.Refresh = func(context.Context) (bool, error) { return false, errors.New("the store is away") }
	})
	if _, res := l.connect("127.0.0.1:1"); res.StatusCode != http.StatusForbidden {
		t.Errorf("got %s", res.Status)
	}
	if r := l.get("/"); r.StatusCode != http.StatusOK {
		t.Errorf("got %d", r.StatusCode)
	}
}

func TestThePlaceholderChoosesTheConnection(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		l.store.put(l.hooli(), canary)
		work := l.hooli()
		work.Ref.Name, work.Default = "work-2", false
		l.store.put(work, "credential-of-work")
		initech := l.hooli()
		initech.Ref.Provider, initech.API.Env = "initech", map[string]string{"INITECH_KEY": oauth.EnvToken, "INITECH_USER": oauth.EnvUsername, "INITECH_URL": oauth.EnvServerURL, "INITECH_MODE": "api"}
		initech.Username, initech.ServerURL = "bob@example.com", "https://initech.example"
		initech.API.Hosts = append(initech.API.Hosts, "initech.example")
		l.store.put(initech, "credential-of-initech")
	})
	env := l.agent.Env
	for name, want := range map[string]string{
		"HOOLI_TOKEN": "Bearer " + canary, "HOOLI_TOKEN__WORK_2": "Bearer credential-of-work",
	} {
		if !strings.HasPrefix(env[name], "hoo_") || len(env[name]) != 40 {
			t.Errorf("the placeholder of %s is %q", name, env[name])
		}
		if r := l.get("/", "Authorization", "Bearer "+env[name]); r.text != want+"||" {
			t.Errorf("%s: got %d %q", name, r.StatusCode, r.text)
		}
	}
	if env["INITECH_USER"] != "bob@example.com" || env["INITECH_URL"] != "https://initech.example" || env["INITECH_MODE"] != "api" {
		t.Errorf("the variables are %v", env)
	}
	r := l.get("/") // two providers' defaults
	wantRefused(t, r, 403, proxy.CodeChoose)
	if !strings.Contains(r.text, "hooli, hooli (work-2), initech") {
		t.Errorf("it says %s", r.text)
	}
}

func TestAnAgentUsesNoConnectionButItsOwn(t *testing.T) {
	var personal, work keybearer.Route
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		personal = l.store.put(l.hooli(), canary)
		r := l.hooli()
		r.Ref.Name, r.Default = "work", false
		work = l.store.put(r, "credential-of-work")
	})
	first := l.agent.Env["HOOLI_TOKEN"]
	agent, err := l.proxy.Admit(proxy.Agent{Name: "limited", Connections: []keybearer.Ref{work.Ref}})
	if err != nil {
		t.Fatal(err)
	}
	at := *l.at
	l.at = &at
	l.at.User = agent.URL(l.upstream.Listener.Addr()).User
	if len(agent.Env) != 1 || agent.Env["HOOLI_TOKEN"] == "" {
		t.Errorf("its variables are %v", agent.Env)
	}
	for _, headers := range [][]string{nil, {"Authorization", "Bearer " + agent.Env["HOOLI_TOKEN"]}, {"Authorization", "Bearer " + first}} {
		if r := l.get("/", headers...); r.text != "Bearer credential-of-work||" {
			t.Errorf("got %d %q", r.StatusCode, r.text)
		}
	}
	none, err := l.proxy.Admit(proxy.Agent{Name: "none", Connections: []keybearer.Ref{}})
	if err != nil {
		t.Fatal(err)
	}
	l.at.User = none.URL(l.upstream.Listener.Addr()).User
	if _, res := l.connect(l.host()); res.StatusCode != http.StatusForbidden {
		t.Errorf("an agent without connections got %s", res.Status)
	}
	_ = personal
}

func TestTheRuleOfTheProviderSaysWhereTheCredentialGoes(t *testing.T) {
	for _, c := range []struct {
		name     string
		api      oauth.API
		username string
		path     string
		headers  []string
		want     string
	}{
		{"a header of its own", oauth.API{Header: "x-api-key"}, "", "/", []string{"Authorization", "Bearer own"}, "|" + canary + "|"},
		{"a scheme", oauth.API{Scheme: "token"}, "", "/", nil, "token " + canary + "||"},
		{"no scheme", oauth.API{Scheme: "none"}, "", "/", nil, canary + "||"},
		{"a query parameter", oauth.API{Query: "key"}, "", "/?a=%20b&key=own&k%65y=own&c", nil, "||a=%20b&c&key=" + canary},
		{"a user name", oauth.API{}, "alice", "/", nil, "Basic YWxpY2U6Y2FuYXJ5LWNyZWRlbnRpYWwtb2YtYWxpY2U=||"},
		{"Basic with a key alone", oauth.API{Scheme: "Basic"}, "", "/", nil, "Basic Y2FuYXJ5LWNyZWRlbnRpYWwtb2YtYWxpY2U6||"},
	} {
		l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
			r := l.hooli()
			c.api.Hosts = r.API.Hosts
			r.API, r.Username = c.api, c.username
			l.store.put(r, canary)
		})
		if r := l.get(c.path, c.headers...); r.text != c.want {
			t.Errorf("%s: got %d %q, want %q", c.name, r.StatusCode, r.text, c.want)
		}
	}
}

func TestOAuthEndpointsGetNoCredential(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.Endpoints = []string{"https://" + l.host() + "/oauth/token"}
		l.store.put(r, canary)
	})
	for _, path := range []string{"/oauth/token", "/oauth/t%6fken", "/oauth//token", "/oauth/token/"} {
		if r := l.do(l.client(), l.request(http.MethodPost, path, strings.NewReader("grant_type=x"), "Authorization", "Basic b3duOm93bg==")); r.text != "Basic b3duOm93bg==||" {
			t.Errorf("%s: got %d %q", path, r.StatusCode, r.text)
		}
		wantRefused(t, l.get(path, "Authorization", "Bearer "+l.agent.Env["HOOLI_TOKEN"]), 403, proxy.CodeElsewhere)
	}
	if r := l.get("/oauth/tokens"); r.text != "Bearer "+canary+"||" {
		t.Errorf("beside it: got %d %q", r.StatusCode, r.text)
	}
}

func TestOnlyThePartOfAHostThatIsNamedGetsTheCredential(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{l.host() + "/api"}
		l.store.put(r, canary)
		inner := l.hooli()
		inner.Ref.Provider, inner.API.Hosts = "initech", []string{l.host() + "/api/inner"}
		l.store.put(inner, "credential-of-initech")
	})
	for path, want := range map[string]string{
		"/api": "Bearer " + canary + "||", "/api/x": "Bearer " + canary + "||", "/%61pi/x": "Bearer " + canary + "||",
		"/apix": "||", "/": "||", "/API/x": "||", "/api%2fx": "||",
		"/api/inner/x": "Bearer credential-of-initech||", "/api/innerx": "Bearer " + canary + "||",
	} {
		if r := l.get(path); r.text != want {
			t.Errorf("%s: got %d %q, want %q", path, r.StatusCode, r.text, want)
		}
	}
}
