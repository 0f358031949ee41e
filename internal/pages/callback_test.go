package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/providertest"
)

func TestClickThroughToTheSuccessPage(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	back := b.get(b.consent(l, a))
	if to := back.location(t); to != "/success" {
		t.Fatalf("got %s, want /success, without code and state", to)
	}
	expect(t, b.get(l.url+"/success"), 200, "Hooli is connected", "alice@example.com", "close this page")
	if got := l.status(a); got != keybearer.AuthorizationCompleted {
		t.Errorf("got status %s, want completed", got)
	}
	if got := newBrowser(t).get(l.url + "/success"); strings.Contains(got.body, "alice") || got.StatusCode != 200 {
		t.Errorf("a strange browser got %d:\n%s", got.StatusCode, got.body)
	}
}

func TestCallbackGoesOnToTheApp(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("https://app.example.com/done?x=1")
	b := newBrowser(t)
	if to := b.get(b.consent(l, a)).location(t); to != "https://app.example.com/done?x=1" {
		t.Errorf("got %s, want the app's next_uri", to)
	}
}

func TestCallbackGoesOnToACustomVerifier(t *testing.T) {
	l := newLab(t, options{verify: keybearer.Verification{VerifierURL: "https://app.example.com/verify?tenant=1"}})
	a := l.authorize("")
	b := newBrowser(t)
	to := b.get(b.consent(l, a)).location(t)
	flow := query(t, to, "flow_id")
	if !strings.HasPrefix(to, "https://app.example.com/verify?") || query(t, to, "tenant") != "1" || !strings.HasPrefix(flow, "af_") {
		t.Fatalf("got %s, want the verifier with its own query and a flow_id", to)
	}
	if strings.Contains(to, string(a.ID)) || strings.Contains(to, "alice") {
		t.Errorf("%s tells the app more than flow_id", to)
	}
	if _, err := l.app().Confirm(t.Context(), keybearer.FlowID(flow), a.User); err != nil {
		t.Error(err)
	}
}

func TestSharedCallback(t *testing.T) {
	l := newLab(t, options{verify: skipVerification(), config: func(c *keybearer.Config) { c.SharedCallback = true }})
	a := l.authorize("")
	b := newBrowser(t)
	back := b.consent(l, a)
	if !strings.HasPrefix(back, l.url+"/api/v1/oauth/callback?") {
		t.Fatalf("the provider goes back to %s, want the shared address", back)
	}
	if to := b.get(back).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
}

// A refused callback leaves the flow as it was: a new visit of the start page completes it.
func TestCallbackThatDoesNotBelongHere(t *testing.T) {
	replace := func(name, value string) func(*url.URL) {
		return func(u *url.URL) {
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
		}
	}
	for _, c := range []struct {
		name   string
		bend   func(*url.URL)
		cookie string // in place of the browser's own; "-" means none
		status int
		say    string
	}{
		{name: "state unknown", bend: replace("state", "this-state-was-never-made-here-at-all"), status: 400, say: "does not fit"},
		{name: "state missing", bend: func(u *url.URL) { u.RawQuery = "code=abc" }, status: 400, say: "does not fit"},
		{name: "nothing at all", bend: func(u *url.URL) { u.RawQuery = "" }, status: 400, say: "does not fit"},
		{name: "state twice", bend: func(u *url.URL) { u.RawQuery += "&state=another" }, status: 400, say: "more than once"},
		{name: "code twice", bend: func(u *url.URL) { u.RawQuery += "&code=another" }, status: 400, say: "more than once"},
		{name: "error twice", bend: func(u *url.URL) { u.RawQuery += "&error=a&error=a" }, status: 400, say: "more than once"},
		{name: "no cookie", cookie: "-", status: 400, say: "brought none of our cookies"},
		{name: "another browser's cookie", cookie: "another-browser-with-a-secret-of-its-own-0000", status: 400, say: "does not fit"},
		{name: "a forged constant", cookie: "keybearer", status: 400, say: "does not fit"},
		{name: "another provider's address", bend: func(u *url.URL) { u.Path = "/api/v1/oauth/other/callback" }, status: 400, say: "does not fit"},
		{name: "another issuer", bend: replace("iss", "https://elsewhere.invalid"), status: 400, say: "another authorization server"},
		{name: "huge code", bend: replace("code", strings.Repeat("c", 9<<10)), status: 413, say: "longer than"},
		{name: "huge state", bend: replace("state", strings.Repeat("s", 1000)), status: 413, say: "longer than"},
		{name: "huge query", bend: replace("x", strings.Repeat("x", 20<<10)), status: 413, say: "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, options{verify: skipVerification()})
			a := l.authorize("")
			b := newBrowser(t)
			back, err := url.Parse(b.consent(l, a))
			if err != nil {
				t.Fatal(err)
			}
			state, code := back.Query().Get("state"), back.Query().Get("code")
			if c.bend != nil {
				c.bend(back)
			}
			visitor, headers := b, []string{}
			if c.cookie != "" {
				visitor = newBrowser(t)
			}
			if c.cookie != "" && c.cookie != "-" {
				headers = []string{"Cookie", "keybearer=" + c.cookie}
			}
			got := visitor.get(back.String(), headers...)
			expect(t, got, c.status, c.say, "What to do", "Reference")
			noneOf(t, got.body+l.log.String(), state, code)
			if n := l.provider.History().Calls(providertest.Token); n != 0 {
				t.Errorf("the code was redeemed %d times", n)
			}
			if now := l.status(a); now != keybearer.AuthorizationPending {
				t.Errorf("the flow is %s, want pending still", now)
			}
			if to := b.get(b.consent(l, a)).location(t); to != "/success" {
				t.Errorf("afterwards: got %s, want /success", to)
			}
		})
	}
}

