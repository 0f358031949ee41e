package keybearer_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// serverRoom is a broker with a Jira Data Center beside it, over TLS below a context path, with the
// rules that a real one has.
type serverRoom struct {
	t      *testing.T
	clock  *clock
	jira   *atlassiantest.RunningDataCenter
	broker *keybearer.Broker
	app    *keybearer.View
	admin  *keybearer.View
	store  *keybearer.Memory
	ring   keybearer.Sealer
	public string
}

const jira keybearer.ProviderID = "jira"

func openServerRoom(t *testing.T, c atlassiantest.DataCenterConfig) *serverRoom {
	t.Helper()
	r := &serverRoom{t: t, clock: newClock(), store: keybearer.NewMemory(), ring: keyring(t, "k"), public: "https://keys.example.com"}
	link := atlassiantest.DefaultLink()
	link.Redirects = []string{r.public + "/api/v1/oauth/jira/callback"}
	c.Links, c.Clock, c.ContextPath = []atlassiantest.Link{link}, r.clock.Now, "/tea/jira"
	c.BaseHTTPS, c.RedirectHTTPS = true, true
	r.jira = atlassiantest.StartDataCenterTLS(t, c)
	r.jira.Approve("")
	r.restart()
	if _, err := r.admin.CreateProvider(t.Context(), r.draft()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *serverRoom) draft() keybearer.ProviderDraft {
	link := r.jira.Links()[0]
	return keybearer.ProviderDraft{
		ID: jira, Type: "atlassian-data-center", ClientID: link.ID, ClientSecret: secret.New(link.Secret),
		Settings: oauth.Definition{ServerURL: r.jira.URL, Product: atlassiantest.Jira},
	}
}

// restart opens a broker on what is stored, at the public URL of the moment.
func (r *serverRoom) restart() {
	r.t.Helper()
	broker, err := keybearer.New(keybearer.Config{
		Connections: r.store, Providers: r.store, Sealer: r.ring, PublicURL: r.public, Now: r.clock.Now,
		Verification: keybearer.Verification{UnsafeSkip: true}, Catalog: catalog.Definition,
		HTTP: func(keybearer.Origin) *http.Client { return r.jira.Client },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := broker.Close(context.WithoutCancel(r.t.Context())); err != nil {
			r.t.Errorf("closing: %v", err)
		}
	})
	r.broker, r.app, r.admin = broker, broker.As(keybearer.Caller{Name: "key:app"}), broker.As(keybearer.Caller{Name: "key:admin", Admin: true})
}

func (r *serverRoom) ref() keybearer.Ref {
	return keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: jira}
}

func (r *serverRoom) authorize(scopes ...string) keybearer.Authorization {
	r.t.Helper()
	a, err := r.app.Authorize(r.t.Context(), keybearer.AuthorizeRequest{ProviderID: "atlassian-data-center", User: alice, Scopes: scopes})
	if err != nil {
		r.t.Fatalf("authorizing: %v", err)
	}
	return a
}

