package interop_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

const appUser = "somebody@app.example"

// TestSeedAppGetsATokenThatTheOAuthServerAccepts runs the app code of the generic
// provider's page against the seeds' provider, once with a person's consent and
// once without.
func TestSeedAppGetsATokenThatTheOAuthServerAccepts(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		h := startHooli(t, oidcOptions{}, engineOptions{})

		app := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1", "scope2")
		link := app.next(t, "please_complete").URL
		last := newPerson(t, "gavin").consents(t, link)
		if last.status != http.StatusOK || last.url.Host != hostOf(t, h.engine.URL) {
			t.Errorf("the person ends on %s with %d, want a page of the engine with 200:\n%s", last.url, last.status, last.body)
		}

		got := app.next(t, "completed")
		h.engine.guards(got.Token)
		if want := (userInfo{"sub": "gavin", "email": "gavin@hooli.example", "name": "Person gavin"}); !cmp.Equal(userInfo(got.UserInfo), want) {
			t.Errorf("user_info (-want +got):\n%s", cmp.Diff(want, userInfo(got.UserInfo)))
		}
		for _, scope := range []string{"scope1", "scope2"} {
			if !slices.Contains(got.Scopes, scope) {
				t.Errorf("scopes: got %v, want %s among them", got.Scopes, scope)
			}
		}
		if got.ProviderID != "hooli" || got.UserID != appUser || got.Status != "completed" {
			t.Errorf("got status %v, provider_id %q, user_id %q; want completed, hooli, %s", got.Status, got.ProviderID, got.UserID, appUser)
		}
		if got := whoHolds(t, h.oidc.UserinfoEndpoint, got.Token)["sub"]; got != "gavin" {
			t.Errorf("the server says that the token belongs to %v, want gavin", got)
		}

		again := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1", "scope2").next(t, "completed")
		if again.Token != got.Token {
			t.Error("the second start gave another token although the first has not expired")
		}
		if n := len(h.oidc.tokenRequests(t, "authorization_code")); n != 1 {
			t.Errorf("%d codes were exchanged, want 1", n)
		}
		if n := h.oidc.refreshes(t); n != 0 {
			t.Errorf("%d refreshes of a fresh token, want 0", n)
		}
	})
}

// TestSeedAppGetsAnAtlassianToken runs the app code of the Atlassian page against the sandbox.
func TestSeedAppGetsAnAtlassianToken(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		s := startSandbox(t)
		e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{s.definition()}})

		scopes := []string{"read:me", "read:jira-user", "read:confluence-user"}
		app := c.start(t, e.URL, e.Key, "atlassian", appUser, scopes...)
		newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)

		got := app.next(t, "completed")
		e.guards(got.Token)
		if got.UserInfo["email"] != "alice@example.com" {
			t.Errorf("user_info: got %v, want the profile of alice@example.com", got.UserInfo)
		}
		if me := whoHolds(t, s.URL+"/me", got.Token); me["email"] != "alice@example.com" {
			t.Errorf("/me with the token: got %v, want alice@example.com", me)
		}
		for _, scope := range scopes {
			if !slices.Contains(got.Scopes, scope) {
				t.Errorf("scopes: got %v, want %s among them", got.Scopes, scope)
			}
		}

		again := c.start(t, e.URL, e.Key, "atlassian", appUser, scopes...).next(t, "completed")
		if again.Token != got.Token {
			t.Error("the second start gave another token although the first has not expired")
		}
	})
}

// TestMoreScopesAskForMoreConsentAndKeepTheOld: a start that the grant does not
// cover asks the person again, for both the new scope and the old.
func TestMoreScopesAskForMoreConsentAndKeepTheOld(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		h := startHooli(t, oidcOptions{}, engineOptions{})
		gavin := newPerson(t, "gavin")

		first := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1")
		gavin.consents(t, first.next(t, "please_complete").URL)
		first.next(t, "completed")

		second := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope2")
		gavin.consents(t, second.next(t, "please_complete").URL)
		got := second.next(t, "completed")
		for _, scope := range []string{"scope1", "scope2"} {
			if !slices.Contains(got.Scopes, scope) {
				t.Errorf("scopes: got %v, want %s among them", got.Scopes, scope)
			}
		}

		c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1", "scope2").next(t, "completed")
	})
}