func noneOf(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if len(s) >= 6 && strings.Contains(text, s) {
			t.Errorf("a secret of the callback was shown:\n%s", text)
		}
	}
}

func TestStateWorksOnce(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	back := b.consent(l, l.authorize(""))
	b.get(back)
	expect(t, b.get(back), 400, "does not fit", "already finished")
	if n := l.provider.History().Calls(providertest.Token); n != 1 {
		t.Errorf("the code was redeemed %d times, want once", n)
	}
}

func TestOfManyCallbacksOneIsTaken(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	back := b.consent(l, l.authorize(""))
	const many = 50
	codes := make(chan int, many)
	var all sync.WaitGroup
	for range many {
		all.Go(func() { codes <- b.get(back).StatusCode })
	}
	all.Wait()
	close(codes)
	landed := 0
	for code := range codes {
		if code == http.StatusSeeOther {
			landed++
		}
	}
	if n := l.provider.History().Calls(providertest.Token); landed != 1 || n != 1 {
		t.Errorf("%d callbacks landed and the code was redeemed %d times, want 1 and 1", landed, n)
	}
}

func TestIssuerIsAccepted(t *testing.T) {
	l := newLab(t, options{verify: skipVerification(), issuer: true})
	b := newBrowser(t)
	back := b.consent(l, l.authorize(""))
	if query(t, back, "iss") == "" {
		t.Fatal("the provider sent no iss: nothing is tested")
	}
	if to := b.get(back).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
}

func TestUserDeclines(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	l.provider.Decline()
	got := b.get(b.provider(b.begin(a)))
	expect(t, got, 400, "Access was not granted", "access_denied", "start again")
	if now := l.status(a); now != keybearer.AuthorizationFailure {
		t.Errorf("got status %s, want failed", now)
	}
	expect(t, b.get(a.URL), 400, "Access was not granted")
}

func TestCallbackAfterTheTimeIsOver(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	back := b.consent(l, l.authorize(""))
	l.clock.advance(2 * time.Hour)
	expect(t, b.get(back), 400, "over")
}

func TestProvidersWordsAreEscapedBoundedAndRidOfSecrets(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	state := query(t, b.begin(a), "state")
	q := url.Values{
		"state": {state}, "error": {"server_error"},
		"error_description": {`<script>alert(1)</script> "&' your state ` + state + " \u202e\x00 " + strings.Repeat("long ", 400)},
		"error_uri":         {"javascript:alert(1)"},
	}
	got := b.get(l.url + "/api/v1/oauth/hooli/callback?" + q.Encode())
	expect(t, got, 400, "&lt;script&gt;")
	for _, bad := range []string{"<script", "javascript:", state, "\u202e", "\x00", strings.Repeat("long ", 200)} {
		if strings.Contains(got.body, bad) {
			t.Errorf("the page contains %q:\n%s", bad, got.body)
		}
	}
	noneOf(t, l.log.String(), state)
}

