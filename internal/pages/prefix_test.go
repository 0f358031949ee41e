package pages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
)

// The engine may have only a part of a host. Reverse proxies take the path off before it, or leave it.
func TestPublicURLWithAPath(t *testing.T) {
	for name, behind := range map[string]func(http.Handler) http.Handler{
		"taken off": func(h http.Handler) http.Handler { return http.StripPrefix("/tools/keys", h) },
		"left on":   func(h http.Handler) http.Handler { return h },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, options{prefix: "/tools/keys", behind: behind})
			l.account("alice@example.com")
			l.account("bob@example.com")
			b := newBrowser(t)
			root := strings.TrimSuffix(l.url, "/tools/keys")

			expect(t, b.get(l.url+"/"), 200, `href="/tools/keys/v1/swagger"`)
			first := b.get(l.authorize("").URL)
			if c := cookieOf(t, first, "keybearer"); c.Path != "/tools/keys" {
				t.Errorf("got cookie path %q, want /tools/keys", c.Path)
			}
			b.post(l.url+"/login", signInForm("bob@example.com", passwordOf))
			at := b.get(b.consent(l, l.authorize(""))).location(t)
			if !strings.HasPrefix(at, "/tools/keys/verify/") {
				t.Fatalf("got %s, want the verifier below the path", at)
			}
			page := b.get(root + at)
			expect(t, page, 400, "Another user is needed")
			everyLinkIsBelow(t, page.body, "/tools/keys/")
			back := b.post(l.url+"/logout", url.Values{"return_to": {strings.TrimPrefix(at, "/tools/keys")}}).location(t)
			if back != at {
				t.Errorf("got %s, want %s", back, at)
			}
			page = b.get(root + at)
			everyLinkIsBelow(t, page.body, "/tools/keys/")
			if to := b.post(root+at, signInForm("alice@example.com", passwordOf)).location(t); to != "/tools/keys/success" {
				t.Errorf("got %s, want the success page below the path", to)
			}
			posted := newBrowser(t).post(l.url+"/api/v1/oauth/callback", url.Values{"state": {"x"}}, "Sec-Fetch-Site", "cross-site")
			if to := posted.location(t); to != "/tools/keys/api/v1/oauth/callback?state=x" {
				t.Errorf("posted callback: got %s, want it below the path", to)
			}
		})
	}
}

func everyLinkIsBelow(t *testing.T, page, prefix string) {
	t.Helper()
	links := regexp.MustCompile(`(?:href|action|src)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Errorf("got %d links, want more:\n%s", len(links), page)
	}
	for _, m := range links {
		if !strings.HasPrefix(m[1], prefix) {
			t.Errorf("a link leads to %s, want it below %s", m[1], prefix)
		}
	}
}

func TestPublicURLMustBeOne(t *testing.T) {
	b, err := keybearer.New(keybearer.Config{PublicURL: "http://localhost:9099"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "localhost:9099", "/keys", "ftp://example.com"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was accepted", bad)
				}
			}()
			doorOf(b, bad)
		}()
	}
}
