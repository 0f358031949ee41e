package desk_test

import (
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/desk"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What people read is kept in testdata. To renew: go test ./internal/desk -run TestPagesReadAsKept -update
func TestPagesReadAsKept(t *testing.T) {
	home := full()
	l := newLab(t, home, 0)
	b := l.in()
	for name, at := range map[string]string{
		"desk": "/", "log": "/log", "connect": "/connect/github", "connect-server": "/connect/sandbox", "connect-key": "/connect/openai",
		"disconnect": "/disconnect/uc_2", "gone": "/disconnect/uc_9", "not-found": "/connect/nobody", "back": "/back",
	} {
		golden(t, b, name, b.get(at).body)
	}
	golden(t, b, "stranger", newBrowser(t).get(origin(l.desk)+"/").body)
	golden(t, b, "onward", b.post("/connect/github", nil).body)
	golden(t, b, "waiting", b.get("/login").body)
	b.post("/cancel", nil)
	golden(t, b, "cancelled", b.get("/").body)

	nothing := newLab(t, newMemory(), 0)
	b = nothing.in()
	golden(t, b, "desk-empty", b.get("/").body)
	golden(t, b, "log-empty", b.get("/log").body)
}

func golden(t *testing.T, b *browser, name, got string) {
	t.Helper()
	word := b.root[strings.LastIndex(b.root, "/"):]
	got = strings.ReplaceAll(got, word, "/WORD")
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s has changed (-want +got):\n%s", file, diff)
	}
}

func TestDisconnectAsksFirst(t *testing.T) {
	home := full()
	b := newLab(t, home, 0).in()
	if got := b.get("/disconnect/uc_2"); got.status != 200 || !strings.Contains(got.body, "Disconnect GitHub (work)?") || len(home.connections) != 4 {
		t.Errorf("got %d, with %d connections left", got.status, len(home.connections))
	}
	if got := b.post("/disconnect/uc_2", nil); got.status != http.StatusSeeOther || len(home.connections) != 3 {
		t.Errorf("got %d, with %d connections left", got.status, len(home.connections))
	}
	if page := b.get("/").body; !strings.Contains(page, "GitHub (work) is disconnected.") {
		t.Error("the page does not say what was done")
	}
	if page := b.get("/").body; strings.Contains(page, "is disconnected.") {
		t.Error("the page says it twice")
	}
	if got := b.post("/disconnect/uc_2", nil); got.status != http.StatusNotFound {
		t.Errorf("once more: got %d", got.status)
	}
}

func TestDefaultIsChosen(t *testing.T) {
	home := full()
	b := newLab(t, home, 0).in()
	if got := b.post("/default/uc_2", nil); got.status != http.StatusSeeOther || !home.connections[1].Default || home.connections[0].Default {
		t.Errorf("got %d", got.status)
	}
}

func TestConnectGoesOnToTheProviderAndComesBack(t *testing.T) {
	home := full()
	b := newLab(t, home, 0).in()
	got := b.post("/connect/github", url.Values{"name": {" work "}, "scopes": {"repo, read:org"}, "again": {"yes"}})
	if got.status != 200 || !strings.Contains(got.body, `url=https://provider.example/authorize?state=x"`) {
		t.Fatalf("got %d and\n%s", got.status, got.body)
	}
	want := desk.Wish{Provider: "github", Connection: "work", Scopes: []string{"repo", "read:org"}, Again: true, Back: b.root + "/back"}
	if diff := cmp.Diff(want, home.wish(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page := b.get("/").body; !strings.Contains(page, "A login to GitHub (work) is under way") {
		t.Error("the page does not say that a login is under way")
	}
	// The browser comes from another site, with no strict cookie, and gets a page that goes on by itself.
	if back := newBrowser(t).get(want.Back); back.status != 200 || !strings.Contains(back.body, `/login">`) {
		t.Errorf("back: got %d", back.status)
	}
	home.ends <- nil
	if got := b.get("/login"); got.status != http.StatusSeeOther {
		t.Errorf("at the end: got %d", got.status)
	}
	if page := b.get("/").body; !strings.Contains(page, "GitHub (work) is connected.") || strings.Contains(page, "under way") {
		t.Error("the page does not say that it is connected")
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	home := full()
	b := newLab(t, home, 0).in()
	for _, c := range []struct {
		path, form, says string
		status           int
	}{
		{"/connect/sandbox", "server=", "address of your server is missing", 422},
		{"/connect/github", "name=" + strings.Repeat("x", 300), "value=\"xxx", 422},
		{"/connect/github", "name=%zz", "try again", 400},
		{"/connect/github", "scopes=" + strings.Repeat("x", 100<<10), "", 400},
		{"/connect/nobody", "", "no such page", 404},
	} {
		r := b.request("POST", c.path, nil)
		r, _ = http.NewRequestWithContext(t.Context(), "POST", r.URL.String(), strings.NewReader(c.form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := b.do(r); got.status != c.status || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: got %d, want %d and %q in\n%s", c.path, got.status, c.status, c.says, got.body)
		}
	}
	if len(home.wishes) != 0 {
		t.Error("a login was begun all the same")
	}
	home.steps = nil
	home.ends <- keybearer.Errorf(keybearer.Conflict, "port 7998 is taken: run `keybearer login` later")
	got := b.post("/connect/github", nil)
	if got.status != http.StatusConflict || !strings.Contains(got.body, "Port 7998 is taken: run <code>keybearer login</code> later.") || !strings.Contains(got.body, "Try again") {
		t.Errorf("got %d and\n%s", got.status, got.body)
	}
	home.ends <- errors.New("the disk said something internal")
	if got := b.post("/connect/github", nil); got.status != 500 || strings.Contains(got.body, "disk") {
		t.Errorf("a mistake of ours: got %d and\n%s", got.status, got.body)
	}
}

func TestOneLoginAtATime(t *testing.T) {
	home := full()
	l := newLab(t, home, 0)
	b := l.in()
	b.post("/connect/github", nil)
	b.post("/connect/openai", url.Values{"how": {"key"}})
	if got := home.wish(t); got.Provider != "openai" || !got.Key || len(home.wishes) != 2 {
		t.Errorf("got %+v", got)
	}
	if page := b.get("/").body; strings.Contains(page, "login to GitHub") || !strings.Contains(page, "login to OpenAI") {
		t.Error("the former login is still under way")
	}
	if got := b.post("/cancel", nil); got.status != http.StatusSeeOther {
		t.Errorf("got %d", got.status)
	}
	if got := b.get("/login"); got.status != http.StatusSeeOther {
		t.Errorf("after it was broken off: got %d", got.status)
	}
	b.post("/connect/github", nil) // goes with the desk, which waits for it
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	home := full()
	b := newLab(t, home, 0).in()
	home.wrong = keybearer.Errorf(keybearer.Unavailable, "the keyring is locked: unlock it")
	if got := b.get("/"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "The keyring is locked: unlock it.") {
		t.Errorf("got %d and\n%s", got.status, got.body)
	}
	if got := b.get("/log"); got.status != 200 || !strings.Contains(got.body, "cannot be read") {
		t.Errorf("got %d and\n%s", got.status, got.body)
	}
}
