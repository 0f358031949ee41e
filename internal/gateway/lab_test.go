package gateway_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/gateway"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	workerSecret = "what both sides know"
	alice        = "alice@example.com"
)

// kept takes the audit.
type kept struct {
	mu     sync.Mutex
	events []keybearer.Event
}

func (k *kept) Record(_ context.Context, e keybearer.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

func (k *kept) count(action string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, e := range k.events {
		if e.Action == action {
			n++
		}
	}
	return n
}

// lab is a gateway over a real broker, a real provider and a real worker, at an address of its own.
type lab struct {
	t        testing.TB
	url      string
	kept     *kept
	provider *providertest.Running
	broker   *keybearer.Broker
	admin    *keybearer.View
	worker   *workertest.Worker
	key      secret.String // an API key of the scope app
}

func open(t testing.TB, gateways ...gateway.Gateway) *lab {
	t.Helper()
	l := &lab{t: t, kept: &kept{}}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	l.url = server.URL
	l.provider = providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: "client", Secret: "fixture-secret", RedirectURIs: []string{l.url + "/api/v1/oauth/hooli/callback"}}},
	})
	l.provider.Approve("alice")
	l.worker = workertest.Start(t, workerSecret)
	l.broker = must(keybearer.New(keybearer.Config{
		PublicURL: l.url, Recorder: l.kept, AllowSkip: true, Verification: keybearer.Verification{UnsafeSkip: true},
	}))(t)
	l.admin = l.broker.As(keybearer.Caller{Name: "key:admin", Admin: true})
	must(l.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{
		ID: "hooli", ClientID: "client", ClientSecret: secret.New("fixture-secret"), Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: l.provider.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: l.provider.URL + "/token"},
			RefreshRequest:   &oauth.Request{},
		},
	}))(t)
	none := 0
	must(l.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "hooli-tools", URI: l.worker.URL, Secret: secret.New(workerSecret), Retry: &none}))(t)
	_, key, err := l.admin.CreateKey(t.Context(), keybearer.KeyDraft{Name: "app", Scope: keybearer.ScopeApp})
	if err != nil {
		t.Fatal(err)
	}
	l.key = key
	transport := &http.Transport{}
	box := workers.New(workers.Config{
		Broker: l.broker, PublicURL: l.url, ListFor: 50 * time.Millisecond,
		HTTP: func(keybearer.Origin) *http.Client { return &http.Client{Transport: transport} },
	})
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	work.Go(func() { _ = box.Run(running) }) // it ends with the test
	door := gateway.New(gateway.Config{Broker: l.broker, Toolbox: box, PublicURL: l.url, Gateways: gateways, Patience: 10 * time.Second})
	for _, path := range door.Paths() {
		mux.Handle(path, door)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		door.Close()
		server.CloseClientConnections()
		server.Close()
		stop()
		work.Wait()
		if err := box.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := l.broker.Close(ctx); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return l
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// headed sends headers with each request, as a client's configuration has them.
type headed struct {
	headers map[string]string
	next    *http.Transport
}

func (h headed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, value := range h.headers {
		req.Header.Set(name, value)
	}
	return h.next.RoundTrip(req)
}

// client is the official SDK's, signed in with the lab's API key for alice.
func (l *lab) client(path string, o *mcp.ClientOptions) *mcp.ClientSession {
	l.t.Helper()
	session, err := l.connect(path, o, map[string]string{"Authorization": "Bearer " + l.key.Reveal(), "Arcade-User-ID": alice})
	if err != nil {
		l.t.Fatal(err)
	}
	return session
}

func (l *lab) connect(path string, o *mcp.ClientOptions, headers map[string]string) (*mcp.ClientSession, error) {
	transport := &http.Transport{}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	session, err := client.Connect(l.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: l.url + path, HTTPClient: &http.Client{Transport: headed{headers, transport}}, MaxRetries: -1,
	}, nil)
	l.t.Cleanup(func() {
		if session != nil {
			_ = session.Close()
		}
		transport.CloseIdleConnections()
	})
	return session, err
}

// consent walks a browser through the authorization behind a link.
func (l *lab) consent(link string) error {
	id := keybearer.AuthorizationID(link[strings.LastIndex(link, "/")+1:])
	v := l.broker.Visitor(keybearer.NewBrowserSecret())
	ctx := context.WithoutCancel(l.t.Context())
	to, err := v.Begin(ctx, id)
	if err != nil {
		return err
	}
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), l.url) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(to)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		return err
	}
	q := back.Query()
	_, err = v.Complete(ctx, keybearer.Callback{
		State: secret.New(q.Get("state")), Code: secret.New(q.Get("code")), Issuer: q.Get("iss"), HasIssuer: q.Has("iss"), RedirectID: "hooli",
	})
	return err
}

// said is the text of a result.
func said(r *mcp.CallToolResult) string {
	var all []string
	for _, c := range r.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			all = append(all, t.Text)
		}
	}
	return strings.Join(all, "\n")
}
