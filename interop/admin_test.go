package interop_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// authProvider is an AuthProviderResponse on the wire, as far as these tests look.
type authProvider struct {
	ID          string `json:"id"`
	ProviderID  string `json:"provider_id"`
	Type        string `json:"type"`
	Status      string `json:"status"`
	Description string `json:"description"`
	Binding     struct {
		Type string `json:"type"`
	} `json:"binding"`
	OAuth2 struct {
		ClientID     string `json:"client_id"`
		ClientSecret struct {
			Exists   bool   `json:"exists"`
			Editable bool   `json:"editable"`
			Value    string `json:"value"`
		} `json:"client_secret"`
		RedirectURI      string         `json:"redirect_uri"`
		AuthorizeRequest map[string]any `json:"authorize_request"`
	} `json:"oauth2"`
}

// ownProvider is a provider as an operator creates it over the API, at that server.
func ownProvider(id string, p *oidcProvider) map[string]any {
	return map[string]any{
		"id": id, "description": "Made by an API client", "type": "oauth2", "status": "active",
		"oauth2": map[string]any{
			"client_id": p.clientID, "client_secret": p.clientSecret, "scope_delimiter": " ",
			"pkce": map[string]any{"enabled": true, "code_challenge_method": "S256"},
			"authorize_request": map[string]any{
				"endpoint": p.AuthorizationEndpoint,
				"params": map[string]any{
					"response_type": "code", "client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}",
					"scope": "openid {{scopes}} {{existing_scopes}}", "prompt": "consent",
				},
			},
			"token_request": map[string]any{
				"endpoint": p.TokenEndpoint,
				"params": map[string]any{
					"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}",
					"client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
				},
			},
		},
	}
}

// TestProvidersAreManagedByThePublishedClients: create, get, list, patch, delete.
func TestProvidersAreManagedByThePublishedClients(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{}, engineOptions{})
	withEachClient(t, func(t *testing.T, c published) {
		d := c.drive(t, h.engine.URL, h.engine.Key)
		id := "own-" + strings.ToLower(strings.ReplaceAll(c.name, " ", "-"))
		d.succeeds(t, call{Method: "health.check"}, nil)

		var made authProvider
		d.succeeds(t, d.with(c.calls.providers+".create", ownProvider(id, h.oidc)), &made)
		if made.ID != id || made.Type != "oauth2" || made.Status != "active" || made.OAuth2.ClientID != h.oidc.clientID {
			t.Errorf("create: got %+v", made)
		}
		if s := made.OAuth2.ClientSecret; !s.Exists || !s.Editable || s.Value != "" {
			t.Errorf("create: the secret is %+v, want one that exists, can be changed and is not shown", s)
		}
		if got := made.OAuth2.RedirectURI; !strings.HasPrefix(got, h.engine.URL+"/api/v1/oauth/") || !strings.HasSuffix(got, "/callback") {
			t.Errorf("create: redirect_uri is %q, want a callback of the engine", got)
		}

		var got authProvider
		d.succeeds(t, d.with(c.calls.providers+".get", nil, id), &got)
		if !cmp.Equal(got, made) {
			t.Errorf("get differs from create (-create +get):\n%s", cmp.Diff(made, got))
		}

		var all struct {
			Items []authProvider `json:"items"`
			Total int            `json:"total_count"`
		}
		d.succeeds(t, call{Method: c.calls.providers + ".list"}, &all)
		ids := map[string]string{}
		for _, p := range all.Items {
			ids[p.ID] = p.Binding.Type
		}
		if ids["hooli"] != "static" || ids[id] != "project" || all.Total != len(all.Items) {
			t.Errorf("list: got %v of %d, want hooli as static and %s as project", ids, all.Total, id)
		}

		var patched authProvider
		d.succeeds(t, d.with(c.calls.providers+".patch", map[string]any{
			"description": "Changed", "oauth2": map[string]any{"client_id": "another-client"},
		}, id), &patched)
		if patched.Description != "Changed" || patched.OAuth2.ClientID != "another-client" || !patched.OAuth2.ClientSecret.Exists {
			t.Errorf("patch: got %+v, want the two changes and the secret kept", patched)
		}
		if !cmp.Equal(patched.OAuth2.AuthorizeRequest, made.OAuth2.AuthorizeRequest) {
			t.Errorf("patch changed what it did not name (-before +after):\n%s", cmp.Diff(made.OAuth2.AuthorizeRequest, patched.OAuth2.AuthorizeRequest))
		}

		var gone authProvider
		d.succeeds(t, d.with(c.calls.providers+".delete", nil, id), &gone)
		if gone.ID != id {
			t.Errorf("delete: got %q, want the provider that was deleted", gone.ID)
		}
		if e := d.raises(t, d.with(c.calls.providers+".get", nil, id)); e.Code != http.StatusNotFound {
			t.Errorf("get after delete: got %d, want 404", e.Code)
		}
	})
}

