package catalog_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// listener answers every request with one text, and remembers what came.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	answer string
	got    []heard
}

type heard struct {
	method, path, format string
	header               http.Header
	params               map[string]string
}

func newListener(t *testing.T) *listener {
	l := &listener{}
	l.Server = httptest.NewTLSServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	h := heard{method: r.Method, path: r.URL.Path, format: r.Header.Get("Content-Type"), header: r.Header, params: map[string]string{}}
	if h.format == oauth.ContentJSON {
		_ = json.Unmarshal(body, &h.params)
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		for name := range form {
			h.params[name] = form.Get(name)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, h)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, l.answer)
}

// client is one of a bundled kind whose endpoints are those of the listener, paths kept.
func (l *listener) client(t *testing.T, kind, answer string) *oauth.Client {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer, l.got = answer, nil
	d, ok := catalog.Definition(kind)
	if !ok {
		t.Fatalf("there is no %s", kind)
	}
	here := func(endpoint string) string {
		u, err := url.Parse(strings.Replace(endpoint, "{{server_url}}", l.URL, 1))
		if err != nil || endpoint == "" {
			return endpoint
		}
		return l.URL + u.Path
	}
	over := oauth.Definition{TokenRequest: oauth.Request{Endpoint: here(d.TokenRequest.Endpoint)}}
	if r := d.RefreshRequest; r != nil {
		over.RefreshRequest = &oauth.Request{Endpoint: here(r.Endpoint)}
	}
	if r := d.DeviceRequest; r != nil {
		over.DeviceRequest = &oauth.Request{Endpoint: here(r.Endpoint)}
	}
	if r := d.RevokeRequest; r != nil {
		over.RevokeRequest = &oauth.Request{Endpoint: here(r.Endpoint)}
	}
	if u := d.UserInfoRequest; u != nil {
		over.UserInfoRequest = &oauth.UserInfo{Request: oauth.Request{Endpoint: here(u.Endpoint)}}
	}
	d = d.Override(over)
	return &oauth.Client{Definition: &d, ID: "the-client", Secret: secret.New("the-secret"), RedirectURI: redirectURI, HTTP: l.Client()}
}

func (l *listener) last(t *testing.T) heard {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) == 0 {
		t.Fatal("nothing was sent")
	}
	return l.got[len(l.got)-1]
}

const plainAnswer = `{"access_token":"an-access-token","token_type":"Bearer","expires_in":3600,"refresh_token":"a-refresh-token"}`

func TestKindsAuthenticateOnceAndAsDocumented(t *testing.T) {
	l := newListener(t)
	basic := []string{"bitbucket", "discord", "figma", "notion", "slack", "spotify", "zoom"}
	for _, kind := range catalog.Kinds() {
		if d, _ := catalog.Definition(kind); d.KeysOnly() {
			continue
		}
		c := l.client(t, kind, plainAnswer)
		check := func(what string, err error) {
			t.Helper()
			got := l.last(t)
			inHeader, inBody := got.header.Get("Authorization") != "", got.params["client_secret"] != ""
			if err != nil || got.method != http.MethodPost || inHeader == inBody || inHeader != slices.Contains(basic, kind) {
				t.Errorf("%s: %s: %v, credentials in the header %v, in the body %v; want Basic of %v", kind, what, err, inHeader, inBody, basic)
			}
			if (got.format == oauth.ContentJSON) != (kind == "notion") {
				t.Errorf("%s: %s: got a body of %s", kind, what, got.format)
			}
		}
		var verifier secret.String
		if c.Definition.PKCE.On() == slices.Contains(odd()[kind], "pkce") {
			t.Errorf("%s: PKCE is on: %v, want the contrary", kind, c.Definition.PKCE.On())
		}
		if c.Definition.PKCE.On() {
			verifier = oauth.NewVerifier()
		}
		_, err := c.Exchange(t.Context(), secret.New("the-code"), verifier, nil)
		check("exchange", err)
		if got := l.last(t).params; got["code"] != "the-code" || got["code_verifier"] != verifier.Reveal() || got["redirect_uri"] != redirectURI {
			t.Errorf("%s: the exchange lacks code, verifier or redirect URI", kind)
		}
		_, err = c.Refresh(t.Context(), secret.New("a-refresh-token"), secret.New("an-access-token"), nil)
		check("refresh", err)
		if got := l.last(t).params; got["refresh_token"] != "a-refresh-token" || got["grant_type"] != "refresh_token" {
			t.Errorf("%s: the refresh lacks its token or grant type", kind)
		}
	}
}

