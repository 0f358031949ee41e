package keybearer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// give stores a credential as alice's connection.
func (r *serverRoom) give(c keybearer.Credential) keybearer.ConnectionInfo {
	r.t.Helper()
	info, err := r.admin.PutConnection(r.t.Context(), r.ref(), c)
	if err != nil {
		r.t.Fatalf("storing the credential: %v", err)
	}
	return info
}

func (r *serverRoom) turn(name, value string) {
	r.t.Helper()
	if err := r.jira.Set(name, value); err != nil {
		r.t.Fatal(err)
	}
}

// account is the link as a service account.
func (r *serverRoom) account() keybearer.Credential {
	link := r.jira.Links()[0]
	return keybearer.Credential{Kind: keybearer.ServiceAccount, ClientID: link.ID, Secret: secret.New(link.Secret)}
}

func TestPersonalAccessTokenIsTriedThenHandedOut(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{})
	pat, err := r.jira.IssuePAT("bob", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	given := keybearer.Credential{Kind: keybearer.PersonalAccessToken, Secret: secret.New("a-guess")}
	_, err = r.admin.PutConnection(t.Context(), r.ref(), given)
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "does not accept the personal access token")

	given.Secret, given.ExpiresAt = secret.New(pat), r.clock.Now().Add(24*time.Hour)
	info := r.give(given)
	if info.Kind != keybearer.PersonalAccessToken || info.Grant != nil || !strings.Contains(string(info.UserInfo), "bob@example.com") {
		t.Errorf("got %+v, want bob's, and no grant", info)
	}
	a := r.authorize("WRITE") // nobody knows what it reaches, so it covers what is asked for
	if a.Status != keybearer.AuthorizationCompleted || !r.works(*a.Token) || a.Token.Scheme() != "Bearer" {
		t.Fatalf("got %s, want the token at once", a.Status)
	}
	_, err = r.app.Renew(t.Context(), r.ref(), a.Token.Access)
	wantKind(t, err, keybearer.Reauthorize)
	wantText(t, err, "there is no other: make a new personal access token")
	if token := mustToken(t, r); !r.works(token) {
		t.Error("what an app reports ended the connection")
	}
	r.clock.Advance(24 * time.Hour)
	for range 2 {
		_, err = r.app.Token(t.Context(), r.ref())
		wantKind(t, err, keybearer.Reauthorize)
		wantText(t, err, "valid until 2026-11-23T10:00:00Z): make a new personal access token at the provider and store it: keybearer connection add")
	}
	if calls := r.jira.History().Calls(providertest.Token); calls != 0 {
		t.Errorf("the token endpoint was asked %d times, want never", calls)
	}
	if a := r.authorize("READ"); a.Status != keybearer.AuthorizationPending {
		t.Errorf("got %s, want the way by consent to be open", a.Status)
	}
}

func TestServiceAccountAsksAgain(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{ClientCredentials: true})
	info := r.give(r.account())
	if strings.Join(info.Scopes, " ") != "READ" || info.ClientID == "" || !info.Refreshable {
		t.Errorf("got %+v, want the default scope", info)
	}
	first := mustToken(t, r)
	if !r.works(first) || first.Kind != keybearer.ServiceAccount {
		t.Fatal("the first token does not work")
	}
	r.clock.Advance(time.Hour)
	asked := r.jira.History().Calls(providertest.Token)
	tokens := make(chan keybearer.Token)
	for range 20 {
		go func() {
			token, err := r.app.Token(t.Context(), r.ref(), "READ")
			if err != nil {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	second := <-tokens
	for range 19 {
		if other := <-tokens; !other.Access.Equal(second.Access) {
			t.Error("got two tokens, want one for all")
		}
	}
	if got := r.jira.History().Calls(providertest.Token) - asked; got != 1 || !r.works(second) || second.Access.Equal(first.Access) {
		t.Errorf("asked %d times, want once, and a token that works", got)
	}

	// After a restart the credential is still there, and no journal has an entry.
	r.restart()
	r.clock.Advance(time.Hour)
	if !r.works(mustToken(t, r)) {
		t.Error("after a restart the token does not work")
	}
	c, err := r.store.Connection(t.Context(), r.ref())
	if err != nil || c.Rotation.Open() || c.Kind != keybearer.ServiceAccount {
		t.Errorf("got %+v, %v", c.Rotation, err)
	}

	r.jira.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "html_error", Times: 1})
	r.clock.Advance(time.Hour)
	_, err = r.app.Token(t.Context(), r.ref())
	wantKind(t, err, keybearer.ProviderAway)
	r.clock.Advance(time.Minute)
	if !r.works(mustToken(t, r)) {
		t.Error("after an outage the token does not work")
	}

	r.turn("secret_rotated", "on")
	r.clock.Advance(time.Hour)
	_, err = r.app.Token(t.Context(), r.ref())
	wantKind(t, err, keybearer.Reauthorize)
	wantText(t, err, "It was revoked, has ended, or was copied wrongly")
	wantText(t, err, "make a new service account at the provider and store it")
}

