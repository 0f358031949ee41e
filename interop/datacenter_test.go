package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/secret"
)

const sandboxLink = "5a0d00000000400080000000000dc001"

// startDataCenter is a running `keybearer sandbox --data-center` below a context path.
func startDataCenter(t *testing.T, product string) *sandbox {
	t.Helper()
	address, control := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := &sandbox{URL: "http://" + address + "/" + product, controlURL: "http://" + control, enginePort: freePort(t), secret: nonce("link")}
	p := run(t, "keybearer sandbox", command{
		path: os.Getenv(binaryVariable), dir: t.TempDir(),
		env: []string{"KEYBEARER_SANDBOX_SECRET=" + s.secret},
		args: append(sandboxArgs(address, control, callback(s.enginePort, "tools")),
			"--data-center", product, "--switch", "context_path=/"+product, "--switch", "refresh_redirect=required"),
	})
	waitReady(t, p, s.controlURL+"/control/clock", func(resp *http.Response) bool { return resp.StatusCode == http.StatusOK })
	return s
}

// TestDataCenterByTheBuiltBinary: three settings beside the client are all that engine.yaml says of a
// Data Center server; a person clicks through its login and consent, and an app that meets with 401 gets
// another token.
func TestDataCenterByTheBuiltBinary(t *testing.T) {
	t.Parallel()
	for product, myself := range map[string]string{"jira": "/rest/api/2/myself", "confluence": "/rest/api/user/current"} {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			s := startDataCenter(t, product)
			e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{{
				env: []string{"LINK_SECRET=" + s.secret}, secrets: []string{s.secret},
				yaml: fmt.Sprintf(dataCenterYAML, s.URL, product, sandboxLink),
			}}})
			app, err := client.New(e.URL, secret.New(e.Key))
			if err != nil {
				t.Fatal(err)
			}
			a, err := app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: "atlassian-data-center", User: appUser, Scopes: []string{"WRITE"}})
			if err != nil || a.URL == "" {
				t.Fatalf("got %+v, %v; want a link", a, err)
			}
			newPerson(t, "bob").consents(t, a.URL)
			a, err = app.Wait(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			e.guards(a.Token.Access.Reveal())
			if who := whoseDataCenter(t, s.URL+myself, *a.Token); who != "bob" || strings.Join(a.Scopes, " ") != "READ WRITE" {
				t.Errorf("the token is %s's with %q, want bob's who may read and write", who, a.Scopes)
			}
			ref := keybearer.Ref{User: appUser, Provider: "tools"}
			renewed, err := app.Renew(t.Context(), ref, a.Token.Access)
			if err != nil {
				t.Fatal(err)
			}
			e.guards(renewed.Access.Reveal())
			if who := whoseDataCenter(t, s.URL+myself, renewed); who != "bob" {
				t.Errorf("the renewed token is %s's, want bob's", who)
			}
			if who := whoseDataCenter(t, s.URL+myself, *a.Token); who != "anonymous" {
				t.Errorf("the refused token is %s's, want it dead", who)
			}
			_, err = app.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "tools", User: appUser, Scopes: []string{"read:jira-work"}})
			if !errors.Is(err, keybearer.BadRequest) || !strings.Contains(err.Error(), "use READ, WRITE, ADMIN, SYSTEM_ADMIN") {
				t.Errorf("a scope of Cloud: got %v, want to be told the scopes that there are", err)
			}
			waiting, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for line := 0; ; line++ { // the look at the server holds up nothing, and ends when it ends
				text, more := e.process.stderr.wait(waiting, line)
				if !more {
					t.Error("nothing was said of the redirect URI without https")
				}
				if !more || strings.Contains(text, "fault=redirect_in_clear") {
					break
				}
			}
		})
	}
}

const dataCenterYAML = `
- id: tools
  provider_id: atlassian-data-center
  server_url: %s
  product: %s
  client_id: %s
  client_secret: ${env:LINK_SECRET}
`

// whoseDataCenter asks the server whom it takes the bearer for.
func whoseDataCenter(t *testing.T, address string, token keybearer.Token) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token.Authorization().Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("X-AUSERNAME")
}
