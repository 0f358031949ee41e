package pages_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
)

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	start, head, prefetch := b.get(a.URL), b.do("HEAD", a.URL, nil), b.get(a.URL, "Sec-Purpose", "prefetch")
	done := b.get(b.consent(l, a))
	if done.StatusCode != 303 {
		t.Fatalf("got %d, want the redirect to the success page", done.StatusCode)
	}
	answers := map[string]answer{
		"home": b.get(l.url + "/"), "start": start, "redirect": done, "success": b.get(l.url + "/success"),
		"unknown": b.get(l.url + "/nowhere"), "unclean": b.get(l.url + "/a/../b//c"), "method": b.do("DELETE", l.url+"/login", nil),
		"HEAD": head, "callback": b.get(l.url + "/api/v1/oauth/callback"),
		"login": b.get(l.url + "/login"), "cross": b.post(l.url+"/login", nil, "Sec-Fetch-Site", "cross-site"),
		"css": b.get(l.url + "/assets/pages.css"), "icon": b.get(l.url + "/favicon.svg"), "OPTIONS": b.do("OPTIONS", l.url+"/", nil),
		"prefetch": prefetch, "again": b.get(a.URL),
	}
	for name, got := range answers {
		for header, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":     "nosniff",
			"X-Frame-Options":            "DENY",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if h := got.Header.Get(header); h != want {
				t.Errorf("%s: got %s %q, want %q", name, header, h, want)
			}
		}
		if policy := got.Header.Get("Referrer-Policy"); policy != "no-referrer" && (policy != "same-origin" || !strings.Contains(got.body, "<form")) {
			t.Errorf("%s: got Referrer-Policy %q, want no-referrer, or same-origin with a form on plain http", name, policy)
		}
		if cache := got.Header.Get("Cache-Control"); cache != "no-store" && name != "css" && name != "icon" {
			t.Errorf("%s: got Cache-Control %q, want no-store", name, cache)
		}
		if got.body != "" && got.Header.Get("Content-Type") == "" {
			t.Errorf("%s: no Content-Type", name)
		}
	}
	if allow := answers["method"].Header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("got Allow %q, want GET, HEAD, POST", allow)
	}
}

func TestPagesFetchNothingFromElsewhereAndNeedNoScript(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	for _, path := range []string{"/", "/login", "/success", "/nowhere", strings.TrimPrefix(l.authorize("").URL, l.url), "/assets/pages.css", "/favicon.svg"} {
		got := b.get(l.url + path)
		for _, bad := range []string{"<script", "javascript:", " style=", " onclick", "src=\"http", "url(http", "@import", "//cdn"} {
			if strings.Contains(got.body, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
}

func TestStyleSheetIsServedUnderItsAddress(t *testing.T) {
	l := newLab(t, options{})
	b := newBrowser(t)
	home := b.get(l.url + "/").body
	at := between(t, home, `rel="stylesheet" href="`, `"`)
	got := b.get(l.url + at)
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(got.body, "light-dark(") {
		t.Errorf("got %d %s for %s", got.StatusCode, got.Header.Get("Content-Type"), at)
	}
	if icon := b.get(l.url + between(t, home, `type="image/svg+xml" href="`, `"`)); icon.StatusCode != 200 || icon.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("got %d %s for the icon", icon.StatusCode, icon.Header.Get("Content-Type"))
	}
}

func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, before)
	found, _, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("no %s…%s in:\n%s", before, after, text)
	}
	return found
}

func TestHTTPSMakesCookiesSecureAndKeepsTheReferrer(t *testing.T) {
	for _, c := range []struct{ public, prefix, browser, path string }{
		{"https://keys.example.com", "", "__Host-keybearer", "/"},
		{"https://example.com/keys", "/keys", "__Secure-keybearer", "/keys"},
	} {
		b := brokerWithHooli(t, c.public)
		a := authorizeAt(t, b)
		got := record(doorOf(b, c.public), requestOf("GET", "https://internal"+c.prefix+"/start/"+string(a.ID)))
		if got.Code != http.StatusOK {
			t.Fatalf("%s: got %d, want 200: %s", c.public, got.Code, got.Body)
		}
		cookie := got.Result().Cookies()[0]
		if cookie.Name != c.browser || !cookie.Secure || !cookie.HttpOnly || cookie.Path != c.path || cookie.Domain != "" {
			t.Errorf("%s: got cookie %s, want %s, Secure, path %s", c.public, cookie, c.browser, c.path)
		}
		if got.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got Referrer-Policy %q, want no-referrer", c.public, got.Header().Get("Referrer-Policy"))
		}
		if !bytes.Contains(got.Body.Bytes(), []byte(`action="`+c.prefix+`/start/`)) {
			t.Errorf("%s: the form leads elsewhere:\n%s", c.public, got.Body)
		}
	}
}

// Two cookies of one name are a sign that one was planted from a neighbour.
func TestTwoCookiesOfOneNameAreNone(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	b := newBrowser(t)
	mine := cookieOf(t, b.get(a.URL), "keybearer").Value
	planted := string(bytes.Repeat([]byte("p"), 43))
	got := newBrowser(t).post(a.URL, nil, "Cookie", "keybearer="+planted+"; keybearer="+mine)
	expect(t, got, 400, "did not keep our cookie")
}

func TestReverseProxyThatChangesTheHostMayStillSendForms(t *testing.T) {
	const public = "https://keys.example.com"
	b := brokerWithHooli(t, public)
	r := requestOf("POST", "http://10.0.0.7:9099/login")
	r.Header.Set("Origin", public)
	if got := record(doorOf(b, public), r); got.Code != http.StatusUnauthorized {
		t.Errorf("our own form: got %d, want 401", got.Code)
	}
	r.Header.Set("Origin", "https://evil.example")
	if got := record(doorOf(b, public), r); got.Code != http.StatusForbidden {
		t.Errorf("a foreign form: got %d, want 403", got.Code)
	}
}

func brokerWithHooli(t *testing.T, public string) *keybearer.Broker {
	t.Helper()
	b, err := keybearer.New(keybearer.Config{
		PublicURL: public, Verification: skipVerification(), VerificationFixed: true,
		Static: []keybearer.Provider{{
			ID: "hooli", Project: keybearer.DefaultProject, Status: keybearer.ProviderActive, Origin: keybearer.FromFile,
			ClientID: "lab", Settings: hooliDefinition("https://hooli.example"),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func authorizeAt(t *testing.T, b *keybearer.Broker) keybearer.Authorization {
	t.Helper()
	a, err := b.As(keybearer.Caller{Name: "key:Expense Robot"}).Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "alice@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
