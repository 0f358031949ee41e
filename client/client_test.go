package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/httpapi"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const (
	adminKey = "arc_not_a_real_key_000000"
	verifier = "https://app.example.com/verify"
)

// engine is a JSON door over a real Broker and a real provider, and a client of it.
type engine struct {
	*client.Client
	broker *keybearer.Broker
	at     string // the provider
}

func start(t *testing.T) *engine {
	t.Helper()
	var door http.Handler
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door.ServeHTTP(w, r) }))
	at := "http://" + server.Listener.Addr().String()
	provider := providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: "lab", Secret: "not-a-real-secret", RedirectURIs: []string{at + "/api/v1/oauth/hooli/callback"}}},
	})
	provider.Approve("alice")
	ring, err := seal.NewKeyring(seal.Key{ID: "test", Secret: keybearer.NewBrowserSecret()})
	if err != nil {
		t.Fatal(err)
	}
	on := true
	hooli := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: "hooli", Status: keybearer.ProviderActive, Origin: keybearer.FromFile, ClientID: "lab",
		Settings: oauth.Definition{
			PKCE:             oauth.PKCE{Enabled: &on},
			AuthorizeRequest: oauth.Request{Endpoint: provider.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: provider.URL + "/token"},
			RefreshRequest:   &oauth.Request{Endpoint: provider.URL + "/token"},
		},
	}
	if hooli.ClientSecret, err = ring.Seal([]byte("not-a-real-secret"), hooli.SecretPlace()); err != nil {
		t.Fatal(err)
	}
	broker, err := keybearer.New(keybearer.Config{
		Sealer: ring, Static: []keybearer.Provider{hooli}, PublicURL: at, AllowHTTP: true,
		Verification: keybearer.Verification{VerifierURL: verifier},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.PutKey(t.Context(), keybearer.DefaultProject, keybearer.KeyDraft{Name: "test", Scope: keybearer.ScopeAdmin}, secret.New(adminKey)); err != nil {
		t.Fatal(err)
	}
	door = httpapi.New(httpapi.Config{Broker: broker, Version: "1.2.3"})
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := broker.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &engine{Client: connect(t, at), broker: broker, at: provider.URL}
}

func connect(t *testing.T, at string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(at, secret.New(adminKey), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// consent walks a browser through an authorization and gives the flow id of the verifier.
func (e *engine) consent(t *testing.T, id keybearer.AuthorizationID) keybearer.FlowID {
	t.Helper()
	visitor := e.broker.Visitor(keybearer.NewBrowserSecret())
	to, err := visitor.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	landing, err := visitor.Complete(t.Context(), keybearer.Callback{
		RedirectID: "hooli", State: secret.New(back.Query().Get("state")), Code: secret.New(back.Query().Get("code")),
	})
	if err != nil {
		t.Fatal(err)
	}
	next, err := url.Parse(landing.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	return keybearer.FlowID(next.Query().Get("flow_id"))
}

func TestAuthorizeWaitConfirmToken(t *testing.T) {
	e := start(t)
	ref := keybearer.Ref{User: "alice", Provider: "hooli"}
	_, err := e.Token(t.Context(), ref, "read")
	if !errors.Is(err, keybearer.Reauthorize) || !strings.Contains(err.Error(), "/start/ac_") {
		t.Errorf("without a connection: got error %v, want one of kind reauthorize with the URL", err)
	}
	a, err := e.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "alice", Scopes: []string{"read"}})
	if err != nil || a.Status != keybearer.AuthorizationPending || a.URL == "" {
		t.Fatalf("got %+v and error %v, want pending with a URL", a, err)
	}
	flow := e.consent(t, a.ID)
	if _, err := e.Confirm(t.Context(), flow, "mallory"); !errors.Is(err, keybearer.UserMismatch) {
		t.Errorf("got error %v, want one of kind user_mismatch", err)
	}

	waited := make(chan error, 1)
	go func() {
		got, err := e.Wait(t.Context(), a.ID)
		if err == nil && (got.Token == nil || got.Token.Access.IsZero()) {
			err = fmt.Errorf("completed without a token: %+v", got)
		}
		waited <- err
	}()
	done, err := e.Confirm(t.Context(), flow, "alice")
	if err != nil || done.Authorization != a.ID {
		t.Errorf("got %+v and error %v, want %s confirmed", done, err, a.ID)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	token, err := e.Token(t.Context(), ref, "read")
	if err != nil || token.Access.IsZero() || token.ExpiresAt.IsZero() || token.Ref != ref {
		t.Errorf("got %+v and error %v, want a token of %s with its expiry", token, err, ref)
	}
	renewed, err := e.Renew(t.Context(), ref, token.Access)
	if err != nil || renewed.Access.IsZero() || renewed.Access.Equal(token.Access) {
		t.Errorf("after a refused token: got error %v, want another one", err)
	}
	if again, err := e.Renew(t.Context(), ref, token.Access); err != nil || !again.Access.Equal(renewed.Access) {
		t.Errorf("told twice: got error %v, want the same as before", err)
	}
	if _, err := e.Token(t.Context(), keybearer.Ref{User: "alice", Provider: "hooli", Name: "no such"}); !errors.Is(err, keybearer.BadRequest) {
		t.Errorf("got error %v for a name that is none, want one of kind bad_request", err)
	}
	page, err := e.Connections(t.Context(), keybearer.ConnectionFilter{User: "alice", Provider: "hooli", Limit: 10})
	if err != nil || page.TotalCount != 1 || page.Limit != 10 {
		t.Fatalf("got %+v and error %v, want one connection", page, err)
	}
	if err := e.Disconnect(t.Context(), keybearer.ConnectionID(page.Items[0].ID)); err != nil {
		t.Error(err)
	}
	if _, err := e.Wait(t.Context(), a.ID); !errors.Is(err, keybearer.AuthorizationFailed) {
		t.Errorf("got error %v, want one of kind authorization_failed", err)
	}
	s, err := e.Status(t.Context(), a.ID)
	if err != nil || s.Status != keybearer.AuthorizationFailure || !errors.Is(s.Failure, keybearer.AuthorizationFailed) {
		t.Errorf("got %+v and error %v, want failed with its reason", s, err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	e := start(t)
	a, err := e.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "hooli", User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Wait(ctx, a.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the context's", err)
	}
	// An engine that shuts down answers early; the client does not hammer it.
	e.broker.Drain()
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Wait(ctx, a.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("draining: got error %v, want the context's", err)
	}
}

func TestAdminRoutes(t *testing.T) {
	e := start(t)
	ctx := t.Context()
	endpoint := func(path string) *api.RequestConfig { return &api.RequestConfig{Endpoint: new(e.at + path)} }
	p, err := e.CreateProvider(ctx, api.ProviderCreate{ID: "mine", OAuth2: api.OAuth2Create{
		ClientID: "x", ClientSecret: "not-a-real-secret",
		OAuth2Settings: api.OAuth2Settings{AuthorizeRequest: endpoint("/authorize"), TokenRequest: endpoint("/token")},
	}})
	if err != nil || p.ID != "mine" || !p.OAuth2.ClientSecret.Exists {
		t.Errorf("got %+v and error %v, want the provider", p, err)
	}
	_, err = e.CreateProvider(ctx, api.ProviderCreate{ID: "mine", OAuth2: api.OAuth2Create{
		ClientID: "x", ClientSecret: "y",
		OAuth2Settings: api.OAuth2Settings{AuthorizeRequest: endpoint("/authorize"), TokenRequest: endpoint("/token")},
	}})
	if !errors.Is(err, keybearer.Conflict) {
		t.Errorf("got error %v for an id that is taken, want one of kind conflict", err)
	}
	if p, err = e.UpdateProvider(ctx, "mine", api.ProviderPatch{Description: new("Ours")}); err != nil || p.Description != "Ours" {
		t.Errorf("got %+v and error %v, want the description changed", p, err)
	}
	if p, err = e.Provider(ctx, "mine"); err != nil || p.Description != "Ours" {
		t.Errorf("got %+v and error %v, want the provider", p, err)
	}
	if all, err := e.Providers(ctx); err != nil || len(all) != 2 {
		t.Errorf("got %d providers and error %v, want two", len(all), err)
	}
	if p, err = e.DeleteProvider(ctx, "mine"); err != nil || p.ID != "mine" {
		t.Errorf("got %+v and error %v, want what was deleted", p, err)
	}
	for _, id := range []keybearer.ProviderID{"mine", "../accounts", "..", "a/b", "a?b"} {
		if _, err = e.Provider(ctx, id); !errors.Is(err, keybearer.NotFound) {
			t.Errorf("%q: got error %v, want one of kind not_found", id, err)
		}
	}

	v, err := e.SetVerification(ctx, keybearer.Verification{VerifierURL: "https://other.example.com/"})
	if err != nil || v.VerifierURL == nil || *v.VerifierURL != "https://other.example.com/" {
		t.Errorf("got %+v and error %v, want the verifier", v, err)
	}
	if v, err = e.Verification(ctx); err != nil || v.VerifierURL == nil {
		t.Errorf("got %+v and error %v, want the verifier", v, err)
	}
	if flow, next, err := e.TryVerifier(ctx, "alice", verifier); err != nil || flow == "" || !strings.Contains(next, string(flow)) {
		t.Errorf("got flow %q, URL %q and error %v, want a flow and the way to it", flow, next, err)
	}

	k, text, err := e.CreateKey(ctx, api.KeyCreate{Name: "ci"})
	if err != nil || text.IsZero() || k.Scope != keybearer.ScopeApp {
		t.Errorf("got %+v and error %v, want an app key", k, err)
	}
	if keys, err := e.Keys(ctx); err != nil || len(keys) != 2 {
		t.Errorf("got %d keys and error %v, want two", len(keys), err)
	}
	if err := e.RevokeKey(ctx, k.ID); err != nil {
		t.Error(err)
	}

	if a, err := e.PutAccount(ctx, "org/carol@example.com", secret.New("not a real password"), true); err != nil || a.UserID != "org/carol@example.com" || !a.Admin {
		t.Errorf("got %+v and error %v, want the account", a, err)
	}
	if all, err := e.Accounts(ctx); err != nil || len(all) != 1 {
		t.Errorf("got %d accounts and error %v, want one", len(all), err)
	}
	if err := e.DeleteAccount(ctx, "org/carol@example.com"); err != nil {
		t.Error(err)
	}
	if err := e.Health(ctx); err != nil {
		t.Error(err)
	}
	if got, err := e.Config(ctx); err != nil || got.Engine.Version != "1.2.3" {
		t.Errorf("got %+v and error %v, want version 1.2.3", got, err)
	}
}

// scripted answers a request with the first of its answers, the next one with the second, and so on.
type scripted struct {
	answers []answer
	calls   atomic.Int32
}

type answer struct {
	status int
	header map[string]string
	body   string
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	n := min(int(s.calls.Add(1)), len(s.answers))
	a := s.answers[n-1]
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func TestRetries(t *testing.T) {
	soon := map[string]string{"Retry-After-Ms": "1"}
	final := map[string]string{"Retry-After-Ms": "1", "X-Should-Retry": "false"}
	good := answer{200, nil, `{"items":[],"limit":0,"offset":0,"page_count":0,"total_count":0}`}
	post := func(c *client.Client) error {
		_, err := c.CreateProvider(t.Context(), api.ProviderCreate{ID: "x"})
		return err
	}
	get := func(c *client.Client) error {
		_, err := c.Providers(t.Context())
		return err
	}
	for name, c := range map[string]struct {
		ask     func(*client.Client) error
		answers []answer
		calls   int32
		want    keybearer.Kind // "" for success
	}{
		"once more":         {get, []answer{{503, soon, `{"name":"unavailable","message":"m"}`}, good}, 2, ""},
		"twice more":        {get, []answer{{500, soon, ``}, {429, soon, ``}, good}, 3, ""},
		"no third time":     {get, []answer{{503, soon, `{"name":"unavailable","message":"m"}`}}, 3, keybearer.Unavailable},
		"engine says final": {get, []answer{{409, final, `{"name":"conflict","message":"m"}`}, good}, 1, keybearer.Conflict},
		"client's fault":    {get, []answer{{404, soon, `{"name":"not_found","message":"m"}`}, good}, 1, keybearer.NotFound},
		"never a POST":      {post, []answer{{503, soon, `{"name":"provider_unavailable","message":"m"}`}, good}, 1, keybearer.ProviderAway},
		"unknown name":      {get, []answer{{401, nil, `{"name":"server_not_found","message":"m"}`}}, 1, keybearer.Unauthenticated},
		"a proxy's HTML":    {get, []answer{{403, nil, `<h1>Forbidden</h1>`}}, 1, keybearer.PermissionDenied},
		"a redirect":        {get, []answer{{302, map[string]string{"Location": "https://elsewhere.example.com/"}, ``}}, 1, keybearer.BadRequest},
		"a page":            {get, []answer{{200, nil, `<html>secret-page</html>`}}, 1, keybearer.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{answers: c.answers}
			server := httptest.NewServer(s)
			defer server.Close()
			err := c.ask(connect(t, server.URL))
			if got := s.calls.Load(); got != c.calls {
				t.Errorf("got %d requests, want %d", got, c.calls)
			}
			if c.want == "" && err != nil || c.want != "" && keybearer.KindOf(err) != c.want {
				t.Errorf("got error %v, want kind %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-page") {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

func TestErrorsCarryWhatTheEngineSaid(t *testing.T) {
	server := httptest.NewServer(&scripted{answers: []answer{{429, map[string]string{"Retry-After": "7"}, `{"name":"rate_limited","message":"wait a bit"}`}}})
	defer server.Close()
	_, err := connect(t, server.URL).Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "alice"})
	e, ok := errors.AsType[*keybearer.Error](err)
	if !ok || e.RetryAfter != 7*time.Second || err.Error() != "authorizing alice at hooli: wait a bit" {
		t.Errorf("got %#v, want the message and seven seconds", err)
	}
	if strings.Contains(err.Error(), adminKey) {
		t.Error("the error contains the key")
	}
}

func TestNoEngineAtAll(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	at := server.URL
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := connect(t, at)
	if _, err := c.Authorize(ctx, keybearer.AuthorizeRequest{ID: "hooli", User: "alice"}); !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), at) {
		t.Errorf("got error %v, want one of kind unavailable that names %s", err, at)
	}
	cancel()
	if _, err := c.Status(ctx, "ac_x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
}

func TestUnhealthyEngine(t *testing.T) {
	server := httptest.NewServer(&scripted{answers: []answer{{503, map[string]string{"Retry-After-Ms": "1"}, `{"healthy":false,"reason":"the disk is full"}`}}})
	defer server.Close()
	if err := connect(t, server.URL).Health(t.Context()); !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("got error %v, want one of kind unavailable with the reason", err)
	}
}

func TestRequestsOfAClient(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	c := connect(t, server.URL+"/prefix/", client.WithUserAgent("test/1"), client.WithHTTPClient(server.Client()), client.WithTimeout(time.Minute))
	if _, err := c.Status(t.Context(), "ac_&x=1"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + adminKey, "User-Agent": "test/1", "Accept": "application/json"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("got header %s %q, want %q", name, v, want)
		}
	}
	if got.URL.Path != "/prefix/v1/auth/status" || got.URL.Query().Get("id") != "ac_&x=1" || got.URL.Query().Has("x") {
		t.Errorf("got %s, want the id escaped under the prefix", got.URL)
	}
}

func TestNewRefusals(t *testing.T) {
	for _, base := range []string{"", "keys.example.com", "ftp://keys.example.com", "https://", "https://u:p@keys.example.com", "https://keys.example.com?x=1", "https://keys.example.com#x", "http://[::1"} {
		if _, err := client.New(base, secret.New(adminKey)); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%q: got error %v, want one of kind bad_request", base, err)
		}
	}
	for _, key := range []string{"arc_a\nb", "arc_a b", "arc_ä"} {
		_, err := client.New("https://keys.example.com", secret.New(key))
		if !errors.Is(err, keybearer.BadRequest) || strings.Contains(err.Error(), key) {
			t.Errorf("got error %v, want one of kind bad_request without the key", err)
		}
	}
}
