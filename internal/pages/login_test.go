package pages_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignInAndOut(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	expect(t, b.get(l.url+"/login"), 200, `autocomplete="current-password"`)
	got := b.post(l.url+"/login", signInForm("alice@example.com", passwordOf))
	if to := got.location(t); to != "/" {
		t.Errorf("got %s, want /", to)
	}
	c := cookieOf(t, got, "keybearer-session")
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.MaxAge != 0 || len(c.Value) < 32 {
		t.Errorf("got cookie %+v, want HttpOnly, Lax, no domain, until the browser closes", c)
	}
	expect(t, b.get(l.url+"/"), 200, "alice@example.com", "Sign out")
	if to := b.post(l.url+"/logout", nil).location(t); to != "/" {
		t.Errorf("got %s, want /", to)
	}
	if got := b.get(l.url + "/"); strings.Contains(got.body, "alice") {
		t.Errorf("still signed in:\n%s", got.body)
	}
	if got := newBrowser(t).get(l.url+"/", "Cookie", "keybearer-session="+c.Value); strings.Contains(got.body, "alice") {
		t.Error("the session lives on after the sign-out")
	}
}

func TestSigningInAgainEndsTheFormerSession(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	first := cookieOf(t, b.post(l.url+"/login", signInForm("alice@example.com", passwordOf)), "keybearer-session")
	second := cookieOf(t, b.post(l.url+"/login", signInForm("alice@example.com", passwordOf)), "keybearer-session")
	if first.Value == second.Value {
		t.Fatal("the session has not changed")
	}
	if got := newBrowser(t).get(l.url+"/", "Cookie", "keybearer-session="+first.Value); strings.Contains(got.body, "alice") {
		t.Error("the former session lives on")
	}
	expect(t, b.get(l.url+"/"), 200, "alice@example.com")
}

func TestUnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	say := func(user, password string) string {
		got := newBrowser(t).post(l.url+"/login", signInForm(user, password))
		expect(t, got, 401, "The user id or the password is wrong", `role="alert"`)
		return strings.ReplaceAll(got.body, user, "")
	}
	if say("alice@example.com", "wrong password") != say("nobody@example.com", "wrong password") {
		t.Error("the page tells whether a user exists")
	}
	for name, form := range map[string]url.Values{
		"nothing": nil, "no password": signInForm("alice@example.com", ""), "no user": signInForm("", passwordOf),
		"long password": signInForm("alice@example.com", strings.Repeat("x", 2000)),
		"control":       signInForm("a\x00b", passwordOf),
	} {
		if got := newBrowser(t).post(l.url+"/login", form); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", name, got.StatusCode)
		}
	}
	expect(t, newBrowser(t).post(l.url+"/login", url.Values{"x": {strings.Repeat("x", 10<<10)}}), 400, "longer than")
}

func TestPasswordIsNeverShown(t *testing.T) {
	l := newLab(t, options{})
	const typed = "a password that was typed wrong"
	got := newBrowser(t).post(l.url+"/login", signInForm(`<b>"x`, typed))
	expect(t, got, 401, `value="&lt;b&gt;&#34;x"`)
	noneOf(t, got.body+l.log.String(), typed)
}

