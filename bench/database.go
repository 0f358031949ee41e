package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const rootKey = "a root key for measuring, which protects nothing"

func user(n int) keybearer.UserID { return keybearer.UserID(fmt.Sprintf("user-%07d@example.com", n)) }

// fill makes a data folder with so many stored connections. All hold copies of one grant that the
// sandbox gave, with tokens of the size of Atlassian's.
func fill(ctx context.Context, dir string, connections int, due time.Time) (err error) {
	if err := os.WriteFile(filepath.Join(dir, "root.key"), []byte(rootKey), 0o600); err != nil {
		return err
	}
	ring, err := seal.NewKeyring(seal.Key{ID: "generated", Secret: secret.New(rootKey)})
	if err != nil {
		return err
	}
	plain, err := sampleGrant(ctx, ring)
	if err != nil {
		return fmt.Errorf("getting a grant to copy: %w", err)
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(dir, "keybearer.sqlite3")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var sealing error
	_, err = store.ImportConnections(ctx, copies(ring, plain, connections, due, &sealing))
	return errors.Join(err, sealing)
}

func copies(ring *seal.Keyring, plain []byte, connections int, due time.Time, failed *error) iter.Seq[keybearer.Connection] {
	now := time.Now()
	return func(yield func(keybearer.Connection) bool) {
		for n := range connections {
			c := keybearer.Connection{
				ID:    keybearer.ConnectionID(fmt.Sprintf("conn_%026d", n)),
				Ref:   keybearer.Ref{Project: keybearer.DefaultProject, User: user(n), Provider: "hooli"},
				State: keybearer.ConnectionActive, Scopes: []string{"read", "write"}, Refreshable: true,
				IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour), CreatedAt: now, UpdatedAt: now, DueAt: due, Version: 1,
			}
			if c.Grant, *failed = ring.Seal(plain, c.GrantPlace()); *failed != nil || !yield(c) {
				return
			}
		}
	}
}

// sampleGrant walks one consent through a broker and the sandbox, and opens what was stored.
func sampleGrant(ctx context.Context, ring *seal.Keyring) ([]byte, error) {
	const public = "http://localhost:9099"
	app := atlassiantest.DefaultApp()
	app.Secret, app.Callbacks = "a-secret-for-measuring", []string{public + "/api/v1/oauth/hooli/callback"}
	sandbox := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}})
	sandbox.Approve("alice")
	server := httptest.NewServer(sandbox)
	defer server.Close()

	store := keybearer.NewMemory()
	broker, err := keybearer.New(keybearer.Config{
		PublicURL: public, Connections: store, Sealer: ring, Verification: keybearer.Verification{UnsafeSkip: true}, VerificationFixed: true,
	})
	if err != nil {
		return nil, err
	}
	operator := broker.As(keybearer.Caller{Name: "bench", Admin: true})
	enabled := true
	if _, err := operator.CreateProvider(ctx, keybearer.ProviderDraft{
		ID: "hooli", ClientID: app.ID, ClientSecret: secret.New(app.Secret), Settings: oauth.Definition{
			PKCE: oauth.PKCE{Enabled: &enabled},
			AuthorizeRequest: oauth.Request{Endpoint: server.URL + "/authorize", Params: map[string]string{
				"audience": "api.atlassian.com", "prompt": "consent", "response_type": "code",
				"client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}", "scope": "{{scopes}}",
			}},
			TokenRequest:   oauth.Request{Endpoint: server.URL + "/oauth/token"},
			RefreshRequest: &oauth.Request{},
			UserInfoRequest: &oauth.UserInfo{
				Request: oauth.Request{Endpoint: server.URL + "/me"}, Triggers: &oauth.Triggers{OnTokenGrant: true},
			},
		},
	}); err != nil {
		return nil, err
	}
	a, err := operator.Authorize(ctx, keybearer.AuthorizeRequest{ID: "hooli", User: user(0), Scopes: []string{"read:me", "read:jira-work", "offline_access"}})
	if err != nil {
		return nil, err
	}
	browser := broker.Visitor(keybearer.NewBrowserSecret())
	to, err := browser.Begin(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	back, err := consent(ctx, to)
	if err != nil {
		return nil, err
	}
	if _, err := browser.Complete(ctx, keybearer.Callback{State: secret.New(back.Get("state")), Code: secret.New(back.Get("code"))}); err != nil {
		return nil, err
	}
	c, err := store.Connection(ctx, keybearer.Ref{Project: keybearer.DefaultProject, User: user(0), Provider: "hooli"})
	if err != nil {
		return nil, err
	}
	plain, err := ring.Open(c.Grant, c.GrantPlace())
	return plain, errors.Join(err, broker.Close(ctx))
}

// consent opens the provider's page, which decides at once, and reads where it sends the browser.
func consent(ctx context.Context, to string) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	back, err := res.Location()
	if err != nil {
		return nil, fmt.Errorf("the sandbox answered %s and sent the browser nowhere", res.Status)
	}
	return back.Query(), nil
}
