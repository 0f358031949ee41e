package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// visit plays the user's browser: it opens the URL, and gives the address at which it arrives.
func visit(url string) string {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		return ""
	}
	_ = res.Body.Close()
	return res.Header.Get("Location")
}

// Jira at Atlassian Cloud, from a sign-in to a call of its API. The Atlassian is the sandbox, told to approve
// everything at once.
func Example_cloud() {
	ctx := context.Background()
	app := atlassiantest.App{ID: "my-app", Secret: "not-a-real-secret", Callbacks: []string{"https://app.example.com/done"}}
	sandbox := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}})
	sandbox.Decide(providertest.Decision{Answer: "approve", User: "alice", Sites: []string{"sandbox-teahouse", "sandbox-garden"}})
	server := httptest.NewServer(sandbox)
	defer server.Close()

	client, err := atlassian.New(atlassian.Config{
		Product:      atlassian.Jira,
		Site:         "sandbox-teahouse", // its name, or its address
		ClientID:     "my-app",
		ClientSecret: secret.New("not-a-real-secret"),
		CallbackURL:  "https://app.example.com/done",
		Hosts:        atlassian.Hosts{Auth: server.URL, API: server.URL}, // leave it out for the real one
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(ctx) }()

	_, err = client.Token(ctx)
	fmt.Println(errors.Is(err, atlassian.ErrNotConnected))

	url, err := client.Start(ctx) // for the user
	if err != nil {
		fmt.Println(err)
		return
	}
	arrived := visit(url) // what is in the address bar afterwards
	if _, err := client.Complete(ctx, arrived); err != nil {
		fmt.Println(err)
		return
	}

	who, err := client.TestConnection(ctx)
	fmt.Println(who.Name, "at", who.Site, err)

	var me struct{ DisplayName string }
	err = client.Get(ctx, "/rest/api/3/myself", &me)
	fmt.Println(me.DisplayName, err)
	// Output:
	// true
	// Alice Adams at sandbox-teahouse – https://sandbox-teahouse.atlassian.net – Jira <nil>
	// Alice Adams <nil>
}

// Confluence Data Center, below a context path. The URL carries a state, so what comes back to somebody else
// is not taken.
func Example_dataCenter() {
	ctx := context.Background()
	sandbox := atlassiantest.NewDataCenter(atlassiantest.DataCenterConfig{
		Product: atlassiantest.Confluence, ContextPath: "/wiki",
		Links: []atlassiantest.Link{{ID: "my-link", Secret: "not-a-real-secret", Redirects: []string{"https://app.example.com/done"}}},
	})
	sandbox.Approve("alice")
	server := httptest.NewServer(sandbox)
	defer server.Close()

	client, err := atlassian.New(atlassian.Config{
		Product:      atlassian.Confluence,
		ServerURL:    server.URL + "/wiki",
		ClientID:     "my-link",
		ClientSecret: secret.New("not-a-real-secret"),
		CallbackURL:  "https://app.example.com/done",
		Scopes:       atlassian.DataCenterScopes(atlassian.Write, atlassian.Confluence),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(ctx) }()

	url, err := client.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Complete(ctx, "https://app.example.com/done?code=of-somebody-else&state=unheard-of")
	fmt.Println(err)
	status, err := client.Complete(ctx, visit(url))
	fmt.Println(status.Connected, status.Scopes, err)

	who, err := client.TestConnection(ctx)
	fmt.Println(who.User, err)
	// Output:
	// this sign-in was not started here, or was finished long ago: its state is unknown. The code was not used; call Start, and open the URL that it gives
	// true [WRITE] <nil>
	// alice <nil>
}

// An answer that is no success is an error with a class, and says what to do.
func ExampleExplain() {
	sandbox := atlassiantest.NewDataCenter(atlassiantest.DataCenterConfig{})
	server := httptest.NewServer(sandbox)
	defer server.Close()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/rest/api/2/search", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer a-token-that-has-ended")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	failure := atlassian.Explain(res, nil, sandbox.Now())
	fmt.Println(res.StatusCode, failure.Class, failure.Renew)
	fmt.Println(failure)
	// Output:
	// 200 reconsent true
	// GET /rest/api/2/search answered 200. The credentials were not accepted: the server answered as to an anonymous visitor, who sees less. If a renewed token gets the same answer, the authorization has ended: authorize again (a personal access token has to be made anew)
}

// The map that AtlassianApiModule keeps for an integration goes on as it is.
func ExampleClient_Import() {
	ctx := context.Background()
	client, err := atlassian.New(atlassian.Config{
		Product: atlassian.Jira, ServerURL: "https://tea.example.com/jira", CallbackURL: "https://app.example.com/done",
		ClientID: "my-link", ClientSecret: secret.New("not-a-real-secret"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close(ctx) }()
	err = client.Import(ctx, []byte(`{
		"token": "an-access-token", "refresh_token": "a-refresh-token", "scopes": "ADMIN", "valid_until": 4102444800.5, "last_fetch": 17
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := client.Token(ctx)
	fmt.Println(token.Access, token.Scopes, token.ExpiresAt.Year(), err)
	back, err := client.Export(ctx)
	fmt.Println(string(back), err)
	// Output:
	// [redacted] [ADMIN] 2100 <nil>
	// {"last_fetch":17,"refresh_token":"a-refresh-token","scopes":"ADMIN","token":"an-access-token","valid_until":4102444800.5} <nil>
}
