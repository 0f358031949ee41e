package oauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

const redirectURI = "https://app.example.com/callback"

// noon is when all tests of this package take place.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// provider is a hostile provider with a client that is registered there.
type provider struct {
	server *providertest.Running
	client *oauth.Client
	t      testing.TB
}

func newProvider(t testing.TB, c providertest.Config) *provider {
	t.Helper()
	c.Clients = []providertest.Client{{ID: "app", RedirectURIs: []string{redirectURI}}}
	c.Clock = noon
	server := providertest.Start(t, c)
	server.Approve("alice")
	registered, _ := server.Registered("app")
	return &provider{server, &oauth.Client{
		Definition: definitionAt(server.URL), ID: "app", Secret: secret.New(registered.Secret),
		RedirectURI: redirectURI, HTTP: server.Client, Now: noon,
	}, t}
}

// definitionAt is an ordinary server's definition.
func definitionAt(base string) *oauth.Definition {
	on := true
	return &oauth.Definition{
		PKCE:             oauth.PKCE{Enabled: &on},
		AuthorizeRequest: oauth.Request{Endpoint: base + "/authorize"},
		TokenRequest:     oauth.Request{Endpoint: base + "/token"},
		RefreshRequest:   &oauth.Request{},
		UserInfoRequest: &oauth.UserInfo{
			Request: oauth.Request{Endpoint: base + "/userinfo"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
		},
	}
}

// consent lets alice consent and gives the code and the verifier.
func (p *provider) consent(scopes ...string) (code, verifier secret.String) {
	p.t.Helper()
	verifier = oauth.NewVerifier()
	to, err := p.client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("the-state"), Verifier: verifier, Scopes: scopes})
	if err != nil {
		p.t.Fatal(err)
	}
	back := redirectedTo(p.t, to)
	if back.Get("state") != "the-state" || back.Get("code") == "" {
		p.t.Fatalf("the provider sent the browser back with %v", back)
	}
	return secret.New(back.Get("code")), verifier
}

// redirectedTo is what a browser is sent back with.
func redirectedTo(t testing.TB, to string) url.Values {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	back, err := res.Location()
	if err != nil {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("the provider answered %d without a redirect: %s", res.StatusCode, body)
	}
	return back.Query()
}

// sent is one request as a desk saw it.
type sent struct {
	Method string
	Query  url.Values
	Header http.Header
	Body   string
}

func (s sent) form(t testing.TB) url.Values {
	t.Helper()
	form, err := url.ParseQuery(s.Body)
	if err != nil {
		t.Fatalf("the body is not a form: %v", err)
	}
	return form
}

// desk is a token endpoint that writes down what comes and always answers the same.
type desk struct {
	URL    string
	Status int
	Header http.Header
	Answer string

	mu   sync.Mutex
	sent []sent
}

func newDesk(t testing.TB, answer string) *desk {
	t.Helper()
	d := &desk{Status: http.StatusOK, Answer: answer}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.URL = server.URL
	return d
}

const goodAnswer = `{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1","scope":"read"}`

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.sent = append(d.sent, sent{r.Method, r.URL.Query(), r.Header, string(body)})
	d.mu.Unlock()
	for name, values := range d.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(d.Status)
	_, _ = io.WriteString(w, d.Answer)
}

// last is the newest request.
func (d *desk) last(t testing.TB) sent {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sent) == 0 {
		t.Fatal("no request arrived")
	}
	return d.sent[len(d.sent)-1]
}

func (d *desk) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.sent)
}

// client is registered at the desk.
func (d *desk) client() *oauth.Client {
	return &oauth.Client{Definition: definitionAt(d.URL), ID: "app", Secret: secret.New("s3cret-value"), RedirectURI: redirectURI, Now: noon}
}

func (d *desk) exchange(t testing.TB, c *oauth.Client) (oauth.TokenResponse, error) {
	t.Helper()
	return c.Exchange(t.Context(), secret.New("code-value"), secret.New("verifier-value"), []string{"read", "write"})
}

func (d *desk) refresh(t testing.TB, c *oauth.Client) (oauth.TokenResponse, error) {
	t.Helper()
	return c.Refresh(t.Context(), secret.New("refresh-0"), secret.New("access-0"), []string{"read", "write"})
}
