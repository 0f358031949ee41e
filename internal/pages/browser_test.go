package pages_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/providertest"
)

// lanHost is a name of this machine that a browser takes for another machine, not for its own.
const lanHost = "keys.test"

// chrome is a headless Chromium with a fresh profile, the size of a telephone.
type chrome struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	trouble  []string // what its console complained of
	requests []string // where it went
}

func newChrome(t *testing.T) *chrome {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		// Nothing but this machine exists for it.
		chromedp.Flag("host-resolver-rules", "MAP "+lanHost+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
	)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, kill := chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(kill)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	c := &chrome{t: t, ctx: ctx}
	// The first command starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, c.listen); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chrome) listen(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		// Pages with an error status are logged as failed loads; that is no complaint about the page.
		if e.Entry.Source != cdplog.EntrySourceNetwork {
			c.trouble = append(c.trouble, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		c.trouble = append(c.trouble, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		c.requests = append(c.requests, e.Request.URL)
	}
}

func (c *chrome) run(actions ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.ctx, 30*time.Second)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		at, _ := chromedp.Run(c.ctx, chromedp.Location())
		c.mu.Lock()
		defer c.mu.Unlock()
		c.t.Fatalf("at %s: %v; the console says: %q", at, err, c.trouble)
	}
}

// told is the value of an action.
func told[T any](c *chrome, action chromedp.Action[T]) T {
	c.t.Helper()
	value, err := chromedp.Run(c.ctx, action)
	if err != nil {
		c.t.Fatal(err)
	}
	return value
}

// goTo opens a page and waits for its heading.
func (c *chrome) goTo(url, heading string) {
	c.t.Helper()
	c.run(chromedp.Navigate(url))
	c.sees(heading)
}

// press presses a button or a link and waits for the heading of where it leads.
func (c *chrome) press(what, heading string) {
	c.t.Helper()
	c.run(chromedp.Click(what))
	c.sees(heading)
}

// sees waits for a page with this heading.
func (c *chrome) sees(heading string) {
	c.t.Helper()
	c.run(chromedp.WaitVisible(`//h1[contains(., "` + heading + `")]`))
}

func (c *chrome) fill(selector, text string) {
	c.t.Helper()
	c.run(chromedp.SetValue(chromedp.CSS(selector), text))
}

func (c *chrome) location() string {
	c.t.Helper()
	return told(c, chromedp.Location())
}

// fits checks that the page is no wider than the screen and takes its picture where PAGES_SHOTS names
// a folder, in light and in dark.
func (c *chrome) fits(name string) {
	c.t.Helper()
	width := told(c, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
	screen := told(c, chromedp.Evaluate[int](`document.documentElement.clientWidth`))
	if width > screen {
		c.t.Errorf("%s: the page is %d wide on a screen of %d", name, width, screen)
	}
	dir := os.Getenv("PAGES_SHOTS")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			c.t.Fatal(err)
		}
		shot := told(c, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+scheme+".png"), shot, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

// quiet checks that no policy was violated and no script failed, and that our pages fetched nothing
// from hosts other than these.
func (c *chrome) quiet(origins ...string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.trouble {
		c.t.Errorf("the console complains: %s", text)
	}
	for _, to := range c.requests {
		ours := strings.HasPrefix(to, "data:")
		for _, origin := range origins {
			ours = ours || strings.HasPrefix(to, origin+"/")
		}
		if !ours {
			c.t.Errorf("the browser was sent to %s", to)
		}
	}
}

// atProvider signs in and consents on the provider's own pages.
func (c *chrome) atProvider(button, heading string) {
	c.t.Helper()
	c.fill("#username", "alice")
	c.fill("#password", "alice")
	c.press(`//button[.="Sign in"]`, "Allow access?")
	c.press(`//button[.="`+button+`"]`, heading)
}

// appAt is where next_uri leads: a page of the app on another origin.
func appAt(t *testing.T) string {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>App</title><link rel=icon href=data:,><h1>Back at the app</h1>"))
	}))
	t.Cleanup(app.Close)
	// A name instead of the number makes it another site, not only another origin.
	return under("localhost", app.URL)
}

func TestBrowserClickThrough(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a := l.authorize("")
	c := newChrome(t)
	c.goTo(l.url+"/", "Keybearer")
	c.fits("home")
	c.goTo(a.URL, "Connect Hooli")
	c.fits("start")
	c.press(`//button[contains(., "Continue to Hooli")]`, "Sign in")
	c.atProvider("Accept", "Hooli is connected")
	if got := c.location(); got != l.url+"/success" {
		t.Errorf("got %s, want the success page, without code and state", got)
	}
	c.fits("success")
	if got := l.status(a); got != keybearer.AuthorizationCompleted {
		t.Errorf("got status %s, want completed", got)
	}
	c.goTo(a.URL, "Hooli is connected")
	c.fits("again")
	c.quiet(l.url, l.provider.URL)
}

func TestBrowserDeclines(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	c := newChrome(t)
	c.goTo(l.authorize("").URL, "Connect Hooli")
	c.press(`//button[contains(., "Continue to Hooli")]`, "Sign in")
	c.atProvider("Cancel", "Access was not granted")
	c.fits("declined")
	c.goTo(l.url+"/nowhere", "There is no such page")
	c.fits("notfound")
	c.quiet(l.url, l.provider.URL)
}