// The words of somebody who only made up a link are not shown at all.
func TestMadeUpDescriptionIsNotShown(t *testing.T) {
	l := newLab(t, options{})
	got := newBrowser(t).get(l.url + "/api/v1/oauth/hooli/callback?state=made-up-state-0000&error=access_denied&error_description=Call+0800+555")
	expect(t, got, 400)
	if strings.Contains(got.body, "0800") {
		t.Errorf("the page repeats what a stranger wrote:\n%s", got.body)
	}
}

func TestExchangeRefused(t *testing.T) {
	for _, c := range []struct {
		fault  string
		status int
		say    string
	}{
		{"server_error", 503, "did not answer"},
		{"html", 502, "The provider refused"},
		{"closed", 503, "did not answer"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			l := newLab(t, options{verify: skipVerification()})
			a := l.authorize("")
			b := newBrowser(t)
			back := b.consent(l, a)
			l.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: c.fault})
			got := b.get(back)
			expect(t, got, c.status, c.say, "Reference")
			noneOf(t, got.body+l.log.String(), query(t, back, "state"), query(t, back, "code"), clientSecret)
			if now := l.status(a); now != keybearer.AuthorizationFailure {
				t.Errorf("got status %s, want failed", now)
			}
		})
	}
}

func TestPostedCallbackComesBackWithTheCookie(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	back, err := url.Parse(b.consent(l, l.authorize("")))
	if err != nil {
		t.Fatal(err)
	}
	form := back.Query()
	form.Set("session_state", "ignored")
	back.RawQuery = ""
	// The provider's page posts across sites: no cookie of ours comes with it.
	to := newBrowser(t).post(back.String(), form, "Sec-Fetch-Site", "cross-site", "Origin", "https://provider.example").location(t)
	if !strings.HasPrefix(to, "/api/v1/oauth/hooli/callback?") || strings.Contains(to, "session_state") {
		t.Fatalf("got %s, want the same address with the known parameters", to)
	}
	if to := b.get(l.url + to).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
}

func TestPostedCallbackThatIsNoForm(t *testing.T) {
	l := newLab(t, options{})
	at := l.url + "/api/v1/oauth/callback"
	b := newBrowser(t)
	expect(t, b.do("POST", at, strings.NewReader(`{"code":"x"}`), "Content-Type", "application/json"), 415, "cannot be read")
	expect(t, b.do("POST", at, strings.NewReader("code=x")), 415)
	expect(t, b.post(at, url.Values{"code": {"x", "y"}}), 400, "more than once")
	expect(t, b.post(at, url.Values{"x": {strings.Repeat("x", 20<<10)}}), 413, "longer than")
}

func TestCallbackByHeadDoesNothing(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	back := b.consent(l, l.authorize(""))
	if got := b.do("HEAD", back, nil); got.StatusCode != 200 {
		t.Errorf("got %d, want 200", got.StatusCode)
	}
	if to := b.get(back).location(t); to != "/success" {
		t.Errorf("got %s, want the state unspent", to)
	}
}

func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"", "code=a&state=b", "state=%zz", "error=x&error_description=<b>", "state=a;code=b", "code=a&code=b", "iss=https://x",
		"error_description=%E2%80%AE%00&state=0123456789", "&&&=&=", "state=" + strings.Repeat("a", 600),
	} {
		f.Add(seed)
	}
	b, err := keybearer.New(keybearer.Config{PublicURL: "http://127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	door := doorOf(b, "http://127.0.0.1:1")
	ours := "" // what the pages say anyway
	for _, raw := range []string{"", "state=a&state=b", "code=" + strings.Repeat("c", 9000), strings.Repeat("x", 20000)} {
		r := requestOf("GET", "/api/v1/oauth/callback")
		r.URL.RawQuery = raw
		ours += record(door, r).Body.String()
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := requestOf("GET", "/api/v1/oauth/callback")
		r.URL.RawQuery = raw
		got := record(door, r)
		if got.Code != 400 && got.Code != 413 {
			t.Errorf("got %d for %q, want 400 or 413", got.Code, raw)
		}
		q, _ := url.ParseQuery(raw)
		if state := q.Get("state"); len(state) >= 8 && strings.Contains(got.Body.String(), state) && !strings.Contains(ours, state) {
			t.Errorf("the page shows the state of %q", raw)
		}
	})
}
