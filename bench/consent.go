package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const (
	providerID   = "hooli"
	clientID     = "bench"
	clientSecret = "a-secret-for-measuring"
	publicURL    = "http://localhost:9099"
	callback     = publicURL + "/api/v1/oauth/" + providerID + "/callback"
)

// office is a broker of this process where users consent at a provider that is called directly: so
// thousands have grants in seconds. They are taken from there into the databases that are measured.
type office struct {
	provider http.Handler
	broker   *keybearer.Broker
	store    *keybearer.Memory
	scopes   []string

	mu    sync.Mutex
	given []string // the refresh tokens
}

// openOffice opens one. The token endpoint of the definition is the one that engines refresh at later.
func openOffice(ctx context.Context, provider http.Handler, sealer keybearer.Sealer, definition oauth.Definition, scopes ...string) (*office, error) {
	o := &office{provider: provider, store: keybearer.NewMemory(), scopes: scopes}
	var err error
	if o.broker, err = keybearer.New(keybearer.Config{
		PublicURL: publicURL, Connections: o.store, Sealer: sealer, AllowHTTP: true,
		Verification: keybearer.Verification{UnsafeSkip: true}, VerificationFixed: true,
		HTTP: func(keybearer.Origin) *http.Client { return &http.Client{Transport: o} },
	}); err != nil {
		return nil, err
	}
	enabled := true
	definition.PKCE = oauth.PKCE{Enabled: &enabled}
	definition.RefreshRequest = &oauth.Request{}
	_, err = o.desk().CreateProvider(ctx, keybearer.ProviderDraft{
		ID: providerID, ClientID: clientID, ClientSecret: secret.New(clientSecret), Settings: definition,
	})
	return o, err
}

func (o *office) desk() *keybearer.View {
	return o.broker.As(keybearer.Caller{Name: "bench", Admin: true})
}

func (o *office) close(ctx context.Context) error { return o.broker.Close(ctx) }

// RoundTrip calls the provider, and notes the refresh tokens that it gives.
func (o *office) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	o.provider.ServeHTTP(answer, req)
	var grant struct {
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(answer.Body.Bytes(), &grant) == nil && grant.RefreshToken != "" {
		o.mu.Lock()
		o.given = append(o.given, grant.RefreshToken)
		o.mu.Unlock()
	}
	return answer.Result(), nil
}

// consent walks the consent of a user.
func (o *office) consent(ctx context.Context, user keybearer.UserID) error {
	a, err := o.desk().Authorize(ctx, keybearer.AuthorizeRequest{ID: providerID, User: user, Scopes: o.scopes})
	if err != nil {
		return err
	}
	browser := o.broker.Visitor(keybearer.NewBrowserSecret())
	to, err := browser.Begin(ctx, a.ID)
	if err != nil {
		return err
	}
	back, err := o.decide(ctx, to)
	if err != nil {
		return err
	}
	_, err = browser.Complete(ctx, keybearer.Callback{State: secret.New(back.Get("state")), Code: secret.New(back.Get("code"))})
	return err
}

// decide opens the provider's page, which decides at once, and reads where it sends the browser.
func (o *office) decide(ctx context.Context, to string) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	res, err := o.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	back, err := res.Location()
	if err != nil {
		return nil, fmt.Errorf("the provider answered %s and sent the browser nowhere", res.Status)
	}
	return back.Query(), nil
}

// sampleGrant walks one consent at the sandbox, and opens what was stored.
func sampleGrant(ctx context.Context, tokenEndpoint string) (plain []byte, err error) {
	app := atlassiantest.DefaultApp()
	app.ID, app.Secret, app.Callbacks = clientID, clientSecret, []string{callback}
	sandbox := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}})
	sandbox.Approve("alice")
	ring, err := seal.NewKeyring(seal.Key{ID: "sample", Secret: secret.New(clientSecret)})
	if err != nil {
		return nil, err
	}
	o, err := openOffice(ctx, sandbox, ring, oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: "http://localhost/authorize", Params: map[string]string{
			"audience": "api.atlassian.com", "prompt": "consent", "response_type": "code",
			"client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}", "scope": "{{scopes}}",
		}},
		TokenRequest: oauth.Request{Endpoint: tokenEndpoint},
		UserInfoRequest: &oauth.UserInfo{
			Request: oauth.Request{Endpoint: "http://localhost/me"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
		},
	}, "read:me", "read:jira-work", "offline_access")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close(ctx)) }()
	if err := o.consent(ctx, user(0)); err != nil {
		return nil, err
	}
	c, err := o.store.Connection(ctx, keybearer.Ref{Project: keybearer.DefaultProject, User: user(0), Provider: providerID})
	if err != nil {
		return nil, err
	}
	return ring.Open(c.Grant, c.GrantPlace())
}
