package providertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

func TestAuthorizeMistakesStayOnAPageUntilTheClientIsCertain(t *testing.T) {
	b := start(t, providertest.Config{})
	for name, change := range map[string]func(url.Values){
		"unknown client":           func(q url.Values) { q.Set("client_id", "nobody") },
		"no client":                func(q url.Values) { q.Del("client_id") },
		"client twice":             func(q url.Values) { q.Add("client_id", "app") },
		"no redirect":              func(q url.Values) { q.Del("redirect_uri") },
		"redirect with slash":      func(q url.Values) { q.Set("redirect_uri", callback+"/") },
		"redirect with query":      func(q url.Values) { q.Set("redirect_uri", callback+"?a=b") },
		"redirect in capitals":     func(q url.Values) { q.Set("redirect_uri", "http://CLIENT.invalid/callback") },
		"redirect to a longer one": func(q url.Values) { q.Set("redirect_uri", "http://client.invalid.evil.invalid/callback") },
		"redirect twice":           func(q url.Values) { q.Add("redirect_uri", callback) },
	} {
		t.Run(name, func(t *testing.T) {
			q := b.request()
			change(q)
			if r := b.get(b.authorizeURL(q)); r.status != http.StatusBadRequest || r.location != nil {
				t.Errorf("got %d to %v, want 400 and no redirect", r.status, r.location)
			}
		})
	}
}

func TestAuthorizeErrorsGoBackToTheClient(t *testing.T) {
	b := start(t, providertest.Config{RequirePKCE: true, SendIss: true, Scopes: []string{"read", "write"}})
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"state twice":          {func(q url.Values) { q.Add("state", "x") }, "invalid_request"},
		"scope twice":          {func(q url.Values) { q.Add("scope", "read") }, "invalid_request"},
		"no response_type":     {func(q url.Values) { q.Del("response_type") }, "invalid_request"},
		"implicit":             {func(q url.Values) { q.Set("response_type", "token") }, "unsupported_response_type"},
		"fragment":             {func(q url.Values) { q.Set("response_mode", "fragment") }, "invalid_request"},
		"no challenge":         {func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }, "invalid_request"},
		"method only":          {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"plain":                {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"no method is plain":   {func(q url.Values) { q.Del("code_challenge_method") }, "invalid_request"},
		"challenge of no hash": {func(q url.Values) { q.Set("code_challenge", "short") }, "invalid_request"},
		"unknown scope":        {func(q url.Values) { q.Set("scope", "read everything") }, "invalid_scope"},
		"empty scope":          {func(q url.Values) { q.Set("scope", "") }, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			q := b.request()
			c.change(q)
			r := b.get(b.authorizeURL(q))
			if r.location == nil {
				t.Fatalf("got %d without a redirect: %s", r.status, r.body)
			}
			got := r.location.Query()
			if got.Get("error") != c.want || got.Has("code") || got.Get("state") != "the-state" || got.Get("iss") != b.server.URL {
				t.Errorf("got %v, want error %s with state and iss", got, c.want)
			}
		})
	}
}

func TestPersonSignsInAndConsents(t *testing.T) {
	b := start(t, providertest.Config{Decision: providertest.Decision{Answer: "ask"}})
	page := b.get(b.authorizeURL(b.request()))
	tx := b.tx(page.body)
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the page's policy is %q", csp)
	}
	if early := b.post("/authorize/consent", url.Values{"tx": {tx}, "decision": {"accept"}}); early.location != nil {
		t.Error("consent was taken before anybody signed in")
	}
	wrong := b.post("/authorize/login", url.Values{"tx": {tx}, "username": {"alice"}, "password": {"guess"}})
	if wrong.status != http.StatusUnauthorized {
		t.Errorf("wrong password: got %d, want 401", wrong.status)
	}
	consent := b.post("/authorize/login", url.Values{"tx": {tx}, "username": {"alice"}, "password": {"alice"}})
	if !strings.Contains(consent.body, "<li>write</li>") {
		t.Errorf("the consent page does not name the scopes: %s", consent.body)
	}
	back := b.post("/authorize/consent", url.Values{"tx": {tx}, "decision": {"accept"}})
	if back.location == nil || back.location.Query().Get("code") == "" {
		t.Fatalf("accept: got %d to %v", back.status, back.location)
	}
	if again := b.post("/authorize/consent", url.Values{"tx": {tx}, "decision": {"accept"}}); again.location != nil {
		t.Error("the same consent gave two codes")
	}

	tx = b.tx(b.get(b.authorizeURL(b.request())).body)
	b.post("/authorize/login", url.Values{"tx": {tx}, "username": {"bob"}, "password": {"bob"}})
	back = b.post("/authorize/consent", url.Values{"tx": {tx}, "decision": {"cancel"}})
	if got := back.location.Query().Get("error"); got != "access_denied" {
		t.Errorf("cancel: got %q, want access_denied", got)
	}

	tx = b.tx(b.get(b.authorizeURL(b.request())).body)
	b.server.Advance(10 * time.Minute)
	if late := b.post("/authorize/login", url.Values{"tx": {tx}, "username": {"bob"}, "password": {"bob"}}); late.status != http.StatusBadRequest {
		t.Errorf("a page of ten minutes ago: got %d, want 400", late.status)
	}
}