func TestRefusedServiceAccountIsNotStored(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{})
	for switched, want := range map[string]struct {
		kind keybearer.Kind
		says string
	}{
		"client_credentials=off": {keybearer.ProviderRefused, "only the newest versions have them"},
		"secret_rotated=on":      {keybearer.BadRequest, "credential is not accepted"},
		"version=8.20.1":         {keybearer.ProviderRefused, "404"},
	} {
		r := openServerRoom(t, atlassiantest.DataCenterConfig{})
		name, value, _ := strings.Cut(switched, "=")
		r.turn(name, value)
		_, err := r.admin.PutConnection(t.Context(), r.ref(), r.account())
		wantKind(t, err, want.kind)
		wantText(t, err, want.says)
		_, err = r.app.Token(t.Context(), r.ref())
		wantKind(t, err, keybearer.NotFound)
	}
	_, err := r.app.PutConnection(t.Context(), r.ref(), r.account())
	wantKind(t, err, keybearer.PermissionDenied)
}

// Whatever is given or consented to last counts, and nothing of the former goes on.
func TestKindsReplaceOneAnother(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{ClientCredentials: true})
	consented := r.connect("WRITE")
	r.give(r.account())
	if token := mustToken(t, r); token.Access.Equal(consented.Token.Access) || token.Kind != keybearer.ServiceAccount {
		t.Error("the former token is handed out")
	}
	a := r.authorize("ADMIN")
	if a.Status != keybearer.AuthorizationPending {
		t.Fatalf("got %s: READ was granted, and ADMIN asked for", a.Status)
	}
	if err := r.complete(a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if token := mustToken(t, r); token.Kind != keybearer.Consented || !r.works(token) {
		t.Errorf("got the kind %s, want the consent", token.Kind)
	}
	r.clock.Advance(time.Hour)
	if !r.works(mustToken(t, r)) {
		t.Error("the consent is not refreshed")
	}
	last, _ := r.jira.History().Last(providertest.Token)
	if last.Grant != "refresh_token" {
		t.Errorf("got the grant %q, want a refresh", last.Grant)
	}
}

// A service account's token that comes late does not undo what was given meanwhile.
func TestGivenWhileARefreshIsUnderWay(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{ClientCredentials: true})
	r.give(r.account())
	pat, err := r.jira.IssuePAT("bob", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Hour)
	r.jira.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "hold_answer", Times: 1})
	before := r.jira.History().Calls(providertest.Token)
	late := make(chan keybearer.Token)
	go func() {
		token, err := r.app.Token(t.Context(), r.ref())
		if err != nil {
			t.Error(err)
		}
		late <- token
	}()
	if err := r.jira.History().AwaitCalls(t.Context(), providertest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	r.give(keybearer.Credential{Kind: keybearer.PersonalAccessToken, Secret: secret.New(pat)})
	r.jira.Release()
	for _, token := range []keybearer.Token{<-late, mustToken(t, r)} {
		if token.Access.Reveal() != pat || token.Kind != keybearer.PersonalAccessToken {
			t.Errorf("got a token of the kind %s, want what was given last", token.Kind)
		}
	}
}

func TestProviderWithoutAClientTakesWhatIsGiven(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{ClientCredentials: true})
	d := r.draft()
	d.ID, d.ClientID, d.ClientSecret = "bots", "", secret.String{}
	if _, err := r.admin.CreateProvider(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	_, err := r.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "bots", User: alice})
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "nobody can consent at bots, which has no client id: store a token or a service account for alice@example.com")
	ref := keybearer.Ref{User: alice, Provider: "bots"}
	if _, err := r.admin.PutConnection(t.Context(), ref, r.account()); err != nil {
		t.Fatal(err)
	}
	a, err := r.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "bots", User: alice})
	if err != nil || a.Token == nil || !r.works(*a.Token) {
		t.Errorf("got %+v, %v; want a token at once", a, err)
	}
	d.ID, d.Type = "custom", ""
	_, err = r.admin.CreateProvider(t.Context(), d)
	wantText(t, err, "oauth2.client_id is needed")
}

func TestAPITokenGoesAsBasic(t *testing.T) {
	r := openServerRoom(t, atlassiantest.DataCenterConfig{})
	r.give(keybearer.Credential{Kind: keybearer.APIToken, Username: "bob@example.com", Secret: secret.New("bob")})
	token := mustToken(t, r)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.jira.URL+"/rest/api/2/myself", nil)
	if err != nil {
		t.Fatal(err)
	}
	api := &http.Client{Transport: &keybearer.Transport{Source: r.app, Ref: r.ref(), Base: r.jira.Client.Transport}}
	res, err := api.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	user, password, ok := basicOf(token)
	if res.StatusCode != http.StatusOK || res.Header.Get("X-AUSERNAME") != "bob" || !ok || user != "bob@example.com" || password != "bob" {
		t.Errorf("got %d as %s by %s, want bob by Basic", res.StatusCode, res.Header.Get("X-AUSERNAME"), token.Scheme())
	}
}

func basicOf(token keybearer.Token) (user, password string, ok bool) {
	req := http.Request{Header: http.Header{"Authorization": {token.Authorization().Reveal()}}}
	return req.BasicAuth()
}
