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

// Cloud's service accounts and scoped API tokens, at a provider without a client: each gets through the
// gateway as what it is.
func TestCloudTakesWhatIsGiven(t *testing.T) {
	clock := newClock()
	robot := atlassiantest.DefaultServiceAccount()
	robot.Scopes = []string{"read:jira-work", "read:jira-user"}
	cloud := atlassiantest.Start(t, atlassiantest.Config{Clock: clock.Now, ServiceAccounts: []atlassiantest.ServiceAccount{robot}})
	robot = cloud.ServiceAccounts()[0]
	broker, err := keybearer.New(keybearer.Config{PublicURL: publicURL, Now: clock.Now, Catalog: catalog.Definition, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close(context.WithoutCancel(t.Context())) })
	admin := broker.As(keybearer.Caller{Name: "key:admin", Admin: true})
	if _, err := admin.CreateProvider(t.Context(), keybearer.ProviderDraft{ID: "atlassian", Type: "atlassian", Settings: oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: cloud.URL + "/authorize"},
		TokenRequest:     oauth.Request{Endpoint: cloud.URL + "/oauth/token"},
		UserInfoRequest:  &oauth.UserInfo{Request: oauth.Request{Endpoint: cloud.URL + "/me"}},
	}}); err != nil {
		t.Fatal(err)
	}
	site := ""
	for _, s := range atlassiantest.DefaultSites() {
		if s.Name == "sandbox-teahouse" {
			site = s.ID
		}
	}
	call := func(ref keybearer.Ref) int {
		api := &http.Client{Transport: &keybearer.Transport{Source: admin, Ref: ref}}
		res, err := api.Get(cloud.URL + "/ex/jira/" + site + "/rest/api/3/myself")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}

	bot := keybearer.Ref{User: "bot", Provider: "atlassian"}
	given := keybearer.Credential{Kind: keybearer.ServiceAccount, ClientID: robot.ClientID, Secret: secret.New("a-guess")}
	_, err = admin.PutConnection(t.Context(), bot, given)
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "credential is not accepted")
	given.Secret = secret.New(robot.Secret)
	info, err := admin.PutConnection(t.Context(), bot, given)
	if err != nil || strings.Join(info.Scopes, " ") != "read:jira-user read:jira-work" || info.ExpiresAt.Sub(info.IssuedAt) != time.Hour {
		t.Fatalf("got %+v, %v; want the account's scopes for an hour", info, err)
	}
	if got := call(bot); got != http.StatusOK {
		t.Errorf("the service account: got %d, want 200", got)
	}
	cloud.DropAccessTokens() // an API that answers 401 gets the next token at once
	if got := call(bot); got != http.StatusOK || cloud.History().Calls(providertest.Token) != 3 {
		t.Errorf("after the 401: got %d after %d requests for tokens, want 200 after 3", got, cloud.History().Calls(providertest.Token))
	}

	token, err := cloud.IssueAPIToken("alice", 30*24*time.Hour, "read:jira-user")
	if err != nil {
		t.Fatal(err)
	}
	alice := keybearer.Ref{User: alice, Provider: "atlassian"}
	if _, err := admin.PutConnection(t.Context(), alice, keybearer.Credential{
		Kind: keybearer.ScopedAPIToken, Username: "alice@example.com", Secret: secret.New(token), Scopes: []string{"read:jira-user"},
		ExpiresAt: clock.Now().Add(30 * 24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if got := call(alice); got != http.StatusOK {
		t.Errorf("the scoped API token: got %d, want 200", got)
	}
	_, err = admin.Token(t.Context(), alice, "write:jira-work")
	wantKind(t, err, keybearer.Reauthorize)
	wantText(t, err, "lacks scopes: make a new API token")
}
