package desk_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/desk"
)

// paths are everything that a person can do, with the method.
func paths() map[string]string {
	return map[string]string{
		"/": "GET", "/log": "GET", "/connect/github": "GET", "/connect/openai": "POST", "/login": "GET", "/cancel": "POST",
		"/disconnect/uc_1": "GET", "/disconnect/uc_2": "POST", "/default/uc_2": "POST",
	}
}

func TestOnlyTheBrowserWithTheCookieGetsIn(t *testing.T) {
	home := full()
	l := newLab(t, home, 0)
	b := l.in()
	word := strings.TrimPrefix(b.root, origin(l.desk))
	stranger := newBrowser(t)
	stranger.root = b.root // even if it knew where
	for path, method := range paths() {
		for what, r := range map[string]*http.Request{"no cookie": stranger.request(method, path, nil), "a guess": stranger.request(method, path, nil)} {
			if what == "a guess" {
				r.AddCookie(&http.Cookie{Name: "keybearer-desk", Value: strings.Repeat("A", 52)})
			}
			got := stranger.do(r)
			if got.status != http.StatusForbidden || strings.Contains(got.body, word) || strings.Contains(got.body, "GitHub") {
				t.Errorf("%s %s with %s: got %d and\n%s", method, path, what, got.status, got.body)
			}
		}
	}
	if len(home.connections) != 4 || len(home.wishes) != 0 {
		t.Error("a stranger has changed something")
	}
	if got := stranger.get(origin(l.desk) + "/"); got.status != http.StatusForbidden || strings.Contains(got.body, word) {
		t.Errorf("at the root: got %d", got.status)
	}
	if got := b.get("/"); got.status != http.StatusOK || !strings.Contains(got.body, "GitHub") {
		t.Errorf("the person: got %d", got.status)
	}
}

func TestTheAddressWorksOnce(t *testing.T) {
	l := newLab(t, full(), 0)
	// Neither a look ahead nor a guess spends it.
	ahead := newBrowser(t).request("GET", l.desk.URL(), nil)
	ahead.Header.Set("Sec-Purpose", "prefetch;prerender")
	if got := newBrowser(t).do(ahead); got.status != http.StatusServiceUnavailable || got.header.Get("Set-Cookie") != "" {
		t.Errorf("a look ahead: got %d", got.status)
	}
	if got := newBrowser(t).do(newBrowser(t).request("HEAD", l.desk.URL(), nil)); got.header.Get("Set-Cookie") != "" {
		t.Error("HEAD gets the cookie")
	}
	if got := newBrowser(t).get(origin(l.desk) + "/enter/guess"); got.status != http.StatusForbidden {
		t.Errorf("a guess: got %d", got.status)
	}
	got := newBrowser(t).get(l.desk.URL())
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=" + got.header.Get("Location")} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie has no %s", want)
		}
	}
	if strings.Contains(cookie, "Domain") || len(got.header.Get("Location")) < 26 {
		t.Error("the cookie is for more than this host and a path that cannot be guessed")
	}
	again := newBrowser(t).get(l.desk.URL())
	if again.status != http.StatusForbidden || again.header.Get("Set-Cookie") != "" || !strings.Contains(again.body, "works once") {
		t.Errorf("the second time: got %d", again.status)
	}
}

func TestOtherSitesGetNothing(t *testing.T) {
	home := full()
	l := newLab(t, home, 0)
	b := l.in()
	for _, name := range []string{"attacker.example", "127.0.0.1", "attacker.example:" + portOf(l.desk), "127.0.0.1.attacker.example:" + portOf(l.desk)} {
		r := b.request("GET", "/", nil)
		r.Host = name
		if got := b.do(r); got.status != http.StatusMisdirectedRequest || strings.Contains(got.body, "GitHub") {
			t.Errorf("under the name %s: got %d", name, got.status)
		}
	}
	for header, value := range map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"} {
		for path, method := range paths() {
			if method != "POST" {
				continue
			}
			r := b.request(method, path, nil)
			r.Header.Set(header, value)
			if got := b.do(r); got.status != http.StatusForbidden || strings.Contains(got.body, b.root) {
				t.Errorf("%s from a page with %s: %s: got %d", path, header, value, got.status)
			}
		}
	}
	if len(home.connections) != 4 || len(home.wishes) != 0 {
		t.Error("a page of another site has changed something")
	}
	if got := b.get("/disconnect/uc_2"); got.status != 200 || len(home.connections) != 4 {
		t.Errorf("the page that asks: got %d, and it has to change nothing", got.status)
	}
}

func portOf(d *desk.Desk) string { o := origin(d); return o[strings.LastIndex(o, ":")+1:] }

func TestEveryAnswerHasThePolicy(t *testing.T) {
	l := newLab(t, full(), 0)
	b := l.in()
	for _, at := range []string{"/", "/log", "/nowhere", "/back", "/login", origin(l.desk) + "/assets/desk.css", origin(l.desk) + "/assets/pages.css", origin(l.desk) + "/enter/x"} {
		got := b.get(at)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if !strings.Contains(got.header.Get(name), want) {
				t.Errorf("%s: got %s %q, want %q in it", at, name, got.header.Get(name), want)
			}
		}
		if strings.Contains(got.header.Get("Content-Security-Policy"), "script-src") || strings.Contains(got.body, "<script") {
			t.Errorf("%s has a script", at)
		}
	}
}

func TestItEndsWhenNobodyUsesIt(t *testing.T) {
	d, err := desk.Open(t.Context(), desk.Config{Home: full(), Idle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if idle, err := d.Run(t.Context()); !idle || err != nil {
		t.Errorf("got %v, %v, want it to say that it was idle", idle, err)
	}
}

// An open tab asks for the log again and again: that does not keep the desk open.
func TestTheLogsOwnRefreshIsNobody(t *testing.T) {
	l := newLab(t, full(), time.Hour)
	b := l.in()
	before := l.desk.Touched()
	b.get("/log")
	if got := l.desk.Touched(); got != before {
		t.Error("the log counts as use")
	}
	b.get("/")
	if got := l.desk.Touched(); got == before {
		t.Error("the page does not count as use")
	}
	if l.end() {
		t.Error("it says that it was idle, though it was ended")
	}
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	l := newLab(t, full(), 0)
	var port int
	for _, c := range portOf(l.desk) {
		port = port*10 + int(c-'0')
	}
	_, err := desk.Open(t.Context(), desk.Config{Home: full(), Port: port})
	if !errors.Is(err, keybearer.Conflict) || !strings.Contains(err.Error(), "--port") {
		t.Errorf("got %v", err)
	}
}
