package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func signInForm(user, password string) url.Values {
	return url.Values{"user_id": {user}, "password": {password}}
}

// toVerifier walks up to the built-in verifier and gives its address.
func (b *browser) toVerifier(l *lab, a keybearer.Authorization) string {
	b.t.Helper()
	to := b.get(b.consent(l, a)).location(b.t)
	if !strings.HasPrefix(to, "/verify/af_") {
		b.t.Fatalf("got %s, want the built-in verifier", to)
	}
	return l.url + to
}

func TestSignInCompletesTheFlow(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	a := l.authorize("")
	b := newBrowser(t)
	at := b.toVerifier(l, a)
	expect(t, b.get(at), 200, "Sign in", "connect <b>Hooli</b>", `value="alice@example.com"`)
	if got := l.status(a); got != keybearer.AuthorizationPending {
		t.Errorf("got status %s before the sign-in, want pending", got)
	}
	expect(t, b.post(at, signInForm("alice@example.com", "wrong password")), 401, "The user id or the password is wrong")
	if to := b.post(at, signInForm("alice@example.com", passwordOf)).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
	expect(t, b.get(l.url+"/success"), 200, "Hooli is connected", "alice@example.com")
	if got := l.status(a); got != keybearer.AuthorizationCompleted {
		t.Errorf("got status %s, want completed", got)
	}
	expect(t, b.get(l.url+"/"), 200, "signed in as", "alice@example.com")
}

func TestWhoIsSignedInAlreadyGoesStraightThrough(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	b.post(l.url+"/login", signInForm("alice@example.com", passwordOf)).location(t)
	a := l.authorize("https://app.example.com/done")
	if to := b.get(b.toVerifier(l, a)).location(t); to != "https://app.example.com/done" {
		t.Errorf("got %s, want the app's next_uri", to)
	}
}

// The answer to a form must not redirect to another site: see goOn.
func TestSignInLeavesForTheAppByAPage(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	at := b.toVerifier(l, l.authorize("https://app.example.com/done?a=1&b=2"))
	if to := b.post(at, signInForm("alice@example.com", passwordOf)).leaves(t); to != "https://app.example.com/done?a=1&b=2" {
		t.Errorf("got %s, want the app's next_uri", to)
	}
}

func TestAnotherUserIsToldAndCanSwitch(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	l.account("mallory@example.com")
	a := l.authorize("")
	b := newBrowser(t)
	b.post(l.url+"/login", signInForm("mallory@example.com", passwordOf))
	at := b.toVerifier(l, a)
	page := b.get(at)
	expect(t, page, 400, "Another user is needed", "mallory@example.com", "alice@example.com", "Sign out and switch")
	if got := l.status(a); got != keybearer.AuthorizationPending {
		t.Errorf("got status %s after another user came, want pending", got)
	}
	path := strings.TrimPrefix(at, l.url)
	if to := b.post(l.url+"/logout", url.Values{"return_to": {path}}).location(t); to != path {
		t.Errorf("got %s, want back to %s", to, path)
	}
	expect(t, b.get(at), 200, "Sign in")
	if to := b.post(at, signInForm("alice@example.com", passwordOf)).location(t); to != "/success" {
		t.Errorf("got %s, want /success", to)
	}
}

// An attacker consents with his own account at the provider in a flow that was started for alice, and
// sends her the last link: her connection would lead into his account.
func TestVerifierIsForTheBrowserThatConsented(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	a := l.authorize("")
	at := newBrowser(t).toVerifier(l, a)

	alice := newBrowser(t)
	alice.post(l.url+"/login", signInForm("alice@example.com", passwordOf))
	expect(t, alice.get(at), 400, "does not fit")
	expect(t, alice.post(at, signInForm("alice@example.com", passwordOf)), 400, "does not fit")
	if got := l.status(a); got != keybearer.AuthorizationPending {
		t.Errorf("got status %s, want pending", got)
	}
}

func TestSeveralFlowsWaitForOneSignIn(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	var at []string
	for range 7 {
		a, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "alice@example.com", Scopes: []string{"s" + string(rune('a'+len(at)))}})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, b.toVerifier(l, a))
	}
	for _, forgotten := range at[:2] {
		expect(t, b.get(forgotten), 400, "does not fit")
	}
	b.post(at[2], signInForm("alice@example.com", passwordOf)).location(t)
	for _, kept := range at[3:] {
		if to := b.get(kept).location(t); to != "/success" {
			t.Errorf("got %s, want /success", to)
		}
	}
}

// Browsers drop cookies of more than 4096 bytes, and with them the way to the verifier.
func TestLongUserIDsFitIntoTheCookie(t *testing.T) {
	l := newLab(t, options{})
	b := newBrowser(t)
	for i := range 5 {
		a, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{
			ID: "hooli", User: keybearer.UserID(strings.Repeat("<", 255) + string(rune('0'+i))),
		})
		if err != nil {
			t.Fatal(err)
		}
		back := b.get(b.consent(l, a))
		if n := len(cookieOf(t, back, "keybearer-flows").String()); n > 4096 {
			t.Errorf("the cookie has %d bytes, want 4096 at most", n)
		}
		expect(t, b.get(l.url+back.location(t)), 200, "Sign in")
	}
}

func TestVerifierAfterTheTimeIsOver(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	b := newBrowser(t)
	at := b.toVerifier(l, l.authorize(""))
	l.clock.advance(2 * time.Hour)
	expect(t, b.post(at, signInForm("alice@example.com", passwordOf)), 400, "This authorization is over")
}

func TestVerifierOfWhatIsNotThere(t *testing.T) {
	l := newLab(t, options{})
	b := newBrowser(t)
	expect(t, b.get(l.url+"/verify/nonsense"), 404)
	expect(t, b.get(l.url+"/verify/af_AAAAAAAAAAAAAAAAAAAAAAAAAA"), 400)
	if got := b.do("HEAD", l.url+"/verify/af_AAAAAAAAAAAAAAAAAAAAAAAAAA", nil); got.StatusCode != http.StatusOK {
		t.Errorf("HEAD: got %d, want 200", got.StatusCode)
	}
}
