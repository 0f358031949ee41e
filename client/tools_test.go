package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/httpapi"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// A whole engine's worth of tools, seen through the client.
func TestToolsOfAnEngine(t *testing.T) {
	b, err := keybearer.New(keybearer.Config{PublicURL: "https://keys.example.com", AllowSkip: true, Verification: keybearer.Verification{UnsafeSkip: true}})
	if err != nil {
		t.Fatal(err)
	}
	admin := b.As(keybearer.Caller{Name: "test", Admin: true})
	_, key, err := admin.CreateKey(t.Context(), keybearer.KeyDraft{Name: "admin", Scope: keybearer.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateProvider(t.Context(), keybearer.ProviderDraft{ID: "hooli", ClientID: "c", Settings: oauth.Definition{
		PKCE:             oauth.PKCE{Enabled: new(true)},
		AuthorizeRequest: oauth.Request{Endpoint: "https://hooli.example.com/authorize"}, TokenRequest: oauth.Request{Endpoint: "https://hooli.example.com/token"},
	}}); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	box := workers.New(workers.Config{Broker: b, HTTP: func(keybearer.Origin) *http.Client { return &http.Client{Transport: transport} }})
	server := httptest.NewServer(httpapi.New(httpapi.Config{Broker: b, Tools: box}))
	defer func() {
		server.Close()
		if err := errors.Join(box.Close(t.Context()), b.Close(t.Context())); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	}()
	c, err := client.New(server.URL, key)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	worker := workertest.Start(t, "what both sides know")
	none := 0
	_, err = c.CreateWorker(t.Context(), api.WorkerCreate{ID: "hooli-tools", Type: "http", HTTP: &api.WorkerHTTPCreate{URI: worker.URL, Secret: "what both sides know", Retry: &none}})
	check(err)
	health, err := c.WorkerHealth(t.Context(), "hooli-tools")
	check(err)
	all, err := c.Workers(t.Context())
	check(err)
	tools, err := c.Tools(t.Context(), "hooli", "alice")
	check(err)
	if !health.Healthy || len(all) != 1 || len(tools) != 8 {
		t.Errorf("got the health %+v, %d workers and %d tools, want 1 and 8", health, len(all), len(tools))
	}
	one, err := c.Tool(t.Context(), "Hooli_Echo", "")
	check(err)
	if one.FullyQualifiedName != "Hooli.Echo@1.0.0" {
		t.Errorf("got %s", one.FullyQualifiedName)
	}
	done, err := c.ExecuteTool(t.Context(), "Hooli.Echo", "alice", nil, time.Time{})
	check(err)
	if !done.Success || len(worker.History()) != 1 {
		t.Errorf("got %+v of %d calls", done, len(worker.History()))
	}
	_, err = c.ExecuteTool(t.Context(), "Hooli.Create", "alice", nil, time.Time{})
	missing, ok := errors.AsType[*keybearer.AuthorizationRequired](err)
	if !ok || !errors.Is(err, keybearer.PermissionDenied) || !strings.HasPrefix(missing.Authorization.URL, "https://keys.example.com/start/") {
		t.Errorf("got %v, want the authorization that is missing", err)
	}
	a, err := c.AuthorizeTool(t.Context(), "Hooli.Create", "alice", "")
	check(err)
	if ok && a.ID != missing.Authorization.ID {
		t.Errorf("got another authorization, %s, than %s", a.ID, missing.Authorization.ID)
	}
	later, err := c.ExecuteTool(t.Context(), "Hooli.Echo", "alice", nil, time.Now().Add(time.Hour))
	check(err)
	if later.Status != "scheduled" {
		t.Errorf("got %+v", later)
	}
	s, err := c.PutToolSecret(t.Context(), "HOOK", secret.New("not-a-secret"), "the team's")
	check(err)
	secrets, err := c.ToolSecrets(t.Context())
	check(err)
	if len(secrets) != 1 || secrets[0].Key != "HOOK" {
		t.Errorf("got %+v", secrets)
	}
	check(c.DeleteToolSecret(t.Context(), s.ID))
	off := false
	if w, err := c.UpdateWorker(t.Context(), "hooli-tools", api.WorkerPatch{Enabled: &off}); err != nil || w.Enabled {
		t.Errorf("got %+v, %v", w, err)
	}
	check(c.DeleteWorker(t.Context(), "hooli-tools"))
}
