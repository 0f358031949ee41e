package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/httpapi"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// The canaries: no answer and no log line may contain them, but where one says so.
const (
	clientSecret = "canary-client-secret"
	password     = "canary-password-of-carol"
	adminKey     = "arc_canary_admin_key_0000"
	appKey       = "arc_canary_app_key_000000"
	verifierURL  = "https://app.example.com/verify?tenant=7"
)

// lab is the JSON door over a real Broker and a real provider.
type lab struct {
	t        testing.TB
	url      string
	server   *httptest.Server
	broker   *keybearer.Broker
	provider *providertest.Running
	log      *lockedBuffer
	clock    *clock
	doc      *document
	seen     *lockedBuffer // every answer that was read
}

// options change what a lab is made of.
type options struct {
	broker func(*keybearer.Config)
	door   func(*httpapi.Config)
	server func(*http.Server)
	behind func(http.Handler) http.Handler
}

func newLab(t testing.TB, o options) *lab {
	t.Helper()
	l := &lab{
		t: t, log: &lockedBuffer{}, seen: &lockedBuffer{}, doc: readDocument(t),
		clock: &clock{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)},
	}
	var door http.Handler
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door.ServeHTTP(w, r) }))
	l.url = "http://" + l.server.Listener.Addr().String()
	l.provider = providertest.Start(t, providertest.Config{
		Clients: []providertest.Client{{ID: "lab", Secret: clientSecret, RedirectURIs: []string{l.url + "/api/v1/oauth/hooli/callback"}}},
		Clock:   l.clock.Now, RequirePKCE: true,
	})
	l.provider.Approve("alice")

	ring, err := seal.NewKeyring(seal.Key{ID: "test", Secret: keybearer.NewBrowserSecret()})
	if err != nil {
		t.Fatal(err)
	}
	hooli := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: "hooli", Status: keybearer.ProviderActive, Origin: keybearer.FromFile,
		ClientID: "lab", Settings: l.definition(), Description: "A test",
	}
	if hooli.ClientSecret, err = ring.Seal([]byte(clientSecret), hooli.SecretPlace()); err != nil {
		t.Fatal(err)
	}
	cfg := keybearer.Config{
		Sealer: ring, Static: []keybearer.Provider{hooli}, PublicURL: l.url, AllowHTTP: true,
		Verification: keybearer.Verification{VerifierURL: verifierURL}, Now: l.clock.Now,
	}
	if o.broker != nil {
		o.broker(&cfg)
	}
	if l.broker, err = keybearer.New(cfg); err != nil {
		t.Fatal(err)
	}
	for text, scope := range map[string]string{adminKey: keybearer.ScopeAdmin, appKey: keybearer.ScopeApp} {
		if _, err := l.broker.PutKey(t.Context(), keybearer.DefaultProject, keybearer.KeyDraft{Name: scope, Scope: scope}, secret.New(text)); err != nil {
			t.Fatal(err)
		}
	}
	with := httpapi.Config{
		Broker: l.broker, Version: "1.2.3", Now: l.clock.Now,
		Log: slog.New(slog.NewJSONHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if o.door != nil {
		o.door(&with)
	}
	door = httpapi.New(with)
	if o.behind != nil {
		door = o.behind(door)
	}
	if o.server != nil {
		o.server(l.server.Config)
	}
	l.server.Start()
	t.Cleanup(func() {
		l.server.Close()
		if err := l.broker.Close(context.Background()); err != nil {
			t.Error(err)
		}
		l.looksForCanaries()
	})
	return l
}

// looksForCanaries is done after every test: whatever went on in it, no answer holds a secret that
// came in, and no log line one that went out.
func (l *lab) looksForCanaries() {
	l.t.Helper()
	for _, canary := range []string{clientSecret, password, adminKey, appKey} {
		if strings.Contains(l.seen.String(), canary) {
			l.t.Errorf("an answer contains %s", canary)
		}
		if strings.Contains(l.log.String(), canary) {
			l.t.Errorf("the log contains %s", canary)
		}
	}
	for _, m := range regexp.MustCompile(`"(?:token|key)":"([^"]+)"`).FindAllStringSubmatch(l.seen.String(), -1) {
		if strings.Contains(l.log.String(), m[1]) {
			l.t.Errorf("the log contains a token or key that was handed out: %s", m[1])
		}
	}
}

func (l *lab) definition() oauth.Definition {
	on := true
	return oauth.Definition{
		DisplayName: "Hooli", PKCE: oauth.PKCE{Enabled: &on},
		AuthorizeRequest: oauth.Request{Endpoint: l.provider.URL + "/authorize"},
		TokenRequest:     oauth.Request{Endpoint: l.provider.URL + "/token", AuthMethod: oauth.AuthClientSecretBasic},
		RefreshRequest:   &oauth.Request{Endpoint: l.provider.URL + "/token", AuthMethod: oauth.AuthClientSecretBasic},
		UserInfoRequest: &oauth.UserInfo{
			Request:  oauth.Request{Endpoint: l.provider.URL + "/userinfo", AuthMethod: oauth.AuthBearerAccessToken},
			Triggers: &oauth.Triggers{OnTokenGrant: true},
		},
	}
}

// reply is an answer, read.
type reply struct {
	t       testing.TB
	status  int
	header  http.Header
	text    string
	decoded map[string]any
}

// do sends a request as a bare HTTP client does and checks what holds for every answer. Headers are
// name, value, …; without an Authorization among them the admin's key is sent.
func (l *lab) do(method, path, body string, headers ...string) reply {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := l.server.Client().Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.read(method, path, resp)
}

func (l *lab) read(method, path string, resp *http.Response) reply {
	l.t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	_, _ = l.seen.Write(text)
	got := reply{t: l.t, status: resp.StatusCode, header: resp.Header, text: string(text)}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if v := resp.Header.Get(name); v != want {
			l.t.Errorf("%s %s: got header %s %q, want %q", method, path, name, v, want)
		}
	}
	if got.status == http.StatusNoContent {
		if got.text != "" || resp.Header.Get("Content-Type") != "" {
			l.t.Errorf("%s %s: a 204 came with type %q and body %q", method, path, resp.Header.Get("Content-Type"), got.text)
		}
	} else {
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			l.t.Errorf("%s %s: got Content-Type %q, want application/json", method, path, ct)
		}
		if err := json.Unmarshal(text, &got.decoded); err != nil {
			l.t.Errorf("%s %s: %v in %s", method, path, err, text)
		}
	}
	if got.status >= 400 && resp.Header.Get("X-Request-Id") == "" && !strings.HasSuffix(path, "/v1/health") {
		l.t.Errorf("%s %s: a refusal without X-Request-Id", method, path)
	}
	l.doc.check(l.t, method, path, got)
	return got
}

