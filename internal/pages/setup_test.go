package pages_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/pages"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const (
	clientSecret = "not-a-real-client-secret"
	passwordOf   = "correct horse battery" // of every account in these tests
)

// lab is an engine's HTML door over a real Broker and a real provider.
type lab struct {
	t        *testing.T
	url      string // what browsers ask for, prefix included
	broker   *keybearer.Broker
	door     http.Handler
	provider *providertest.Running
	log      *lockedBuffer
	clock    *clock
}

// options change what a lab is made of.
type options struct {
	prefix  string
	confirm keybearer.ConfirmPage
	verify  keybearer.Verification
	config  func(*keybearer.Config)
	client  func(*http.Request) netip.Addr
	issuer  bool
	// publicHost and providerHost are what browsers call the engine and the provider, in place of 127.0.0.1.
	publicHost, providerHost string
	// behind wraps the door, as a reverse proxy does.
	behind func(http.Handler) http.Handler
}

func skipVerification() keybearer.Verification { return keybearer.Verification{UnsafeSkip: true} }

func newLab(t *testing.T, o options) *lab {
	t.Helper()
	l := &lab{t: t, log: &lockedBuffer{}, clock: &clock{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.door.ServeHTTP(w, r) }))
	l.url = under(o.publicHost, "http://"+server.Listener.Addr().String()) + o.prefix
	l.provider = providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{
			ID: "lab", Secret: clientSecret,
			RedirectURIs: []string{l.url + "/api/v1/oauth/hooli/callback", l.url + "/api/v1/oauth/callback"},
		}},
		SendIss: o.issuer, Clock: l.clock.Now, RequirePKCE: true,
	})
	ring, err := seal.NewKeyring(seal.Key{ID: "test", Secret: keybearer.NewBrowserSecret()})
	if err != nil {
		t.Fatal(err)
	}
	hooli := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: "hooli", Status: keybearer.ProviderActive, Origin: keybearer.FromFile,
		ClientID: "lab", Settings: hooliDefinition(under(o.providerHost, l.provider.URL)),
	}
	if hooli.ClientSecret, err = ring.Seal([]byte(clientSecret), hooli.SecretPlace()); err != nil {
		t.Fatal(err)
	}
	cfg := keybearer.Config{
		Sealer: ring, Static: []keybearer.Provider{hooli}, PublicURL: l.url, AllowHTTP: true,
		Verification: o.verify, VerificationFixed: true, Confirm: o.confirm, Now: l.clock.Now,
	}
	if o.config != nil {
		o.config(&cfg)
	}
	if l.broker, err = keybearer.New(cfg); err != nil {
		t.Fatal(err)
	}
	l.door = pages.New(pages.Config{
		Broker: l.broker, PublicURL: l.url, Now: l.clock.Now, ClientAddr: o.client,
		Log: slog.New(slog.NewJSONHandler(l.log, nil)),
	})
	if o.behind != nil {
		l.door = o.behind(l.door)
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := l.broker.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// under is a URL on this machine under another name, unless that is "".
func under(host, url string) string {
	return strings.Replace(url, "127.0.0.1", cmp.Or(host, "127.0.0.1"), 1)
}

func hooliDefinition(at string) oauth.Definition {
	on := true
	return oauth.Definition{
		DisplayName: "Hooli", PKCE: oauth.PKCE{Enabled: &on},
		AuthorizeRequest: oauth.Request{Endpoint: at + "/authorize"},
		TokenRequest:     oauth.Request{Endpoint: at + "/token", AuthMethod: oauth.AuthClientSecretBasic},
		RefreshRequest:   &oauth.Request{Endpoint: at + "/token", AuthMethod: oauth.AuthClientSecretBasic},
	}
}

// app is the view of an app's API key.
func (l *lab) app() *keybearer.View {
	return l.broker.As(keybearer.Caller{Name: "key:Expense Robot", Admin: true})
}

// authorize asks for a new authorization of alice, as an app does.
func (l *lab) authorize(nextURI string) keybearer.Authorization {
	l.t.Helper()
	a, err := l.app().Authorize(l.t.Context(), keybearer.AuthorizeRequest{
		ID: "hooli", User: "alice@example.com", Scopes: []string{"read:invoices", "offline_access"}, NextURI: nextURI,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if a.Status != keybearer.AuthorizationPending {
		l.t.Fatalf("got status %s, want pending", a.Status)
	}
	return a
}

func (l *lab) status(a keybearer.Authorization) keybearer.AuthorizationStatus {
	l.t.Helper()
	now, err := l.app().Status(l.t.Context(), a.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	return now.Status
}

func (l *lab) account(user keybearer.UserID) {
	l.t.Helper()
	if _, err := l.app().PutAccount(l.t.Context(), user, secret.New(passwordOf), false); err != nil {
		l.t.Fatal(err)
	}
}

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{
		Jar: jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response, read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, to string, body io.Reader, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, to, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func (b *browser) get(to string, headers ...string) answer {
	b.t.Helper()
	return b.do("GET", to, nil, headers...)
}

// post sends a form as a page of the same origin does.
func (b *browser) post(to string, form url.Values, headers ...string) answer {
	b.t.Helper()
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, headers...)
	return b.do("POST", to, strings.NewReader(form.Encode()), headers...)
}

// leaves gives where a page that goes on by itself leads.
func (a answer) leaves(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]+)">`).FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || m == nil {
		t.Fatalf("got %d, want a page that goes on by itself:\n%s", a.StatusCode, a.body)
	}
	return unescape(m[1])
}

// location gives where a redirect leads.
func (a answer) location(t *testing.T) string {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("got %d, want 303:\n%s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}

func unescape(attr string) string {
	return strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'").Replace(attr)
}

// begin walks the start page up to the provider's address.
func (b *browser) begin(a keybearer.Authorization) string {
	b.t.Helper()
	first := b.get(a.URL)
	if first.StatusCode == http.StatusSeeOther {
		return first.location(b.t)
	}
	return b.post(a.URL, nil).leaves(b.t)
}

// consent walks from the start page up to the callback's address.
func (b *browser) consent(l *lab, a keybearer.Authorization) string {
	b.t.Helper()
	l.provider.Approve("alice")
	return b.provider(b.begin(a))
}

// provider asks the provider, and gives the callback's address.
func (b *browser) provider(authorizeURL string) string {
	b.t.Helper()
	got := b.get(authorizeURL)
	if got.StatusCode < 300 || got.StatusCode > 399 {
		b.t.Fatalf("the provider answered %d:\n%s", got.StatusCode, got.body)
	}
	return got.Header.Get("Location")
}

func expect(t *testing.T, got answer, status int, texts ...string) {
	t.Helper()
	if got.StatusCode != status {
		t.Errorf("got status %d, want %d", got.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(got.body, text) {
			t.Errorf("the page does not say %q:\n%s", text, got.body)
		}
	}
}

func query(t *testing.T, raw, name string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