func TestSignInGoesOnToPathsOfOursOnly(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	for _, bad := range []string{
		"https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/%2f%2fevil.example", "/..//evil.example",
		"javascript:alert(1)", "HTTPS:evil.example", "/\t/evil.example", "/x\r\nSet-Cookie:a=b", "/@evil.example", "evil.example", "/verify/a?next=//evil",
		"/verify//evil.example", "/api/v1/oauth/callback", "/x#y", "/" + strings.Repeat("a", 300), "/．．/", "",
	} {
		form := signInForm("alice@example.com", passwordOf)
		form.Set("return_to", bad)
		b := newBrowser(t)
		if to := b.post(l.url+"/login", form).location(t); to != "/" {
			t.Errorf("login, return_to %q: got %s, want /", bad, to)
		}
		if to := b.post(l.url+"/logout", url.Values{"return_to": {bad}}).location(t); to != "/" {
			t.Errorf("logout, return_to %q: got %s, want /", bad, to)
		}
		if got := b.get(l.url + "/login?return_to=" + url.QueryEscape(bad)); !strings.Contains(got.body, `name="return_to" value="/"`) {
			t.Errorf("form, return_to %q:\n%s", bad, got.body)
		}
		l.clock.advance(time.Minute) // the limit is another test's matter
	}
	form := signInForm("alice@example.com", passwordOf)
	form.Set("return_to", "/verify/af_X")
	if to := newBrowser(t).post(l.url+"/login", form).leaves(t); to != "/verify/af_X" {
		t.Errorf("got %s, want the path of ours", to)
	}
}

func TestSignInsAreLimited(t *testing.T) {
	from := netip.MustParseAddr("192.0.2.1")
	l := newLab(t, options{client: func(*http.Request) netip.Addr { return from }})
	l.account("alice@example.com")
	attempt := func() answer {
		return newBrowser(t).post(l.url+"/login", signInForm("alice@example.com", ""))
	}
	refused := func(why string) {
		t.Helper()
		got := attempt()
		expect(t, got, 429, "Too many attempts")
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", why)
		}
	}
	allowed := func(why string, n int) {
		t.Helper()
		for i := range n {
			if got := attempt(); got.StatusCode != 401 {
				t.Fatalf("%s, attempt %d: got %d, want 401", why, i+1, got.StatusCode)
			}
		}
	}
	allowed("a new address", 10)
	refused("an address that tries too often")
	l.clock.advance(6 * time.Second)
	allowed("after a rest", 1)
	refused("after a short rest")

	from = netip.MustParseAddr("2001:db8::1")
	allowed("another address", 10)
	from = netip.MustParseAddr("2001:db8::ffff:2")
	refused("a neighbour in the same /64")

	// Everybody together, from ever new addresses.
	l.clock.advance(time.Hour)
	next := netip.MustParseAddr("198.51.100.0")
	for range 20 {
		from, next = next, next.Next()
		allowed("a crowd", 1)
	}
	from = next
	refused("a crowd")
	l.clock.advance(time.Second)
	allowed("a crowd, after a rest", 1)
}

func TestFloodOfAddressesIsBounded(t *testing.T) {
	from := netip.MustParseAddr("10.0.0.0")
	l := newLab(t, options{client: func(*http.Request) netip.Addr { from = from.Next(); return from }})
	for range 5000 {
		w := recordForm(l.door, "/login", signInForm("nobody", ""))
		if w.Code != 401 && w.Code != 429 {
			t.Fatalf("got %d, want 401 or 429", w.Code)
		}
	}
	l.clock.advance(time.Hour)
	if w := recordForm(l.door, "/login", signInForm("nobody", "")); w.Code != 401 {
		t.Errorf("got %d after the flood, want 401", w.Code)
	}
}

func TestSignInsOfOtherSitesAreRefused(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	for _, path := range []string{"/login", "/logout", "/verify/af_AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		got := b.post(l.url+path, signInForm("alice@example.com", passwordOf), "Sec-Fetch-Site", "cross-site")
		expect(t, got, 403, "another site")
		if len(got.Cookies()) != 0 {
			t.Errorf("%s: a cookie was set: %v", path, got.Cookies())
		}
	}
}

func TestSessionEnds(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	b.post(l.url+"/login", signInForm("alice@example.com", passwordOf))
	l.clock.advance(13 * time.Hour)
	if got := b.get(l.url + "/"); got.StatusCode != 200 || strings.Contains(got.body, "alice") {
		t.Errorf("got %d, want the page of nobody:\n%s", got.StatusCode, got.body)
	}
}