// want checks the status and, for refusals, the name.
func (r reply) want(status int, name string) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("got status %d, want %d: %s", r.status, status, r.text)
	}
	if got, _ := r.decoded["name"].(string); name != "" && got != name {
		r.t.Fatalf("got name %q, want %q: %s", got, name, r.text)
	}
	return r
}

// at finds a value by the names and indexes that lead to it.
func (r reply) at(path ...any) any {
	r.t.Helper()
	var v any = r.decoded
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = v.(map[string]any)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	return v
}

func (r reply) str(path ...any) string {
	r.t.Helper()
	s, _ := r.at(path...).(string)
	return s
}

const scopesOfAlice = `["read:invoices","offline_access"]`

func authorizeBody(provider, user, scopes string) string {
	return `{"auth_requirement":{"provider_id":"` + provider + `","provider_type":"oauth2","oauth2":{"scopes":` + scopes + `}},"user_id":"` + user + `"}`
}

// pending starts an authorization of a user and gives its id.
func (l *lab) pending(user string) string {
	l.t.Helper()
	r := l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", user, scopesOfAlice)).want(200, "")
	if got := r.str("status"); got != "pending" {
		l.t.Fatalf("got status %q, want pending: %s", got, r.text)
	}
	return r.str("id")
}

// consent lets a browser walk through an authorization, up to the verifier, and gives the flow id.
func (l *lab) consent(id string) string {
	l.t.Helper()
	return l.consentAt("hooli", id)
}

func (l *lab) consentAt(redirectID, id string) string {
	l.t.Helper()
	landing, err := l.browseTo(redirectID, id)
	if err != nil {
		l.t.Fatal(err)
	}
	at, err := url.Parse(landing.Redirect)
	if err != nil {
		l.t.Fatal(err)
	}
	return at.Query().Get("flow_id")
}

// browse plays the browser: to the provider and back.
func (l *lab) browse(id string) (keybearer.Landing, error) {
	l.t.Helper()
	return l.browseTo("hooli", id)
}

func (l *lab) browseTo(redirectID, id string) (keybearer.Landing, error) {
	l.t.Helper()
	visitor := l.broker.Visitor(keybearer.NewBrowserSecret())
	to, err := visitor.Begin(l.t.Context(), keybearer.AuthorizationID(id))
	if err != nil {
		l.t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		l.t.Fatalf("the provider answered %s without a way back", resp.Status)
	}
	q := back.Query()
	return visitor.Complete(l.t.Context(), keybearer.Callback{
		RedirectID: redirectID, State: secret.New(q.Get("state")), Code: secret.New(q.Get("code")),
		Error: q.Get("error"), ErrorDescription: q.Get("error_description"),
	})
}

// connect lets a user consent and be confirmed, and gives the authorization's id.
func (l *lab) connect(user string) string {
	l.t.Helper()
	id := l.pending(user)
	l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+l.consent(id)+`","user_id":"`+user+`"}`).want(200, "")
	return id
}

// lockedBuffer takes what several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}
