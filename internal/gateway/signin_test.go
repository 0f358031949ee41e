package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/gateway"
	"github.com/keybearer/keybearer/secret"
)

const back = "http://127.0.0.1:7999/callback"

// allows is a person who lets every client in: what the engine's page does when its button is pressed.
func (l *lab) allows(user keybearer.UserID) auth.AuthorizationCodeFetcher {
	return func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
		u, err := url.Parse(args.URL)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(args.URL, l.url+"/oauth/authorize?") {
			l.t.Errorf("the person was sent to %s", args.URL)
		}
		q := u.Query()
		code, err := l.broker.AllowClient(ctx, keybearer.ClientRequest{
			ResponseType: q.Get("response_type"), Client: q.Get("client_id"), RedirectURI: q.Get("redirect_uri"), State: q.Get("state"),
			Challenge: q.Get("code_challenge"), ChallengeMethod: q.Get("code_challenge_method"), Resource: q.Get("resource"),
		}, user)
		return &auth.AuthorizationResult{Code: code.Reveal(), State: q.Get("state"), Iss: l.broker.Issuer()}, err
	}
}

// signedIn is the official SDK's client with its own OAuth: it knows the address of the server and nothing else.
func (l *lab) signedIn(path string, who auth.AuthorizationCodeFetcher, o *mcp.ClientOptions) (*mcp.ClientSession, error) {
	l.t.Helper()
	transport := &http.Transport{}
	l.t.Cleanup(transport.CloseIdleConnections)
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "An agent", RedirectURIs: []string{back}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}},
		RedirectURL: back, AuthorizationCodeFetcher: who, Client: &http.Client{Transport: transport},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, o).Connect(l.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: l.url + path, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1, OAuthHandler: handler,
	}, nil)
	if err == nil {
		l.t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

// person makes an account, which is what signs in.
func (l *lab) person(user keybearer.UserID) {
	l.t.Helper()
	if _, err := l.broker.PutAccount(l.t.Context(), keybearer.DefaultProject, user, secret.New("a password of theirs"), false); err != nil {
		l.t.Fatal(err)
	}
}

func TestClientThatKnowsTheAddressAloneSignsIn(t *testing.T) {
	l := open(t, gateway.Gateway{ID: "read", ReadOnly: true})
	l.person(alice)
	for _, path := range []string{"/mcp", "/mcp/read"} {
		session, err := l.signedIn(path, l.allows(alice), links(func(link string) string {
			if err := l.consent(link); err != nil {
				t.Error(err)
			}
			return "accept"
		}))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r := must(session.CallTool(t.Context(), &mcp.CallToolParams{Name: "Hooli_ListProjects"}))(t)
		if r.IsError {
			t.Errorf("%s: %s", path, said(r))
		}
	}
	for _, in := range l.worker.History() {
		if in.Context.UserID != alice {
			t.Errorf("the worker was told of %q", in.Context.UserID)
		}
	}
}

func TestPersonWhoSignsInIsHeldToTheGateway(t *testing.T) {
	l := open(t, gateway.Gateway{ID: "office", Users: "*@office.example"}, gateway.Gateway{ID: "ci", Callers: []string{"key:ci"}})
	l.person(alice)
	for _, path := range []string{"/mcp/office", "/mcp/ci"} {
		if _, err := l.signedIn(path, l.allows(alice), nil); err == nil {
			t.Errorf("alice got in at %s", path)
		}
	}
	if _, err := l.signedIn("/mcp", func(context.Context, *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
		return nil, errors.New("she said no")
	}, nil); err == nil {
		t.Error("somebody got in who was not let in")
	}
}

// do sends a request and reads the answer.
func (l *lab) do(method, path, kind, body string, headers ...string) (int, http.Header, string) {
	l.t.Helper()
	req := must(http.NewRequestWithContext(l.t.Context(), method, l.url+path, strings.NewReader(body)))(l.t)
	req.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res := must(transport.RoundTrip(req))(l.t)
	defer res.Body.Close()
	text := must(io.ReadAll(res.Body))(l.t)
	return res.StatusCode, res.Header, string(text)
}

const asForm, asJSON = "application/x-www-form-urlencoded", "application/json"

func TestWhoIsRefusedIsToldWhereToSignIn(t *testing.T) {
	l := open(t)
	status, h, _ := l.do("POST", "/mcp", asJSON, "{}")
	if want := `Bearer resource_metadata="` + l.url + `/.well-known/oauth-protected-resource/mcp"`; status != 401 || h.Get("WWW-Authenticate") != want {
		t.Errorf("got %d with %q, want %s", status, h.Get("WWW-Authenticate"), want)
	}
	for path, want := range map[string]string{
		"/.well-known/oauth-protected-resource/mcp": `"resource":"` + l.url + `/mcp"`,
		"/.well-known/oauth-protected-resource":     `"authorization_servers":["` + l.url + `"]`,
		"/.well-known/oauth-authorization-server":   `"code_challenge_methods_supported":["S256"]`,
	} {
		status, h, text := l.do("GET", path, "", "")
		if status != 200 || !strings.Contains(text, want) || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: got %d %s, want %s", path, status, text, want)
		}
	}
}