// userConnection is a row of GET /v1/admin/user_connections.
type userConnection struct {
	ID         string         `json:"id"`
	UserID     string         `json:"user_id"`
	ProviderID string         `json:"provider_id"`
	Scopes     []string       `json:"scopes"`
	UserInfo   map[string]any `json:"provider_user_info"`
}

// TestConnectionsAreListedFilteredAndRemovedByThePublishedClients: each client walks
// the pages, filters in its own spelling, and removes a connection, after which the
// user is asked again.
func TestConnectionsAreListedFilteredAndRemovedByThePublishedClients(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{}, engineOptions{})
	withEachClient(t, func(t *testing.T, c published) {
		d := c.drive(t, h.engine.URL, h.engine.Key)
		users := []string{c.name + "+one@app.example", c.name + " two/2@app.example"}
		for i, user := range users {
			app := c.start(t, h.engine.URL, h.engine.Key, "hooli", user, "scope1")
			newPerson(t, []string{"gavin", "denpok"}[i]).consents(t, app.next(t, "please_complete").URL)
			app.next(t, "completed")
		}

		var every []userConnection
		list := d.with(c.calls.connections+".list", map[string]any{"limit": 1})
		list.Every = true
		d.succeeds(t, list, &every)
		for _, user := range users {
			if n := countOf(every, user); n != 1 {
				t.Errorf("walking pages of one: %s is there %d times, want once", user, n)
			}
		}

		for i, user := range users {
			filter := map[string]any{"provider_id": "hooli", "user_id": user}
			if d.calls.keywords {
				filter = map[string]any{"provider": map[string]any{"id": "hooli"}, "user": map[string]any{"id": user}}
			}
			var found struct {
				Items []userConnection `json:"items"`
			}
			d.succeeds(t, d.with(c.calls.connections+".list", filter), &found)
			if len(found.Items) != 1 {
				t.Fatalf("filtered by %q: got %d connections, want 1", user, len(found.Items))
			}
			row := found.Items[0]
			if row.UserID != user || row.ProviderID != "hooli" || row.UserInfo["sub"] != []string{"gavin", "denpok"}[i] || !slices.Contains(row.Scopes, "scope1") {
				t.Errorf("filtered by %q: got %+v", user, row)
			}

			d.succeeds(t, d.with(c.calls.connections+".delete", nil, row.ID), nil)
			var again authorization
			d.succeeds(t, call{Method: "auth.start", Args: []any{user, "hooli"}}, &again)
			if again.Status != "pending" {
				t.Errorf("start after delete: got %q, want pending", again.Status)
			}
			if e := d.raises(t, d.with(c.calls.connections+".delete", nil, row.ID)); e.Code != http.StatusNotFound {
				t.Errorf("second delete: got %d, want 404", e.Code)
			}
		}
	})
}

func countOf(rows []userConnection, user string) int {
	n := 0
	for _, row := range rows {
		if row.UserID == user {
			n++
		}
	}
	return n
}
