package keybearer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// One user's consent, from the app's question to a token. The provider is the one for tests, told to
// approve everything at once; the browser is played by a few lines of HTTP.
func Example() {
	ctx := context.Background()
	const public = "http://localhost:9099" // where browsers would reach us
	provider := providertest.New(providertest.Config{Clients: []providertest.Client{{
		ID: "my-client", Secret: "not-a-real-secret", RedirectURIs: []string{public + "/api/v1/oauth/hooli/callback"},
	}}})
	provider.Approve("alice")
	server := httptest.NewServer(provider)
	defer server.Close()

	broker, err := keybearer.New(keybearer.Config{
		PublicURL:    public,
		Verification: keybearer.Verification{UnsafeSkip: true}, // whoever has the link is believed
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = broker.Close(ctx) }()
	pkce := true
	operator := broker.As(keybearer.Caller{Name: "operator", Admin: true})
	if _, err := operator.CreateProvider(ctx, keybearer.ProviderDraft{
		ID: "hooli", ClientID: "my-client", ClientSecret: secret.New("not-a-real-secret"),
		Settings: oauth.Definition{
			PKCE:             oauth.PKCE{Enabled: &pkce},
			AuthorizeRequest: oauth.Request{Endpoint: server.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: server.URL + "/token"},
			RefreshRequest:   &oauth.Request{},
		},
	}); err != nil {
		fmt.Println(err)
		return
	}

	// The app asks, and is told where the user has to go.
	app := broker.As(keybearer.Caller{Name: "my-app"})
	asked, err := app.Authorize(ctx, keybearer.AuthorizeRequest{ProviderID: "hooli", User: "alice@example.com", Scopes: []string{"read"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("first:", asked.Status)

	// The user's browser goes to the provider and comes back.
	browser := broker.Visitor(keybearer.NewBrowserSecret())
	to, err := browser.Begin(ctx, asked.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = res.Body.Close()
	back, _ := res.Location()
	if _, err := browser.Complete(ctx, keybearer.Callback{
		State: secret.New(back.Query().Get("state")), Code: secret.New(back.Query().Get("code")),
	}); err != nil {
		fmt.Println(err)
		return
	}

	// From now on there is a token, refreshed when needed.
	token, err := app.Token(ctx, keybearer.Ref{User: "alice@example.com", Provider: "hooli"}, "read")
	fmt.Println("then:", token.Scopes, token.Access, err)
	// Output:
	// first: pending
	// then: [read] [redacted] <nil>
}
