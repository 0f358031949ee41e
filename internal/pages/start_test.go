package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/providertest"
)

func TestStartPageSaysWhoAsksForWhat(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	page := newBrowser(t).get(a.URL)
	expect(t, page, 200, "Expense Robot", "Hooli", "127.0.0.1", "alice@example.com", "read:invoices", "offline_access",
		`action="/start/`+string(a.ID)+`"`)
}

// An app chooses the user id: it must not be able to write something else over the page.
func TestNamesAreShownAsWhatTheyAre(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "<i>alice</i>\u202eecila\u2028"})
	if err != nil {
		t.Fatal(err)
	}
	page := newBrowser(t).get(a.URL)
	expect(t, page, 200, "&lt;i&gt;alice&lt;/i&gt;")
	for _, bad := range []string{"<i>", "\u202e", "\u2028"} {
		if strings.Contains(page.body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestGetAloneBeginsNothingWhenThePageAsks(t *testing.T) {
	for name, o := range map[string]options{
		"nothing verifies": {verify: skipVerification()},
		"always":           {confirm: keybearer.ConfirmAlways},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, o)
			a := l.authorize("")
			b := newBrowser(t)
			for range 3 {
				if got := b.get(a.URL); got.StatusCode != 200 || strings.Contains(got.body, "/authorize?") {
					t.Errorf("got %d and perhaps the provider's address, want only the page:\n%s", got.StatusCode, got.body)
				}
			}
			if to := b.post(a.URL, nil).leaves(t); !strings.HasPrefix(to, l.provider.URL+"/authorize?") {
				t.Errorf("the button leads to %s, want the provider", to)
			}
		})
	}
}

func TestStartGoesOnAtOnceWhereTheUserIsVerifiedLater(t *testing.T) {
	for name, o := range map[string]options{
		"built in": {},
		"never":    {confirm: keybearer.ConfirmNever, verify: skipVerification()},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, o)
			got := newBrowser(t).get(l.authorize("").URL)
			if to := got.location(t); !strings.HasPrefix(to, l.provider.URL+"/authorize?") {
				t.Errorf("got %s, want the provider", to)
			}
			if got.body != "" {
				t.Errorf("the redirect has a body, which holds the state: %s", got.body)
			}
		})
	}
}

func TestNothingButAPersonBeginsAFlow(t *testing.T) {
	l := newLab(t, options{confirm: keybearer.ConfirmNever})
	a := l.authorize("")
	b := newBrowser(t)
	for _, c := range []struct {
		name, method string
		headers      []string
		status       int
	}{
		{"HEAD", "HEAD", nil, 200},
		{"prefetch", "GET", []string{"Sec-Purpose", "prefetch;prerender"}, 503},
		{"old prefetch", "GET", []string{"Purpose", "prefetch"}, 503},
		{"a picture of another page", "GET", []string{"Sec-Fetch-Dest", "image"}, 200},
		{"a frame", "GET", []string{"Sec-Fetch-Dest", "iframe"}, 200},
		{"another method", "PUT", nil, 405},
	} {
		got := b.do(c.method, a.URL, nil, c.headers...)
		if got.StatusCode != c.status || got.Header.Get("Location") != "" {
			t.Errorf("%s: got %d to %q, want %d and no redirect", c.name, got.StatusCode, got.Header.Get("Location"), c.status)
		}
	}
	if got := b.get(a.URL, "Sec-Fetch-Dest", "document"); got.StatusCode != 303 {
		t.Errorf("a person in a tab: got %d, want 303", got.StatusCode)
	}
}

func TestBrowserCookieIsSecretHostOnlyAndKept(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	first := cookieOf(t, b.get(a.URL), "keybearer")
	if len(first.Value) < 32 {
		t.Errorf("the cookie has %d characters, want 32 or more", len(first.Value))
	}
	if !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Domain != "" || first.Path != "/" || first.MaxAge != 3600 {
		t.Errorf("got cookie %+v, want HttpOnly, Lax, no domain, path /, one hour", first)
	}
	if again := cookieOf(t, b.get(a.URL), "keybearer"); again.Value != first.Value {
		t.Error("the second visit changed the cookie: the first tab would be lost")
	}
	if other := cookieOf(t, newBrowser(t).get(a.URL), "keybearer"); other.Value == first.Value {
		t.Error("two browsers got the same cookie")
	}
	for _, planted := range []string{"short", strings.Repeat("x", 200), strings.Repeat("é", 40)} {
		got := newBrowser(t).get(a.URL, "Cookie", "keybearer="+planted)
		if c := cookieOf(t, got, "keybearer"); c.Value == planted {
			t.Errorf("a malformed cookie was kept: %s", planted)
		}
	}
}

func cookieOf(t *testing.T, a answer, name string) *http.Cookie {
	t.Helper()
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no cookie %s in %v", name, a.Header["Set-Cookie"])
	return nil
}

func TestStartButtonNeedsTheCookieAndTheSameOrigin(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	expect(t, newBrowser(t).post(a.URL, nil), 400, "did not keep our cookie", "Try again")

	b := newBrowser(t)
	b.get(a.URL)
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		got := b.post(a.URL, nil, headers...)
		expect(t, got, 403, "This was not allowed")
	}
	if got := b.post(a.URL, nil, "Sec-Fetch-Site", "", "Origin", l.url); got.StatusCode != 200 {
		t.Errorf("our own origin: got %d, want 200", got.StatusCode)
	}
	if n := l.provider.History().Calls(providertest.Authorize); n != 0 {
		t.Errorf("the provider was asked %d times before anybody went there", n)
	}
}

func TestStartOfWhatIsNotThere(t *testing.T) {
	l := newLab(t, options{})
	b := newBrowser(t)
	for _, path := range []string{"ac_AAAAAAAAAAAAAAAAAAAAAAAAAA", "nonsense", "ac_%3Cscript%3E", "ac_" + strings.Repeat("A", 300)} {
		expect(t, b.get(l.url+"/start/"+path), 404)
	}
	if got := b.get(l.url + "/start/"); got.StatusCode != 404 {
		t.Errorf("got %d for no id, want 404", got.StatusCode)
	}
}

func TestStartAfterTheTimeIsOver(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	b.get(a.URL)
	l.clock.advance(2 * time.Hour)
	expect(t, b.get(a.URL), 400, "This authorization is over", "start")
	expect(t, b.post(a.URL, nil), 400, "This authorization is over")
}

func TestStartAgainAfterSuccess(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("https://app.example.com/done")
	b := newBrowser(t)
	b.get(b.consent(l, a))
	expect(t, b.get(a.URL), 200, "Hooli is connected", "This was already done", `href="https://app.example.com/done"`)
}

func TestProviderSwitchedOffMeanwhile(t *testing.T) {
	store := keybearer.NewMemory()
	l := newLab(t, options{verify: skipVerification(), config: func(c *keybearer.Config) {
		p := c.Static[0]
		c.Static, c.Providers, c.Sealer = nil, store, nil
		p.ClientSecret, p.Origin = nil, keybearer.FromAPI
		if _, err := store.PutProvider(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
	}})
	a := l.authorize("")
	b := newBrowser(t)
	expect(t, b.get(a.URL), 200)
	if _, err := l.app().UpdateProvider(t.Context(), "hooli", func(d *keybearer.ProviderDraft) error {
		d.Status = keybearer.ProviderDisabled
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	expect(t, b.get(a.URL), 400, "switched off", "operator")
}
