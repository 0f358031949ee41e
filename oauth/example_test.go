package oauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// The browser is sent to the authorization URL; what it comes back with is exchanged for tokens.
func ExampleClient() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token": "example-token", "token_type": "bearer", "expires_in": "3600", "scope": "write,read"}`)
	}))
	defer server.Close()
	client := oauth.Client{
		ID: "my-app", Secret: secret.New("my-secret"), RedirectURI: "https://app.example.com/callback",
		Definition: &oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: server.URL + "/authorize"},
			TokenRequest:     oauth.Request{Endpoint: server.URL + "/token", AuthMethod: oauth.AuthClientSecretBasic},
		},
	}

	state, verifier, scopes := secret.New("a-random-state"), oauth.NewVerifier(), []string{"read", "write"}
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: state, Verifier: verifier, Scopes: scopes})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(to)
	fmt.Println(u.Path, u.Query().Get("scope"))

	answer, err := client.Exchange(context.Background(), secret.New("the-code"), verifier, scopes)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.AccessToken, answer.Scopes, answer.ExpiresAt.Sub(answer.IssuedAt))
	// Output:
	// /authorize read write
	// [redacted] [read write] 1h0m0s
}
