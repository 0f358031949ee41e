package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/secret"
)

const mcpBack = "http://127.0.0.1:7999/callback"

// TestPersonSignsInAtTheMCPAddress: published clients that know the address of the MCP server, and nothing else, register, and send
// their person to the engine's pages.
func TestPersonSignsInAtTheMCPAddress(t *testing.T) {
	t.Parallel()
	need(t, partNode)
	e := startEngine(t, engineOptions{})
	password := nonce("password")
	e.guards(password)
	operator, err := client.New(e.URL, secret.New(e.Key))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.PutAccount(t.Context(), "alice@example.com", secret.New(password), false); err != nil {
		t.Fatal(err)
	}
	t.Run("go", func(t *testing.T) {
		handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
			DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "interop", RedirectURIs: []string{mcpBack}}},
			RedirectURL:                     mcpBack,
			AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
				back, err := letsIn(ctx, args.URL, password)
				if err != nil {
					return nil, err
				}
				q := back.Query()
				e.guards(q.Get("code"))
				return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		session, err := mcp.NewClient(&mcp.Implementation{Name: "interop"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: e.URL + "/mcp", OAuthHandler: handler}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.ListTools(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("typescript", func(t *testing.T) {
		d := nodeDriver(t, nil, "mcpsignin.mjs", e.URL+"/mcp")
		var shown struct{ Open string }
		if err := json.Unmarshal(d.end(t).Result, &shown); err != nil {
			t.Fatal(err)
		}
		back, err := letsIn(t.Context(), shown.Open, password)
		if err != nil {
			t.Fatal(err)
		}
		e.guards(back.Query().Get("code"))
		d.process.tell(t, map[string]string{"code": back.Query().Get("code")})
		var met struct{ Server string }
		if answer := d.end(t); answer.Exception != nil {
			t.Fatalf("the client failed: %+v", answer.Exception)
		} else if err := json.Unmarshal(answer.Result, &met); err != nil || met.Server != "keybearer" {
			t.Errorf("got %s, %v", answer.Result, err)
		}
	})
}

// letsIn is a person with an account at the engine: signs in at the page, and presses the button.
func letsIn(ctx context.Context, page, password string) (*url.URL, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar}
	send := func(form url.Values) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, page, nil)
		if err != nil {
			return "", err
		}
		if form == nil {
			req.Method = http.MethodGet
		} else {
			req.Body = io.NopCloser(strings.NewReader(form.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := browser.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	var last string
	for _, form := range []url.Values{nil, {"user_id": {"alice@example.com"}, "password": {password}}, {"decision": {"allow"}}} {
		if last, err = send(form); err != nil {
			return nil, err
		}
	}
	m := regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]+)">`).FindStringSubmatch(last)
	if m == nil {
		return nil, errors.New("the page leads nowhere: " + last)
	}
	return url.Parse(html.UnescapeString(m[1]))
}