func TestTokenEndpointSpeaksOAuth(t *testing.T) {
	l := open(t)
	for what, c := range map[string]struct{ kind, body, want string }{
		"JSON":                {asJSON, "{}", "invalid_request"},
		"no grant type":       {asForm, "", "unsupported_grant_type"},
		"a password":          {asForm, "grant_type=password", "unsupported_grant_type"},
		"a code of nobody":    {asForm, "grant_type=authorization_code&code=kbc_x.y&client_id=mcp_x", "invalid_grant"},
		"a token of nobody":   {asForm, "grant_type=refresh_token&refresh_token=kbr_x.y", "invalid_grant"},
		"a parameter twice":   {asForm, "grant_type=refresh_token&grant_type=refresh_token", "invalid_request"},
		"a body without end":  {asForm, "grant_type=" + strings.Repeat("x", 17<<10), "invalid_request"},
		"a body that is torn": {asForm, "grant_type=%zz", "invalid_request"},
	} {
		status, h, text := l.do("POST", "/oauth/token", c.kind, c.body)
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(text), &e); err != nil || status != 400 || e.Error != c.want || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s, want %s", what, status, text, c.want)
		}
	}
	if status, _, text := l.do("POST", "/oauth/revoke", asForm, "token=nothing&client_id=mcp_x"); status != 200 {
		t.Errorf("revoking nothing: got %d %s", status, text)
	}
}

func TestRegistrationsAreLimited(t *testing.T) {
	l := open(t)
	for what, body := range map[string]string{
		"no JSON": "x", "no redirect URI": `{"client_name":"x"}`, "a script": `{"redirect_uris":["javascript:alert(1)"]}`, "a long one": `{"client_name":"` + strings.Repeat("x", 17<<10) + `"}`,
	} {
		if status, _, text := l.do("POST", "/oauth/register", asJSON, body); status != 400 {
			t.Errorf("%s: got %d %s", what, status, text)
		}
	}
	refused := 0
	for range 40 {
		if status, h, _ := l.do("POST", "/oauth/register", asJSON, `{"redirect_uris":["`+back+`"]}`); status == 429 && h.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("of 40 registrations at once %d were put off", refused)
	}
}

// A page of another site can do nothing with a person's browser here: nothing is let in by a cookie.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	l := open(t)
	status, _, _ := l.do("POST", "/mcp", asJSON, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
		"Authorization", "Bearer "+l.key.Reveal(), "Arcade-User-ID", alice, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if status != http.StatusForbidden {
		t.Errorf("got %d, want 403", status)
	}
}

func FuzzRegistration(f *testing.F) {
	f.Add([]byte(`{"client_name":"a","redirect_uris":["http://127.0.0.1/cb"],"grant_types":null}`))
	f.Add([]byte(`{"redirect_uris":"x"}`))
	b, err := keybearer.New(keybearer.Config{PublicURL: "https://keys.example.com"})
	if err != nil {
		f.Fatal(err)
	}
	door := gateway.New(gateway.Config{Broker: b, Toolbox: nothing{}, PublicURL: "https://keys.example.com"})
	f.Cleanup(func() { door.Close(); _ = b.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/oauth/register", "/oauth/token", "/oauth/revoke"} {
			req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
			req.Header.Set("Content-Type", asForm)
			rec := httptest.NewRecorder()
			door.ServeHTTP(rec, req)
			if rec.Code >= 500 || rec.Code == 200 && path == "/oauth/token" {
				t.Errorf("%s: got %d %s", path, rec.Code, rec.Body)
			}
		}
	})
}

// nothing is a toolbox without tools.
type nothing struct{ gateway.Toolbox }

func (nothing) Changed() (<-chan struct{}, func()) { return nil, func() {} }
