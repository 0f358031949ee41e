package atlassiantest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const (
	callback = "http://client.invalid/callback"
	verifier = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFG"
)

// client is a careful 3LO client and the browser beside it.
type client struct {
	t      *testing.T
	server *atlassiantest.Running
	app    atlassiantest.App
	http   *http.Client
}

func newClient(t *testing.T, c atlassiantest.Config) *client {
	t.Helper()
	if len(c.Apps) == 0 {
		app := atlassiantest.DefaultApp()
		app.Callbacks = []string{callback}
		c.Apps = []atlassiantest.App{app}
	}
	server := atlassiantest.Start(t, c)
	app, _ := server.App(server.Apps()[0].ID)
	jar, _ := cookiejar.New(nil)
	return &client{t, server, app, &http.Client{
		Jar:       jar,
		Transport: server.Client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// ask is a correct authorization request; change overrides parameters, an
// empty value takes one out.
func (c *client) ask(change map[string]string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{}
	for k, v := range map[string]string{
		"audience": "api.atlassian.com", "client_id": c.app.ID, "scope": "read:me read:jira-user offline_access",
		"redirect_uri": callback, "state": "the-state", "response_type": "code", "prompt": "consent",
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	} {
		q.Set(k, v)
	}
	for k, v := range change {
		q.Set(k, v)
		if v == "" {
			q.Del(k)
		}
	}
	return c.server.URL + "/authorize?" + q.Encode()
}

type reply struct {
	status   int
	body     string
	location *url.URL // nil when there was no redirect
	header   http.Header
}

func (c *client) do(req *http.Request) reply {
	c.t.Helper()
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	r := reply{status: res.StatusCode, body: string(body), header: res.Header}
	if to := res.Header.Get("Location"); to != "" {
		r.location, err = url.Parse(to)
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return r
}

func (c *client) get(url, token string) reply {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return c.do(req)
}

func (c *client) postForm(url string, form url.Values) reply {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(req)
}

// decode reads the JSON of an answer that has to be a success.
func decode(t *testing.T, r reply, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil || r.status/100 != 2 {
		t.Fatalf("got %d %s (%v)", r.status, r.body, err)
	}
}

// code lets the machine approve and returns the code.
func (c *client) code(change map[string]string) string {
	c.t.Helper()
	if c.server.Decision().Answer == "" {
		c.server.Approve("alice")
	}
	r := c.get(c.ask(change), "")
	if r.location == nil {
		c.t.Fatalf("authorize: got status %d without a redirect: %s", r.status, r.body)
	}
	return r.location.Query().Get("code")
}

type tokens struct {
	Status       int
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	ExpiresIn    int    `json:"expires_in"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

// token posts to the token endpoint, with the credentials unless overridden.
func (c *client) token(params map[string]string) tokens {
	c.t.Helper()
	all := map[string]string{"client_id": c.app.ID, "client_secret": c.app.Secret}
	maps.Copy(all, params)
	body, err := json.Marshal(all)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, c.server.URL+"/oauth/token", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	r := c.do(req)
	var out tokens
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		c.t.Fatalf("token answer %d %q: %v", r.status, r.body, err)
	}
	out.Status = r.status
	return out
}

func (c *client) exchange(code string) tokens {
	c.t.Helper()
	return c.token(map[string]string{
		"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier,
	})
}

func (c *client) refresh(token string) tokens {
	c.t.Helper()
	return c.token(map[string]string{"grant_type": "refresh_token", "refresh_token": token})
}

// login is the whole way to tokens.
func (c *client) login(change map[string]string) tokens {
	c.t.Helper()
	got := c.exchange(c.code(change))
	if got.Status != http.StatusOK {
		c.t.Fatalf("exchange: got %d %s %s, want 200", got.Status, got.Error, got.Description)
	}
	return got
}

func TestPersonClicksThrough(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	page := c.get(c.ask(nil), "")
	if page.status != http.StatusOK || !strings.Contains(page.body, "Alice Adams") {
		t.Fatalf("login page: got %d without Alice", page.status)
	}
	tx := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(page.body)
	if tx == nil {
		t.Fatal("the login page has no form")
	}
	page = c.postForm(c.server.URL+"/authorize/account", url.Values{"tx": {tx[1]}, "account": {"alice"}})
	for _, want := range []string{"read:jira-user", "sandbox-teahouse", "sandbox-garden", "Accept", "Cancel", "client.invalid"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the consent page does not show %q", want)
		}
	}
	site := atlassiantest.DefaultSites()[1]
	form := url.Values{"tx": {tx[1]}, "site": {site.ID}, "decision": {"accept"}}
	back := c.postForm(c.server.URL+"/authorize/consent", form)
	if back.location == nil || back.location.Query().Get("state") != "the-state" {
		t.Fatalf("consent: got %d to %v, want a redirect with the state", back.status, back.location)
	}
	if again := c.postForm(c.server.URL+"/authorize/consent", form); again.location != nil {
		t.Error("the consent form was accepted twice")
	}

	got := c.exchange(back.location.Query().Get("code"))
	if got.Status != http.StatusOK || got.ExpiresIn != 3600 || got.RefreshToken == "" {
		t.Fatalf("exchange: got %d, expires_in %d, refresh token %t", got.Status, got.ExpiresIn, got.RefreshToken != "")
	}
	sites := c.get(c.server.URL+"/oauth/token/accessible-resources", got.AccessToken)
	if !strings.Contains(sites.body, site.ID) || strings.Contains(sites.body, atlassiantest.DefaultSites()[0].ID) {
		t.Errorf("sites: got %s, want the chosen one only", sites.body)
	}
	if me := c.get(c.server.URL+"/me", got.AccessToken); !strings.Contains(me.body, `"email":"alice@example.com"`) {
		t.Errorf("me: got %d %s", me.status, me.body)
	}
	if myself := c.get(c.server.URL+"/ex/jira/"+site.ID+"/rest/api/3/myself", got.AccessToken); myself.status != http.StatusOK {
		t.Errorf("myself: got %d %s", myself.status, myself.body)
	}
}

func TestRotationLeewayAndReuse(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	first := c.login(nil)
	second := c.refresh(first.RefreshToken)
	if second.Status != http.StatusOK || second.RefreshToken == first.RefreshToken {
		t.Fatalf("refresh: got %d, same token %t, want a new one", second.Status, second.RefreshToken == first.RefreshToken)
	}
	c.server.Advance(9 * time.Minute)
	if again := c.refresh(first.RefreshToken); again.Status != http.StatusOK || again.RefreshToken == second.RefreshToken {
		t.Fatalf("within the leeway: got %d, want a fresh pair", again.Status)
	}
	c.server.Advance(2 * time.Minute)
	if late := c.refresh(first.RefreshToken); late.Status != http.StatusForbidden || late.Error != "unauthorized_client" {
		t.Fatalf("after the leeway: got %d %s, want 403 unauthorized_client", late.Status, late.Error)
	}
	if dead := c.refresh(second.RefreshToken); dead.Status != http.StatusForbidden {
		t.Errorf("the family survived a reuse: got %d", dead.Status)
	}
	h := c.server.History()
	if got := h.Rotations(""); got != 1 {
		t.Errorf("rotations: got %d, want 1", got)
	}
	if got := h.Reuses(); got != 2 {
		t.Errorf("reuses: got %d, want 2 (one in the leeway, one after it)", got)
	}
	if got := h.Families(); !slices.Equal(got, []string{"family-1"}) {
		t.Errorf("families: got %v", got)
	}
}

func TestHistoryHasNoSecret(t *testing.T) {
	c := newClient(t, atlassiantest.Config{})
	code := c.code(nil)
	got := c.exchange(code)
	next := c.refresh(got.RefreshToken)
	c.get(c.server.URL+"/me", next.AccessToken)
	history, err := json.Marshal(c.server.History().All())
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{
		"client secret": c.app.Secret, "code": code, "verifier": verifier, "state": "the-state",
		"refresh token": got.RefreshToken, "access token": next.AccessToken,
	} {
		if bytes.Contains(history, []byte(secret)) {
			t.Errorf("the history contains the %s", what)
		}
	}
	last, _ := c.server.History().Last(providertest.Token)
	if last.Param("refresh_token") != providertest.Hash(got.RefreshToken) {
		t.Error("the history does not know the refresh token by its hash")
	}
}
