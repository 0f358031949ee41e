package desk_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/desk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func today() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }

// memory is a home in memory. Its logins go to one address, and end when somebody says so.
type memory struct {
	mu          sync.Mutex
	connections []desk.Connection
	events      []keybearer.RecordedEvent
	wishes      []desk.Wish
	steps       []desk.Step
	ends        chan error // what the next login ends with
	wrong       error      // of the reading
}

func newMemory() *memory { return &memory{ends: make(chan error, 1)} }

func (m *memory) Connections(context.Context) ([]desk.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.connections), m.wrong
}

func (m *memory) Offers(context.Context) ([]desk.Offer, error) {
	return []desk.Offer{
		{ID: "github", Name: "GitHub", Installed: true, Consents: true, Keys: true},
		{ID: "openai", Name: "OpenAI", Keys: true},
		{ID: "sandbox", Name: "Sandbox", About: "a local Atlassian", Consents: true, Server: true, ServerNow: "http://127.0.0.1:9199"},
	}, nil
}

func (m *memory) Events(_ context.Context, f keybearer.EventFilter) ([]keybearer.RecordedEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[:min(len(m.events), f.Limit)], m.wrong
}

func (m *memory) Disconnect(_ context.Context, id keybearer.ConnectionID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connections = slices.DeleteFunc(m.connections, func(c desk.Connection) bool { return c.ID == id })
	return nil
}

func (m *memory) SetDefault(_ context.Context, ref keybearer.Ref) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.connections {
		if m.connections[i].Ref.Provider == ref.Provider {
			m.connections[i].Default = m.connections[i].Ref == ref
		}
	}
	return nil
}

func (m *memory) Login(ctx context.Context, w desk.Wish, show func(desk.Step) bool) error {
	m.mu.Lock()
	m.wishes = append(m.wishes, w)
	steps := m.steps
	m.mu.Unlock()
	for _, s := range steps {
		if !show(s) {
			return context.Cause(ctx)
		}
	}
	select {
	case err := <-m.ends:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *memory) wish(t *testing.T) desk.Wish {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wishes) == 0 {
		t.Fatal("no login was begun")
	}
	return m.wishes[len(m.wishes)-1]
}

// full is a home with something of everything.
func full() *memory {
	m := newMemory()
	m.steps = []desk.Step{{URL: "https://provider.example/authorize?state=x"}}
	m.connections = []desk.Connection{
		{
			ID: "uc_1", Ref: keybearer.Ref{User: "me", Provider: "github"}, Provider: "GitHub", Name: "default", Default: true, Status: "active", Ends: "renewed",
			Scopes: []string{"repo", "read:org"}, Hosts: []string{"api.github.com"},
		},
		{
			ID: "uc_2", Ref: keybearer.Ref{User: "me", Provider: "github", Name: "work"}, Kind: keybearer.PersonalAccessToken, Provider: "GitHub", Name: "work", Status: "expired",
			Ends: "ended 2 days ago", EndsAt: today().Add(-48 * time.Hour), Problem: "it has ended: <make> a new one", Username: "alice",
		},
		{
			ID: "uc_3", Ref: keybearer.Ref{User: "me", Provider: "atlassian"}, Provider: "Atlassian", Name: "default", Default: true, Status: "reauthorize",
			Ends: "renewed", Problem: "it has ended (revoked): authorize again", Sites: []string{"https://teahouse.atlassian.net"},
		},
		{ID: "uc_4", Ref: keybearer.Ref{User: "me", Provider: "openai"}, Kind: keybearer.APIKey, Provider: "OpenAI", Name: "default", Default: true, Status: "active", Ends: "no end known"},
	}
	m.events = []keybearer.RecordedEvent{
		{ID: "2", Times: 1, Event: keybearer.Event{
			Time: today().Add(-time.Minute), Action: keybearer.ActionInject, Provider: "github", Outcome: "ok",
			Request: keybearer.RequestTrace{Run: "review", Method: "GET", Host: "api.github.com", Path: "/user/<b>", Status: 200, Received: 41000},
		}},
		{ID: "1", Times: 3, Event: keybearer.Event{
			Time: today().Add(-48 * time.Hour), Action: keybearer.ActionInject, Provider: "openai", Outcome: "permission_denied", Reason: "the policy refuses it",
			Request: keybearer.RequestTrace{Run: "claude", Method: "POST", Host: "api.openai.com", Path: "/v1/files"},
		}},
	}
	return m
}

// lab is a desk that is being served.
type lab struct {
	t    *testing.T
	desk *desk.Desk
	end  func() bool // ends it, and reports whether it had been idle
}

func newLab(t *testing.T, home desk.Home, idle time.Duration) *lab {
	t.Helper()
	d, err := desk.Open(t.Context(), desk.Config{Home: home, Idle: idle, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	idled := make(chan bool, 1)
	go func() {
		was, err := d.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		idled <- was
	}()
	l := &lab{t: t, desk: d}
	l.end = sync.OnceValue(func() bool { stop(); return <-idled })
	t.Cleanup(func() { l.end() })
	return l
}

// browser keeps cookies, as a browser does, and follows no redirects but on demand.
type browser struct {
	t      *testing.T
	client *http.Client
	root   string // of the desk, once it is in
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, client: &http.Client{
		Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// in comes in by the printed address.
func (l *lab) in() *browser {
	l.t.Helper()
	b := newBrowser(l.t)
	got := b.get(l.desk.URL())
	if got.status != http.StatusSeeOther {
		l.t.Fatalf("got %d for the printed address", got.status)
	}
	b.root = origin(l.desk) + strings.TrimSuffix(got.header.Get("Location"), "/")
	return b
}

func origin(d *desk.Desk) string {
	before, _, _ := strings.Cut(d.URL(), "/enter/")
	return before
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) get(at string) answer { return b.do(b.request(http.MethodGet, at, nil)) }

// post sends a form as a page of the desk does.
func (b *browser) post(at string, form url.Values) answer {
	r := b.request(http.MethodPost, at, form)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (b *browser) request(method, at string, form url.Values) *http.Request {
	b.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = b.root + at
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}