// TestTwoStartsWhileThePersonThinksAreOneAuthorization: both apps wait for the same click.
func TestTwoStartsWhileThePersonThinksAreOneAuthorization(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{}, engineOptions{})

	var apps []*appRun
	var asked []appLine
	for _, c := range clients() {
		app := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1")
		apps, asked = append(apps, app), append(asked, app.next(t, "please_complete"))
	}
	for _, line := range asked[1:] {
		if line.ID != asked[0].ID || line.URL != asked[0].URL {
			t.Errorf("got authorization %s with %s, want %s with %s", line.ID, line.URL, asked[0].ID, asked[0].URL)
		}
	}

	newPerson(t, "gavin").consents(t, asked[0].URL)
	tokens := map[string]bool{}
	for _, app := range apps {
		tokens[app.next(t, "completed").Token] = true
	}
	if len(tokens) != 1 {
		t.Errorf("the apps hold %d different tokens, want one", len(tokens))
	}
}

// TestALinkOutlivesARestart: a link that was sent to somebody still works after the
// engine was stopped and started again, even when the person is at the server meanwhile.
func TestALinkOutlivesARestart(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{}, engineOptions{})
	d := clients()[2].drive(t, h.engine.URL, h.engine.Key)
	var asked authorization
	d.succeeds(t, call{Method: "auth.start", Args: []any{appUser, "hooli"}}, &asked)

	gavin := newPerson(t, "gavin")
	h.engine.restart(t)
	login := gavin.opens(t, asked.URL)
	if hostOf(t, login.url.String()) != hostOf(t, h.oidc.Issuer) {
		t.Fatalf("the link leads to %s, want the server", login.url)
	}
	h.engine.restart(t)
	last := gavin.consents(t, login.url.String())
	if last.status != http.StatusOK {
		t.Errorf("the person ends on %s with %d:\n%s", last.url, last.status, last.body)
	}

	var done authorization
	d.succeeds(t, call{Method: d.calls.waitForCompletion, Args: []any{asked.ID}}, &done)
	if done.Status != "completed" || done.Context.Token == "" {
		t.Errorf("got %q (token: %t), want completed with one", done.Status, done.Context.Token != "")
	}
}

// TestAPersonClicksThroughInChromium goes the whole way in a real browser: the
// engine's question, the server's login and consent, the engine's last page.
func TestAPersonClicksThroughInChromium(t *testing.T) {
	t.Parallel()
	c := clients()[0]
	h := startHooli(t, oidcOptions{}, engineOptions{confirmPage: "always"})
	browser := startChromium(t)

	app := c.start(t, h.engine.URL, h.engine.Key, "hooli", appUser, "scope1")
	browser.do(t, "opening the link", chromedp.Navigate(app.next(t, "please_complete").URL))
	browser.isReadableOnAPhone(t)
	browser.shows(t, appUser, "hooli", "scope1")
	browser.do(t, "confirming", chromedp.Click(chromedp.CSS(`form button`)))

	browser.signsInAndAllows(t, h.oidc, "gavin")
	browser.arrives(t, h.engine.URL)
	browser.isReadableOnAPhone(t)
	app.next(t, "completed")

	if foreign := browser.foreignRequests(t, h.engine.URL); len(foreign) > 0 {
		t.Errorf("the engine's pages asked other hosts: %v", foreign)
	}
	if complaints := browser.complaintsAbout(h.engine.URL); len(complaints) > 0 {
		t.Errorf("the browser complains about the engine's pages: %v", complaints)
	}
}
