package interop_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// phone is the size of a small one, in CSS pixels.
var phone = struct{ width, height int64 }{360, 740}

// chromium is a real, headless browser with an empty profile and one window the size of a phone.
type chromium struct {
	ctx context.Context

	mu         sync.Mutex
	requests   []browserRequest
	complaints []string // what the browser wrote to its log: refused styles, blocked frames, …
}

// browserRequest is a request and the page that made it.
type browserRequest struct{ page, url string }

func startChromium(t *testing.T) *chromium {
	t.Helper()
	need(t, partChromium)

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromiumBinary(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(int(phone.width), int(phone.height)),
		chromedp.NoSandbox, // the tests may run as root, which Chromium's sandbox refuses
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// Nothing but this machine exists for it.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stopAllocator)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)

	b := &chromium{ctx: tab}
	b.do(t, "starting", chromedp.EmulateViewport(phone.width, phone.height, chromedp.EmulateMobile))
	if err := chromedp.Listen(tab, b.watch); err != nil {
		t.Fatalf("listening to Chromium: %v", err)
	}
	return b
}

func (b *chromium) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, browserRequest{page: e.DocumentURL, url: e.Request.URL})
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.URL+": "+e.Entry.Text)
	}
}

func (b *chromium) do(t *testing.T, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		t.Fatalf("Chromium, %s, on %s: %v", what, at, err)
	}
}

// evaluated is the value of an expression in the page. It is not bound by the page's own
// policy about scripts.
func evaluated[T any](t *testing.T, b *chromium, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("Chromium, asked for %s: %v", expression, err)
	}
	return value
}

// arrives waits until the window shows a page whose address begins with prefix.
func (b *chromium) arrives(t *testing.T, prefix string) {
	t.Helper()
	pause := 5 * time.Millisecond
	for !strings.HasPrefix(evaluated[string](t, b, "location.href"), prefix) {
		b.do(t, "waiting for "+prefix, chromedp.Sleep(pause))
		pause = min(2*pause, 200*time.Millisecond)
	}
	b.do(t, "waiting for "+prefix, chromedp.WaitReady("body"))
}

// isReadableOnAPhone checks that nothing stands out sideways and that text has its normal size.
func (b *chromium) isReadableOnAPhone(t *testing.T) {
	t.Helper()
	at := evaluated[string](t, b, "location.href")
	width := evaluated[float64](t, b, "document.documentElement.scrollWidth")
	size := evaluated[float64](t, b, "parseFloat(getComputedStyle(document.body).fontSize)")
	if int64(width) > phone.width {
		t.Errorf("%s is %v wide, the window %d", at, width, phone.width)
	}
	if size < 14 {
		t.Errorf("%s has text of %vpx, want at least 14px", at, size)
	}
}

// shows checks that the page says each of the words.
func (b *chromium) shows(t *testing.T, words ...string) {
	t.Helper()
	text := evaluated[string](t, b, "document.body.innerText")
	for _, word := range words {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("the page does not say %q:\n%s", word, text)
		}
	}
}

// foreignRequests are those that pages of that origin made to other origins.
func (b *chromium) foreignRequests(t *testing.T, origin string) []string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var foreign []string
	for _, r := range b.requests {
		if originOf(t, r.page) == origin && originOf(t, r.url) != origin {
			foreign = append(foreign, r.url)
		}
	}
	return foreign
}

// complaintsAbout are log entries about that origin.
func (b *chromium) complaintsAbout(origin string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, c := range b.complaints {
		if strings.HasPrefix(c, origin) {
			found = append(found, c)
		}
	}
	return found
}

func originOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("the browser asked for %q: %v", address, err)
	}
	return u.Scheme + "://" + u.Host
}

// signsInAndAllows goes through the two pages of oidc-provider: name, then consent.
func (b *chromium) signsInAndAllows(t *testing.T, p *oidcProvider, login string) {
	t.Helper()
	b.arrives(t, p.Issuer)
	b.do(t, "signing in",
		chromedp.WaitVisible(chromedp.CSS(`input[name="login"]`)),
		chromedp.SendKeys(chromedp.CSS(`input[name="login"]`), login),
		chromedp.SendKeys(chromedp.CSS(`input[name="password"]`), "any password will do"),
		chromedp.Click(chromedp.CSS(`button[type="submit"]`)),
	)
	b.do(t, "allowing access",
		chromedp.WaitReady(chromedp.CSS(`input[name="prompt"][value="consent"]`)),
		chromedp.Click(chromedp.CSS(`button[type="submit"]`)),
	)
}
