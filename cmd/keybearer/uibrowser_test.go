package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// person is somebody at a browser on the machine where `keybearer ui` runs.
type person struct {
	t    *testing.T
	ctx  context.Context
	home string
	seen strings.Builder // every page

	mu      sync.Mutex
	trouble []string // what the browser's console complained of
}

func newPerson(t *testing.T) *person {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // nothing but this machine exists for it
	)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	ctx, kill := chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(kill)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	p := &person{t: t, ctx: ctx, home: filepath.Join(t.TempDir(), "home")}
	// The first command starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1100, 900)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *person) listen(event any) {
	if e, ok := event.(*cdplog.EventEntryAdded); ok && e.Entry.Source != cdplog.EntrySourceNetwork {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.trouble = append(p.trouble, e.Entry.Text)
	}
}

// do acts, and keeps the page that it ends at.
func (p *person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, 20*time.Second)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		at, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`location.href + " " + (performance.getEntriesByType("navigation")[0]||{}).name`))
		page, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("at %s: %v; the console says: %q; the page says:\n%s", at, err, p.trouble, page)
	}
}

// sees waits for something on the page.
func (p *person) sees(xpath string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(xpath))
	page, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
	if err != nil {
		p.t.Fatal(err)
	}
	p.seen.WriteString(page)
}

func (p *person) press(what, sees string) {
	p.t.Helper()
	p.do(chromedp.Click(what))
	p.sees(sees)
}

// shoot takes pictures where PAGES_SHOTS names a folder, and checks that nothing is wider than the window.
func (p *person) shoot(name string) {
	p.t.Helper()
	for _, wide := range []int64{1100, 360} {
		p.do(chromedp.EmulateViewport(wide, 900))
		over, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
		if err != nil || over > 0 {
			p.t.Errorf("%s: the page is %d wider than a window of %d (%v)", name, over, wide, err)
		}
		dir := os.Getenv("PAGES_SHOTS")
		for _, scheme := range []string{"light", "dark"} {
			if dir == "" {
				continue
			}
			if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				p.t.Fatal(err)
			}
			shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				p.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+"-"+strconv.FormatInt(wide, 10)+"-"+scheme+".png"), shot, 0o600); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.do(chromedp.EmulateViewport(1100, 900))
}

// keybearer is a command in the person's own home.
func (p *person) keybearer(args ...string) *exec.Cmd {
	c := exec.CommandContext(context.WithoutCancel(p.t.Context()), "keybearer", args...)
	c.Env = append(os.Environ(), "KEYBEARER_HOME="+p.home, "KEYBEARER_VAULT_CUSTODY=file")
	return c
}

func (p *person) says(args ...string) string {
	p.t.Helper()
	out, err := p.keybearer(args...).Output()
	if err != nil {
		p.t.Fatalf("keybearer %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// ui starts `keybearer ui`, which has to end with 0 at Ctrl-C, and gives its address.
func (p *person) ui(callback int) string {
	p.t.Helper()
	c := p.keybearer("ui", "--json", "--callback-port", strconv.Itoa(callback))
	c.Stderr = p.t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			p.t.Error(err)
		}
		if err := c.Wait(); err != nil {
			p.t.Errorf("after Ctrl-C: %v, want exit code 0", err)
		}
	})
	var said struct{ URL string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		p.t.Fatal(err)
	}
	return said.URL
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := portToListenOn()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A person connects an account and an API key by clicking alone, sees them, and disconnects one; no token and no key
// is on any of the pages.
func TestBrowserConnectsAtTheDeskAndDisconnects(t *testing.T) {
	p, callback := newPerson(t), freePort(t)
	app := atlassiantest.DefaultApp()
	app.Secret, app.Callbacks = localSandboxSecret, []string{login.Callback(callback)}
	box, err := openSandbox(t.Context(), atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}}), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.stop(context.WithoutCancel(t.Context())) })

	p.do(chromedp.Navigate(p.ui(callback)))
	p.sees(`//*[contains(., "There is nothing here yet")]`)
	p.shoot("desk-empty")
	p.press(`//a[contains(., "Sandbox")]`, `//h1[.="Connect Sandbox"]`)
	p.do(chromedp.SetValue(chromedp.CSS("#server"), box.url))
	p.shoot("desk-connect")
	p.press(`//button[contains(., "Continue to Sandbox")]`, `//h1[.="Choose an account"]`)
	p.press(`//button[contains(., "Alice")]`, `//button[.="Cancel"]`)
	p.press(`//button[.="Cancel"]`, `//h1[.="Access was not granted"]`)
	p.press(`//a[contains(., "Back to your connections")]`, `//h1[.="That did not work"]`)
	p.shoot("desk-declined")
	p.press(`//a[.="Try again"]`, `//h1[.="Connect Sandbox"]`)
	p.press(`//button[contains(., "Continue to Sandbox")]`, `//h1[.="Choose an account"]`)
	p.press(`//button[contains(., "Alice")]`, `//button[.="Accept"]`)
	p.press(`//button[.="Accept"]`, `//*[@role="status"][.="Sandbox is connected."]`)
	p.sees(`//*[contains(@class, "state good")][.="active"]`)

	p.do(chromedp.Click(`//summary[contains(., "providers")]`))
	p.press(`//a[contains(., "OpenAI")]`, `//h1[.="Connect OpenAI"]`)
	p.press(`//button[contains(., "Use an API key")]`, `//label[.="API key"]`)
	const key = "sk-proj-not-a-real-key-0123456789abcdefghijklmnopqrstuvwxyz"
	p.do(chromedp.SetValue(chromedp.CSS("#key"), key))
	p.press(`//button[.="Store it"]`, `//*[@role="status"][.="OpenAI is connected."]`)
	_ = p.keybearer("run", "--as", "review-bot", "--", "curl", "-sS", "https://sandbox-teahouse.atlassian.net/rest/api/3/myself").Run()
	_ = p.keybearer("run", "--as", "review-bot", "--", "sh", "-c", `curl -sS -H "Authorization: Bearer $OPENAI_API_KEY" https://sandbox-teahouse.atlassian.net/rest/api/3/issue/TEA-1`).Run()
	p.do(chromedp.Reload(), chromedp.Click(`//summary`))
	p.shoot("desk")

	for _, what := range []string{p.says("get", "sandbox", "--show-secret", "--force", "--field", "token"), key} {
		if strings.Contains(p.seen.String(), what) {
			t.Error("a credential is on one of the pages")
		}
	}
	p.press(`//a[@aria-label="Disconnect Sandbox"]`, `//h1[.="Disconnect Sandbox?"]`)
	p.shoot("desk-disconnect")
	p.press(`//button[.="Disconnect"]`, `//*[@role="status"][.="Sandbox is disconnected."]`)
	if list := p.says("list"); strings.Contains(list, "sandbox") || !strings.Contains(list, "openai") {
		t.Errorf("got\n%s\nwant openai alone", list)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.trouble {
		t.Errorf("the console complains: %s", text)
	}
}
