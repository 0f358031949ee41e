package providertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/keybearer/keybearer/providertest"
)

// A client signs in while a machine approves; its first exchange meets a
// fault, and the history tells what it did.
func Example() {
	provider := providertest.New(providertest.Config{
		Clients:  []providertest.Client{{ID: "app", RedirectURIs: []string{"http://127.0.0.1:8080/callback"}}},
		Decision: providertest.Decision{Answer: "approve", User: "alice"},
	})
	provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "unavailable", Times: 1})
	server := httptest.NewServer(provider)
	defer server.Close()

	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	back, err := browser.Get(server.URL + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"http://127.0.0.1:8080/callback"}, "state": {"x"},
	}.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = back.Body.Close()
	to, _ := back.Location()

	app, _ := provider.Registered("app")
	for range 2 {
		res, err := http.PostForm(server.URL+"/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {"http://127.0.0.1:8080/callback"},
			"client_id": {app.ID}, "client_secret": {app.Secret},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = res.Body.Close()
	}
	for _, r := range provider.History().At(providertest.Token) {
		fmt.Println(r.Status, r.Outcome, r.Fault)
	}
	// Output:
	// 503 faulted unavailable
	// 200 redeemed
}