func TestDeviceCodesAreAskedForWithoutTheSecretInTheBody(t *testing.T) {
	l := newListener(t)
	var kinds []string
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		if !d.AuthorizesDevices() {
			continue
		}
		kinds = append(kinds, kind)
		c := l.client(t, kind, `{"device_code":"a-device-code","user_code":"WDJB-MJHT","verification_uri":"https://login.example.com/device"}`)
		_, err := c.AuthorizeDevice(t.Context(), []string{"read"})
		got := l.last(t)
		if err != nil || got.params["client_id"] != "the-client" || got.params["client_secret"] != "" || (got.params["scope"] == "") != (kind == "zoom") {
			t.Errorf("%s: %v; the request has %d parameters", kind, err, len(got.params))
		}
		l.client(t, kind, plainAnswer)
		_, err = c.PollDevice(t.Context(), oauth.DeviceAuthorization{DeviceCode: secret.New("a-device-code")}, nil)
		if got := l.last(t); err != nil || got.params["device_code"] != "a-device-code" || got.params["grant_type"] != oauth.GrantTypeDevice {
			t.Errorf("%s: %v; the poll has %d parameters", kind, err, len(got.params))
		}
	}
	want := []string{"github", "github-enterprise-server", "gitlab", "gitlab-self-managed", "google", "microsoft", "sentry", "zoom"}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

func TestUserInfoNamesTheAccount(t *testing.T) {
	l := newListener(t)
	for kind, c := range map[string]struct{ answer, method, id string }{
		"github":  {`{"login":"alice","id":1}`, "GET", `"id":1`},
		"linear":  {`{"data":{"viewer":{"id":"u1","name":"Alice"}}}`, "POST", `"id":"u1"`},
		"asana":   {`{"data":{"gid":"u1","name":"Alice"}}`, "GET", `"id":"u1"`},
		"dropbox": {`{"account_id":"u1"}`, "POST", `"account_id":"u1"`},
		"slack":   {`{"ok":true,"user_id":"U1"}`, "GET", `"user_id":"U1"`},
		"notion":  {`{"object":"user","id":"u1"}`, "GET", `"id":"u1"`},
	} {
		info, err := l.client(t, kind, c.answer).UserInfo(t.Context(), secret.New("an-access-token"))
		got := l.last(t)
		if err != nil || !strings.Contains(string(info), c.id) || got.method != c.method || got.header.Get("Authorization") != "Bearer an-access-token" {
			t.Errorf("%s: got %s, %v by %s; want %s by %s", kind, info, err, got.method, c.id, c.method)
		}
		if kind == "dropbox" && (got.format != "" || len(got.params) > 0) {
			t.Errorf("dropbox: got a body of %q, want none: it refuses forms", got.format)
		}
		if kind == "notion" && got.header.Get("Notion-Version") == "" {
			t.Error("notion: got no version, which every request needs")
		}
		if kind == "linear" && !strings.Contains(got.params["query"], "viewer") {
			t.Errorf("linear: got %v, want a query", got.params)
		}
	}
}

func TestSlackGivesTheBotsTokenOrElseThePersons(t *testing.T) {
	l := newListener(t)
	for want, text := range map[string]string{
		"the-bots":    `{"ok":true,"access_token":"the-bots","token_type":"bot","scope":"channels:read,users:read","authed_user":{"id":"U1","access_token":"the-persons","scope":"search:read"}}`,
		"the-persons": `{"ok":true,"authed_user":{"id":"U1","access_token":"the-persons","token_type":"user","scope":"search:read"}}`,
	} {
		answer, err := l.client(t, "slack", text).Exchange(t.Context(), secret.New("the-code"), secret.String{}, nil)
		if err != nil || answer.AccessToken.Reveal() != want {
			t.Errorf("got another token, or %v; want %s", err, want)
		}
		if want == "the-persons" && !slices.Equal(answer.Scopes, []string{"search:read"}) {
			t.Errorf("got the scopes %q of another token", answer.Scopes)
		}
	}
	_, err := l.client(t, "slack", `{"ok":false,"error":"invalid_code"}`).Exchange(t.Context(), secret.New("the-code"), secret.String{}, nil)
	wantError(t, err, oauth.Reconsent, "start the authorization again")
}

func TestGitHubSeparatesGrantedScopesByCommas(t *testing.T) {
	l := newListener(t)
	c := l.client(t, "github", `{"access_token":"gho_an-access-token","token_type":"bearer","scope":"read:user,repo"}`)
	answer, err := c.Exchange(t.Context(), secret.New("the-code"), oauth.NewVerifier(), []string{"repo", "read:user"})
	if err != nil || !slices.Equal(answer.Scopes, []string{"read:user", "repo"}) || !answer.ExpiresAt.IsZero() || len(answer.Warnings) > 0 {
		t.Errorf("got %q until %s, %v, warnings %q; want both scopes without an end", answer.Scopes, answer.ExpiresAt, err, answer.Warnings)
	}
	_, err = l.client(t, "github", `{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired."}`).
		Exchange(t.Context(), secret.New("the-code"), oauth.NewVerifier(), nil)
	wantError(t, err, oauth.Reconsent, "start the authorization again")
}

func TestMovedKindsLeaveNoEndpointBehind(t *testing.T) {
	const base = "https://sandbox.example.com:9443"
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		text, err := json.Marshal(d.Install(d.Moved(base)))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`"endpoint":"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(match[1], base+"/") {
				t.Errorf("%s: %s stayed where it was", kind, match[1])
			}
		}
	}
}
