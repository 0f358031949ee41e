package providertest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/providertest"
)

const (
	callback = "http://client.invalid/callback"
	verifier = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFG"
	other    = "another-verifier-0123456789-0123456789-0123"
)

// bench is a server under test, a careful client and the browser beside it.
type bench struct {
	t      *testing.T
	server *providertest.Running
	client providertest.Client
	http   *http.Client
}

func start(t *testing.T, c providertest.Config) *bench {
	t.Helper()
	if c.Clients == nil {
		c.Clients = []providertest.Client{{ID: "app", RedirectURIs: []string{callback}}}
	}
	if c.Decision.Answer == "" {
		c.Decision.Answer = "approve"
	}
	server := providertest.Start(t, c)
	client, _ := server.Registered(c.Clients[0].ID)
	// One connection per request: net/http repeats a GET by itself when a
	// connection that it kept alive breaks.
	transport := server.Client.Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &bench{t, server, client, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a correct authorization request as a query.
func (b *bench) request() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {b.client.ID}, "redirect_uri": {callback}, "scope": {"read write"},
		"state": {"the-state"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}
}

func (b *bench) authorizeURL(q url.Values) string { return b.server.URL + "/authorize?" + q.Encode() }

type reply struct {
	status   int
	body     string
	header   http.Header
	location *url.URL
	err      error // of the connection or of reading the body
}

func (r reply) oauthError() string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(r.body), &e)
	return e.Error
}

func (r reply) members(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("answer %d %.200q: %v", r.status, r.body, err)
	}
	return m
}

func (r reply) text(t *testing.T, name string) string {
	t.Helper()
	s, _ := r.members(t)[name].(string)
	return s
}

func (b *bench) do(req *http.Request) reply {
	b.t.Helper()
	res, err := b.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	r := reply{status: res.StatusCode, body: string(body), header: res.Header, err: err}
	if to := res.Header.Get("Location"); to != "" {
		r.location, err = url.Parse(to)
		r.err = errors.Join(r.err, err)
	}
	return r
}

func (b *bench) get(url string) reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

func (b *bench) bearer(path, token string) reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return b.do(req)
}

// post sends a form; prepare may change the request.
func (b *bench) post(path string, form url.Values, prepare ...func(*http.Request)) reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, change := range prepare {
		change(req)
	}
	return b.do(req)
}

// authenticated adds the client's credentials to a form.
func (b *bench) authenticated(form url.Values) url.Values {
	form.Set("client_id", b.client.ID)
	if b.client.Secret != "" {
		form.Set("client_secret", b.client.Secret)
	}
	return form
}

// code gets a code from the approving machine.
func (b *bench) code() string {
	b.t.Helper()
	r := b.get(b.authorizeURL(b.request()))
	if r.location == nil || r.location.Query().Get("code") == "" {
		b.t.Fatalf("authorize: got %d to %v, want a code: %s", r.status, r.location, r.body)
	}
	return r.location.Query().Get("code")
}

func (b *bench) codeForm(code string) url.Values {
	return b.authenticated(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	})
}

func (b *bench) refreshForm(token string) url.Values {
	return b.authenticated(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (b *bench) exchange() reply { b.t.Helper(); return b.post("/token", b.codeForm(b.code())) }

func (b *bench) refresh(token string) reply {
	b.t.Helper()
	return b.post("/token", b.refreshForm(token))
}

// login is the whole way; it returns access and refresh token.
func (b *bench) login() (access, refresh string) {
	b.t.Helper()
	r := b.exchange()
	if r.status != http.StatusOK {
		b.t.Fatalf("exchange: got %d %s", r.status, r.body)
	}
	return r.text(b.t, "access_token"), r.text(b.t, "refresh_token")
}

// tx finds the name of the waiting request in a page.
func (b *bench) tx(page string) string {
	b.t.Helper()
	m := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		b.t.Fatalf("the page has no form: %s", page)
	}
	return m[1]
}

func want(t *testing.T, what string, r reply, status int, code string) {
	t.Helper()
	if r.status != status || r.oauthError() != code {
		t.Errorf("%s: got %d %q (%.200s), want %d %q", what, r.status, r.oauthError(), r.body, status, code)
	}
}
