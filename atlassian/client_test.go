package atlassian_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

const (
	appCallback = "https://app.example.com/atlassian/done"
	teahouseID  = "5a0d0000-7ea0-4000-8000-000000000001"
	gardenID    = "5a0d0000-9a8d-4000-8000-000000000002"
)

// clock is a time that tests move, the sandbox's and the client's.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)} }

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

// provider is what the two sandboxes have in common.
type provider interface {
	History() *providertest.History
	Inject(...providertest.Fault)
	Heal(...providertest.Endpoint)
	Approve(user string)
	Decline()
	DropAccessTokens() int
	Set(name, value string) error
}

// desk is a client of a sandbox, and a browser.
type desk struct {
	t        *testing.T
	clock    *clock
	provider provider
	config   atlassian.Config
	client   *atlassian.Client
	cloud    *atlassiantest.Running           // nil for Data Center
	server   *atlassiantest.RunningDataCenter // nil for Cloud
}

// atCloud is a client of Jira Cloud for the teahouse, in front of alice, who approves everything.
func atCloud(t *testing.T, change func(*atlassian.Config)) *desk {
	t.Helper()
	d := &desk{t: t, clock: newClock()}
	app := atlassiantest.DefaultApp()
	app.Callbacks = []string{appCallback}
	d.cloud = atlassiantest.Start(t, atlassiantest.Config{Apps: []atlassiantest.App{app}, Clock: d.clock.Now})
	d.cloud.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{"sandbox-teahouse", "sandbox-garden"}})
	app, _ = d.cloud.App(app.ID)
	d.provider = d.cloud
	d.config = atlassian.Config{
		Product: atlassian.Jira, Site: "sandbox-teahouse", Hosts: atlassian.Hosts{Auth: d.cloud.URL, API: d.cloud.URL},
		ClientID: app.ID, ClientSecret: secret.New(app.Secret), CallbackURL: appCallback,
		Store: &atlassian.MemoryStore{}, Now: d.clock.Now,
	}
	return d.with(change)
}

// atServer is a client of a Data Center product below a context path.
func atServer(t *testing.T, product atlassian.Product, change func(*atlassian.Config)) *desk {
	t.Helper()
	d := &desk{t: t, clock: newClock()}
	link := atlassiantest.DefaultLink()
	link.Redirects = []string{appCallback}
	d.server = atlassiantest.StartDataCenter(t, atlassiantest.DataCenterConfig{
		Product: string(product), ContextPath: "/tea", Links: []atlassiantest.Link{link}, Clock: d.clock.Now, RefreshRedirect: "required",
	})
	d.server.Approve("")
	link = d.server.Links()[0]
	d.provider = d.server
	d.config = atlassian.Config{
		Product: product, ServerURL: d.server.URL + "/", ClientID: link.ID, ClientSecret: secret.New(link.Secret),
		CallbackURL: appCallback, Scopes: []string{"WRITE"}, Store: &atlassian.MemoryStore{}, Now: d.clock.Now,
	}
	return d.with(change)
}

func (d *desk) with(change func(*atlassian.Config)) *desk {
	d.t.Helper()
	if change != nil {
		change(&d.config)
	}
	if d.cloud != nil && len(d.config.Scopes) > 0 { // the developer console has what is asked for
		app, _ := d.cloud.App(d.config.ClientID)
		app.Scopes = slices.DeleteFunc(slices.Clone(d.config.Scopes), func(s string) bool { return s == atlassian.OfflineAccess })
		d.cloud.SetApp(app)
	}
	d.client = d.another()
	return d
}

// another is one more client on the same store, as another process would be.
func (d *desk) another() *atlassian.Client {
	d.t.Helper()
	c, err := atlassian.New(d.config)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			d.t.Errorf("closing: %v", err)
		}
	})
	return c
}

// browse opens a URL and gives the address at which the browser arrives.
func browse(t testing.TB, to string) *url.URL {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("the browser stays: %s, %v", res.Status, err)
	}
	return back
}

// start begins a sign-in and lets the user approve.
func (d *desk) start() *url.URL {
	d.t.Helper()
	to, err := d.client.Start(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return browse(d.t, to)
}

// connect signs in.
func (d *desk) connect() *desk {
	d.t.Helper()
	if _, err := d.client.Complete(d.t.Context(), d.start().String()); err != nil {
		d.t.Fatal(err)
	}
	return d
}

func (d *desk) token() string {
	d.t.Helper()
	token, err := d.client.Token(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return token.Access.Reveal()
}

// rotations is how often the sandbox has renewed something.
func (d *desk) rotations() int { return d.provider.History().Rotations("") }

// refused checks that an error is of a kind and says something.
func refused(t testing.TB, what string, err error, kind keybearer.Kind, says ...string) {
	t.Helper()
	if keybearer.KindOf(err) != kind {
		t.Errorf("%s: got %v (%s), want %s", what, err, keybearer.KindOf(err), kind)
		return
	}
	for _, text := range says {
		if !contains(err.Error(), text) {
			t.Errorf("%s: got %q, want %q in it", what, err, text)
		}
	}
}