func TestMachineDecides(t *testing.T) {
	b := start(t, providertest.Config{})
	b.server.Decline()
	if got := b.get(b.authorizeURL(b.request())).location.Query().Get("error"); got != "access_denied" {
		t.Errorf("decline: got %q, want access_denied", got)
	}
	b.server.Approve("bob")
	access, _ := b.login()
	if got := b.bearer("/userinfo", access).text(t, "sub"); got != "bob" {
		t.Errorf("approved as bob: got %q", got)
	}
	b.server.Approve("")
	q := b.request()
	q.Set("login_hint", "bob")
	b.get(b.authorizeURL(q))
	if last, _ := b.server.History().Last(providertest.Authorize); last.User != "bob" {
		t.Errorf("login_hint: got %q, want bob", last.User)
	}
}

func TestAuthorizationIsRecorded(t *testing.T) {
	b := start(t, providertest.Config{})
	q := b.request()
	q.Set("resource", "https://api.example.com")
	b.get(b.authorizeURL(q))
	got, ok := b.server.History().Last(providertest.Authorize)
	if !ok || got.Outcome != providertest.Approved || got.Client != "app" || got.User != "alice" {
		t.Fatalf("got %+v", got)
	}
	for name, want := range map[string]string{
		"code_challenge": challenge(verifier), "resource": "https://api.example.com",
		"scope": "read write", "state": providertest.Hash("the-state"),
	} {
		if got.Param(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Param(name), want)
		}
	}
	if back, ok := b.server.History().Last(providertest.Callback); !ok || back.Path != callback || !strings.HasPrefix(back.Param("code"), "sha256:") {
		t.Errorf("the way back: got %+v", back)
	}
}

func TestPublicClientOnLoopbackMayUseAnyPort(t *testing.T) {
	b := start(t, providertest.Config{Clients: []providertest.Client{
		{ID: "cli", Public: true, RedirectURIs: []string{"http://127.0.0.1/done"}},
		{ID: "web", RedirectURIs: []string{"http://127.0.0.1/done"}},
	}})
	for _, c := range []struct {
		client, redirect string
		ok               bool
	}{
		{"cli", "http://127.0.0.1:54321/done", true},
		{"cli", "http://127.0.0.1:54321/else", false},
		{"cli", "http://localhost:54321/done", false},
		{"cli", "http://user@127.0.0.1:54321/done", false},
		{"web", "http://127.0.0.1:54321/done", false},
	} {
		q := b.request()
		q.Set("client_id", c.client)
		q.Set("redirect_uri", c.redirect)
		if r := b.get(b.authorizeURL(q)); (r.location != nil) != c.ok {
			t.Errorf("%s to %s: got a redirect %t, want %t", c.client, c.redirect, r.location != nil, c.ok)
		}
	}
}

func TestFormPostIsServedWhenAskedFor(t *testing.T) {
	b := start(t, providertest.Config{})
	q := b.request()
	q.Set("response_mode", "form_post")
	r := b.get(b.authorizeURL(q))
	for _, part := range []string{`method="post" action="` + callback + `"`, `name="state" value="the-state"`, `name="code"`} {
		if !strings.Contains(r.body, part) {
			t.Errorf("the page lacks %s: %s", part, r.body)
		}
	}
}