// visit goes to the server and reads where it sends the browser, or gives the page that it shows.
func (r *serverRoom) visit(v *keybearer.Visitor, id keybearer.AuthorizationID) (keybearer.Callback, bool) {
	r.t.Helper()
	to, err := v.Begin(r.t.Context(), id)
	if err != nil {
		r.t.Fatalf("beginning: %v", err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.jira.Client.Transport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		return keybearer.Callback{}, false
	}
	return callback(back), true
}

func (r *serverRoom) connect(scopes ...string) keybearer.Authorization {
	r.t.Helper()
	a := r.authorize(scopes...)
	if err := r.complete(a.ID, 0); err != nil {
		r.t.Fatalf("completing: %v", err)
	}
	done, err := r.app.Status(r.t.Context(), a.ID)
	if err != nil || done.Token == nil {
		r.t.Fatalf("got %+v, %v; want a token", done, err)
	}
	return done
}

// complete consents, and comes back after a while.
func (r *serverRoom) complete(id keybearer.AuthorizationID, after time.Duration) error {
	r.t.Helper()
	v := r.broker.Visitor(keybearer.NewBrowserSecret())
	cb, ok := r.visit(v, id)
	if !ok {
		r.t.Fatal("the server sent the browser nowhere")
	}
	r.clock.Advance(after)
	_, err := v.Complete(r.t.Context(), cb)
	return err
}

// works reports whether the server knows whose token it is.
func (r *serverRoom) works(token keybearer.Token) bool {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.jira.URL+"/rest/api/2/myself", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Access.Reveal())
	res, err := r.jira.Client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func TestDataCenterFromAuthorizeToRenewedToken(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{RefreshRedirect: "required"})
	first := r.connect("WRITE")
	if got := strings.Join(first.Scopes, " "); got != "READ WRITE" || !r.works(*first.Token) || !strings.Contains(string(first.Token.UserInfo), "alice@example.com") {
		t.Errorf("got the scopes %s and user info %s, want a token that works", got, first.Token.UserInfo)
	}
	if a := r.authorize("READ"); a.Status != keybearer.AuthorizationCompleted {
		t.Errorf("READ with WRITE granted: got %s, want completed", a.Status)
	}
	r.clock.Advance(time.Hour)
	second, err := r.app.Token(t.Context(), r.ref(), "READ")
	if err != nil || !r.works(second) || r.works(*first.Token) {
		t.Fatalf("after an hour: %v; want another token, and the former one dead", err)
	}

	// An app that meets with 401 says so, and gets another token at once, though this one's time is not over.
	r.jira.DropAccessTokens()
	third, err := r.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(jira), User: alice, Refused: second.Access})
	if err != nil || third.Token == nil || !r.works(*third.Token) {
		t.Fatalf("after the 401: got %v, want a token that works", err)
	}
	again, err := r.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(jira), User: alice, Refused: second.Access})
	if err != nil || !again.Token.Access.Equal(third.Token.Access) {
		t.Errorf("told twice: got %v, want the same token", err)
	}

	// Ninety days go by unused, but for the upkeep's share: what counts is that the redirect URI is still the consent's.
	r.public = "https://elsewhere.example"
	r.restart()
	r.clock.Advance(2 * time.Hour)
	if fourth, err := r.app.Token(t.Context(), r.ref()); err != nil || !r.works(fourth) {
		t.Errorf("at another public URL: got %v, want the refresh to name the redirect URI of the consent", err)
	}
	if got := r.jira.History().Reuses(); got != 0 {
		t.Errorf("got %d refresh tokens presented twice, want none", got)
	}
}

func TestDataCenterRefusals(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{})
	_, err := r.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(jira), User: alice, Scopes: []string{"read:jira-work"}})
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "use READ, WRITE, ADMIN, SYSTEM_ADMIN")

	late := r.authorize("READ")
	wantText(t, r.complete(late.ID, 10*time.Second), "It lives for ten seconds")

	link := r.jira.Links()[0]
	link.Redirects = []string{r.public + "/another"}
	r.jira.SetLink(link)
	if _, back := r.visit(r.broker.Visitor(keybearer.NewBrowserSecret()), r.authorize("READ").ID); back {
		t.Error("the browser came back with a redirect URI that is not registered")
	}
	link.Redirects = []string{r.public + "/api/v1/oauth/jira/callback"}
	r.jira.SetLink(link)

	r.connect("READ")
	r.clock.Advance(time.Hour)
	for switched, says := range map[string]string{
		"secret_rotated=on": "Copy client_id and client_secret again from the application link",
		"version=8.20.1":    "Its base URL is not https now, or its context path was changed",
	} {
		name, value, _ := strings.Cut(switched, "=")
		before := r.jira.Switches()
		if err := r.jira.Set(name, value); err != nil {
			t.Fatal(err)
		}
		_, err := r.app.Token(t.Context(), r.ref())
		wantKind(t, err, keybearer.ProviderRefused)
		wantText(t, err, says)
		for _, s := range before {
			if s.Name == name {
				if err := r.jira.Set(name, s.Value); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.clock.Advance(time.Hour) // beyond the pause after a failure
	}
	if token, err := r.app.Token(t.Context(), r.ref()); err != nil || !r.works(token) {
		t.Errorf("repaired: got %v, want the kept grant to work", err)
	}
	r.jira.RevokeGrant(link.ID, "alice")
	_, err = r.app.Renew(t.Context(), r.ref(), mustToken(t, r).Access)
	wantKind(t, err, keybearer.Reauthorize)
	wantText(t, err, "access was withdrawn in the user's profile")
	if got := r.jira.History().Calls(providertest.Authorize); got == 0 {
		t.Error("nobody was at the server")
	}
}

func mustToken(t *testing.T, r *serverRoom) keybearer.Token {
	t.Helper()
	token, err := r.app.Token(t.Context(), r.ref())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantText(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want a word about %q", err, says)
	}
}