func TestBrowserBringsItsCookieWithAPostedCallback(t *testing.T) {
	// The provider under another name is another site: our Lax cookie stays at home with its POST.
	posts := make(chan *http.Request, 10)
	l := newLab(t, options{verify: skipVerification(), providerHost: "localhost", behind: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/") {
				posts <- r
			}
			next.ServeHTTP(w, r)
		})
	}})
	l.provider.Inject(providertest.Fault{Endpoint: providertest.Callback, Name: "form_post"})
	c := newChrome(t)
	c.goTo(l.authorize("").URL, "Connect Hooli")
	c.press(`//button[contains(., "Continue to Hooli")]`, "Sign in")
	c.atProvider("Accept", "Hooli is connected")
	if len(posts) != 1 {
		t.Fatalf("the callback was posted %d times, want once", len(posts))
	}
	if came := (<-posts).Header.Get("Cookie"); came != "" {
		t.Error("the cookie came with the post: the test shows nothing about browsers that keep it back")
	}
}

func TestBrowserSignsInAndSwitches(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	l.account("mallory@example.com")
	app := appAt(t)
	a := l.authorize(app + "/done")
	c := newChrome(t)
	c.goTo(l.url+"/login", "Sign in")
	c.fits("login")
	c.fill("#user_id", "mallory@example.com")
	c.fill("#password", passwordOf)
	c.press(`//button[.="Sign in"]`, "Keybearer")
	c.fits("home-signed-in")
	c.goTo(a.URL, "Sign in") // at the provider
	c.atProvider("Accept", "Another user is needed")
	c.fits("mismatch")
	c.press(`//button[.="Sign out and switch"]`, "Sign in")
	c.fits("verify")
	c.fill("#user_id", "alice@example.com")
	c.fill("#password", "wrong password")
	c.press(`//button[.="Sign in"]`, "Sign in")
	c.run(chromedp.WaitVisible(chromedp.CSS("#wrong")))
	c.fits("wrong")
	c.fill("#password", passwordOf)
	// From a form of ours to another site: a redirect would be stopped by form-action.
	c.press(`//button[.="Sign in"]`, "Back at the app")
	if got := l.status(a); got != keybearer.AuthorizationCompleted {
		t.Errorf("got status %s, want completed", got)
	}
	c.quiet(l.url, l.provider.URL, app)
}

// Browsers send no Sec-Fetch-Site to plain http beyond their own machine: there the forms stand on
// the Origin alone, which "no-referrer" would make null.
func TestBrowserSendsFormsOnPlainHTTPInALocalNetwork(t *testing.T) {
	l := newLab(t, options{publicHost: lanHost, confirm: keybearer.ConfirmAlways})
	l.account("alice@example.com")
	c := newChrome(t)
	c.goTo(l.authorize("").URL, "Connect Hooli")
	c.press(`//button[contains(., "Continue to Hooli")]`, "Sign in")
	c.atProvider("Accept", "Sign in")
	c.fill("#password", passwordOf)
	c.press(`//button[.="Sign in"]`, "Hooli is connected")
}

func TestBrowserWorksByKeyboardAlone(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	c := newChrome(t)
	c.goTo(l.authorize("").URL, "Connect Hooli")
	c.run(chromedp.KeyEvent("\t"))
	if focused := told(c, chromedp.Evaluate[string](`document.activeElement.textContent`)); focused != "Continue to Hooli" {
		t.Errorf("the first Tab goes to %q, want the button", focused)
	}
	c.run(chromedp.KeyEvent("\r"))
	c.sees("Sign in")
	c.quiet(l.url, l.provider.URL)
}

// Long names and many scopes must not push anything off a small screen.
func TestBrowserShowsMuchOnASmallScreen(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	a, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{
		ID: "hooli", User: keybearer.UserID("a-very-long-user-id-without-any-place-to-break-" + strings.Repeat("x", 80) + "@example.com"),
		Scopes: []string{
			"read:me", "offline_access", "read:jira-work", "write:jira-work", "manage:jira-webhook", "read:servicedesk-request",
			"delete:board-scope.admin:jira-software", "https://www.googleapis.com/auth/drive.metadata.readonly", "repo", "openid", "email",
			"scope-" + strings.Repeat("y", 90),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newChrome(t)
	c.run(chromedp.EmulateViewport(320, 600, chromedp.EmulateScale(2), chromedp.EmulateMobile))
	c.goTo(a.URL, "Connect Hooli")
	c.run(chromedp.Click(chromedp.CSS("summary")))
	c.fits("much")
	c.run(chromedp.EmulateViewport(1280, 800))
	c.fits("much-desk")
	c.quiet(l.url)
}

type spoken struct {
	Lang    string `json:"lang"`
	Title   string `json:"title"`
	Mains   int    `json:"mains"`
	H1      int    `json:"h1"`
	Unnamed int    `json:"unnamed"`
}

// What assistive software reads: a landmark, one first heading, a name for every field and button.
func TestBrowserSaysEverythingToScreenReaders(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	c := newChrome(t)
	for path, heading := range map[string]string{
		strings.TrimPrefix(l.authorize("").URL, l.url): "Connect Hooli", "/login": "Sign in", "/nowhere": "There is no such page", "/success": "connected",
	} {
		c.goTo(l.url+path, heading)
		seen := told(c, chromedp.Evaluate[spoken](`({
			lang: document.documentElement.lang, title: document.title,
			mains: document.querySelectorAll('main').length, h1: document.querySelectorAll('h1').length,
			unnamed: [...document.querySelectorAll('input:not([type=hidden]), button, a')].filter(e => !(e.labels?.length || e.textContent.trim())).length,
		})`))
		if seen.Lang != "en" || seen.Mains != 1 || seen.H1 != 1 || seen.Unnamed != 0 || !strings.HasSuffix(seen.Title, " · Keybearer") {
			t.Errorf("%s: got %+v, want lang en, a title, one main, one h1 and a name for everything", path, seen)
		}
	}
}
