package pages_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// verifier and challenge are those of RFC 7636, appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	agentBack = "http://127.0.0.1:7999/callback"
)

// agent is a client that asks to be let in: it gives the address of the page.
func (l *lab) agent(change func(url.Values)) string {
	l.t.Helper()
	c, err := l.broker.RegisterClient(l.t.Context(), keybearer.ClientDraft{Name: "Agent <b>Smith</b>", RedirectURIs: []string{agentBack, "agent://back"}})
	if err != nil {
		l.t.Fatal(err)
	}
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {agentBack}, "state": {"st&te"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	if change != nil {
		change(q)
	}
	return l.url + "/oauth/authorize?" + q.Encode()
}

// next is where a page leads by itself.
func next(t *testing.T, a answer) *url.URL {
	t.Helper()
	u, err := url.Parse(a.leaves(t))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestPersonSignsInAndLetsAClientIn(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice")
	b := newBrowser(t)
	page := l.agent(nil)
	expect(t, b.get(page), 200, "Sign in", "Agent &lt;b&gt;Smith&lt;/b&gt;")
	expect(t, b.post(page, url.Values{"user_id": {"alice"}, "password": {"wrong password"}}), 401, "is wrong")
	ask := b.post(page, url.Values{"user_id": {"alice"}, "password": {passwordOf}})
	expect(t, ask, 200, "Let Agent &lt;b&gt;Smith&lt;/b&gt; in?", "127.0.0.1:7999", "/mcp", "alice")
	expect(t, b.get(page), 200, "Let it in") // who is signed in is asked at once
	back := next(t, b.post(page, url.Values{"decision": {"allow"}}))
	if back.Host != "127.0.0.1:7999" || back.Query().Get("state") != "st&te" || back.Query().Get("iss") != l.broker.Issuer() {
		t.Fatalf("the browser went to %s", back)
	}
	q, _ := url.Parse(page)
	tokens, err := l.broker.RedeemClientCode(t.Context(), q.Query().Get("client_id"), agentBack, "", secret.New(back.Query().Get("code")), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	c, user, _, err := l.broker.ClientCaller(t.Context(), tokens.Access, l.broker.Issuer()+"/mcp")
	if err != nil || user != "alice" || c.Admin {
		t.Errorf("got %+v for %s, %v", c, user, err)
	}
	if strings.Contains(l.log.String(), back.Query().Get("code")) {
		t.Error("the log has a code in it")
	}
}

func TestPersonDoesNotLetAClientIn(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice")
	b := newBrowser(t)
	page := l.agent(func(q url.Values) { q.Set("redirect_uri", "agent://back") })
	b.post(page, url.Values{"user_id": {"alice"}, "password": {passwordOf}})
	back := next(t, b.post(page, url.Values{"decision": {"deny"}}))
	if back.Scheme != "agent" || back.Query().Get("error") != "access_denied" || back.Query().Get("code") != "" {
		t.Errorf("the browser went to %s", back)
	}
}

func TestNobodyIsLetInWithoutAPersonsButton(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice")
	page := l.agent(nil)
	expect(t, newBrowser(t).post(page, url.Values{"decision": {"allow"}}), 200, "Sign in")
	b := newBrowser(t)
	b.post(page, url.Values{"user_id": {"alice"}, "password": {passwordOf}})
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}} {
		expect(t, b.post(page, url.Values{"decision": {"allow"}}, headers...), 403)
	}
	asked := b.get(page)
	if got := asked.Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("the page may be framed: %s", got)
	}
}

func TestRequestOfAClientThatIsWrongLeadsNowhereElse(t *testing.T) {
	l := newLab(t, options{})
	b := newBrowser(t)
	for what, change := range map[string]func(url.Values){
		"an unknown client": func(q url.Values) { q.Set("client_id", "mcp_none") },
		"another place":     func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") },
		"two places":        func(q url.Values) { q.Add("redirect_uri", "https://evil.example/") },
		"a long one":        func(q url.Values) { q.Set("state", strings.Repeat("x", 9000)) },
	} {
		got := b.get(l.agent(change))
		if got.StatusCode != 400 || strings.Contains(got.body, `url=https://evil`) || strings.Contains(got.body, `href="https://evil`) {
			t.Errorf("%s: got %d", what, got.StatusCode)
		}
	}
	withoutPKCE := l.agent(func(q url.Values) { q.Del("code_challenge") })
	expect(t, b.get(withoutPKCE), 400) // nobody is signed in: a link to here must not lead to where a stranger wants
	l.account("alice")
	b.post(l.agent(nil), url.Values{"user_id": {"alice"}, "password": {passwordOf}})
	back := next(t, b.get(withoutPKCE))
	if back.Host != "127.0.0.1:7999" || back.Query().Get("error") != "invalid_request" {
		t.Errorf("without PKCE the browser went to %s", back)
	}
}
