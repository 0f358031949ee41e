package workers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

const (
	publicURL    = "https://keys.example.com"
	workerSecret = "what both sides know"
	alice        = keybearer.UserID("alice@example.com")
	clientID     = "client"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

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

// kept takes the audit and the log.
type kept struct {
	mu     sync.Mutex
	events []keybearer.Event
	log    bytes.Buffer
}

func (k *kept) Record(_ context.Context, e keybearer.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.Write(p)
}

func (k *kept) logged() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.String()
}

// calls are the audit's lines about calls.
func (k *kept) calls() (lines []keybearer.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.events {
		if e.Action == keybearer.ActionToolCall {
			lines = append(lines, e)
		}
	}
	return lines
}

// lab is a toolbox over a real broker, a real provider and a real worker.
type lab struct {
	t        testing.TB
	clock    *clock
	kept     *kept
	provider *providertest.Running
	broker   *keybearer.Broker
	app      *keybearer.View
	admin    *keybearer.View
	worker   *workertest.Worker
	box      *workers.Toolbox
}

// options change what a lab is made of.
type options struct {
	broker  func(*keybearer.Config)
	toolbox func(*workers.Config)
	draft   func(*keybearer.WorkerDraft)
}

func open(t testing.TB, o options) *lab {
	t.Helper()
	l := &lab{t: t, clock: &clock{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}, kept: &kept{}}
	l.provider = providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: clientID, Secret: "fixture-secret", RedirectURIs: []string{publicURL + "/api/v1/oauth/hooli/callback"}}},
		Clock:   l.clock.Now,
	})
	l.provider.Approve("alice")
	l.worker = workertest.Start(t, workerSecret)
	cfg := keybearer.Config{
		PublicURL: publicURL, Now: l.clock.Now, Recorder: l.kept, AllowSkip: true, Verification: keybearer.Verification{UnsafeSkip: true},
		Log: slog.New(slog.NewTextHandler(l.kept, nil)),
	}
	if o.broker != nil {
		o.broker(&cfg)
	}
	l.broker = must(keybearer.New(cfg))(t)
	l.app = l.broker.As(keybearer.Caller{Name: "key:app"})
	l.admin = l.broker.As(keybearer.Caller{Name: "key:admin", Admin: true})
	must(l.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: "hooli", ClientID: clientID, ClientSecret: secret.New("fixture-secret"), Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: l.provider.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: l.provider.URL + "/token"},
			RefreshRequest:   &oauth.Request{},
			UserInfoRequest: &oauth.UserInfo{
				Request: oauth.Request{Endpoint: l.provider.URL + "/userinfo"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
			},
		},
	}))(t)
	l.box = l.open(o.toolbox)
	draft := keybearer.WorkerDraft{ID: "hooli-tools", URI: l.worker.URL, Secret: secret.New(workerSecret), Retry: number(0)}
	if o.draft != nil {
		o.draft(&draft)
	}
	must(l.admin.CreateWorker(t.Context(), draft))(t)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := l.broker.Close(ctx); err != nil {
			t.Error(err)
		}
		for _, canary := range []string{workerSecret, "fixture-secret"} {
			if strings.Contains(l.kept.logged(), canary) {
				t.Errorf("the log contains %q", canary)
			}
		}
	})
	return l
}

// open makes a toolbox on the lab's broker, as another replica has it.
func (l *lab) open(change func(*workers.Config)) *workers.Toolbox {
	l.t.Helper()
	cfg := workers.Config{
		Broker: l.broker, Log: slog.New(slog.NewTextHandler(l.kept, nil)), Now: l.clock.Now, Version: "1.2.3", PublicURL: publicURL, ListFor: time.Hour,
		// A worker that goes down in the very moment of a call on a kept connection may have got it; tests of what cannot
		// have been sent do without that doubt.
		HTTP: func(keybearer.Origin) *http.Client {
			return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		},
	}
	if change != nil {
		change(&cfg)
	}
	box := workers.New(cfg)
	l.t.Cleanup(func() {
		if err := box.Close(context.WithoutCancel(l.t.Context())); err != nil {
			l.t.Error(err)
		}
	})
	return box
}

func number(n int) *int { return &n }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// connect gives alice a connection with scopes.
func (l *lab) connect(scopes ...string) {
	l.t.Helper()
	a := must(l.app.Authorize(l.t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: alice, Scopes: scopes}))(l.t)
	if a.Status != keybearer.AuthorizationCompleted {
		l.consent(a.ID)
	}
}

// consent walks a browser through an authorization.
func (l *lab) consent(id keybearer.AuthorizationID) {
	l.t.Helper()
	v := l.broker.Visitor(keybearer.NewBrowserSecret())
	to := must(v.Begin(l.t.Context(), id))(l.t)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res := must(browser.Get(to))(l.t)
	defer res.Body.Close()
	back := must(res.Location())(l.t)
	must(v.Complete(l.t.Context(), callback(back)))(l.t)
}

func callback(back *url.URL) keybearer.Callback {
	q := back.Query()
	return keybearer.Callback{
		State: secret.New(q.Get("state")), Code: secret.New(q.Get("code")), Error: q.Get("error"),
		ErrorDescription: q.Get("error_description"), Issuer: q.Get("iss"), HasIssuer: q.Has("iss"), RedirectID: "hooli",
	}
}

// call runs a tool for alice.
func (l *lab) call(tool string, input map[string]any) api.Execution {
	l.t.Helper()
	return must(l.box.Execute(l.t.Context(), l.app, workers.Call{Tool: tool, User: alice, Input: inputs(l.t, input)}))(l.t)
}

func inputs(t testing.TB, from map[string]any) map[string]json.RawMessage {
	t.Helper()
	out := map[string]json.RawMessage{}
	for name, value := range from {
		out[name] = must(json.Marshal(value))(t)
	}
	return out
}

func wantKind(t testing.TB, err error, want keybearer.Kind) {
	t.Helper()
	if got := keybearer.KindOf(err); err == nil || got != want {
		t.Errorf("got %v (%s), want kind %s", err, got, want)
	}
}

// wantError checks how a tool failed.
func wantError(t testing.TB, done api.Execution, kind string, says ...string) *api.ToolError {
	t.Helper()
	if done.Success || done.Status != "failed" || done.Output == nil || done.Output.Error == nil {
		t.Fatalf("got %+v, want a failure", done)
	}
	e := done.Output.Error
	if e.Kind != kind {
		t.Errorf("got the kind %s (%s), want %s", e.Kind, e.Message, kind)
	}
	for _, text := range says {
		if !strings.Contains(e.Message, text) {
			t.Errorf("got %q, want it to say %q", e.Message, text)
		}
	}
	return e
}

// told is what a tool was told, by its own account.
type told struct {
	Inputs  map[string]json.RawMessage `json:"inputs"`
	Context api.InvocationContext      `json:"context"`
}

func (l *lab) told(done api.Execution) told {
	l.t.Helper()
	var out told
	if !done.Success || json.Unmarshal(done.Output.Value, &out) != nil {
		l.t.Fatalf("got %+v with %s, want what the tool was told", done, done.Output.Value)
	}
	return out
}
